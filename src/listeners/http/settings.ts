/** Every limit and switch of the HTTP listener, with its default and the reason for it. */

export interface HttpSettings {
  /** Largest request body, bytes. */
  readonly maxBodyBytes: number;
  /** Largest append to a stream, bytes; it is one commit. */
  readonly maxStreamBodyBytes: number;
  /** Request bodies held at once over all connections, bytes; beyond it new ones are refused with 503. */
  readonly maxBodiesBytes: number;
  /** Records in one write request. */
  readonly maxRecordsPerRequest: number;
  /** Path and query, bytes. */
  readonly maxUrlBytes: number;
  /** Request line and headers together, bytes. */
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
  readonly maxConnections: number;
  /** Time to receive the request line and headers. */
  readonly headersTimeoutMs: number;
  /** Time to receive the whole request. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs: number;
  /** Long polls and follows that may wait at once. */
  readonly maxReaders: number;
  /** Longest `wait`. */
  readonly maxWaitMs: number;
  /** Records in one read answer when `limit` is not given, and the largest `limit`. */
  readonly defaultLimit: number;
  readonly maxLimit: number;
  /** Bytes of records in one read answer when `maxBytes` is not given, and the largest `maxBytes`. */
  readonly defaultAnswerBytes: number;
  readonly maxAnswerBytes: number;
  /** Bytes of records that a follower gets in one piece, and so what waits for a slow one. */
  readonly followPieceBytes: number;
  /**
   * Pieces of a follower that has had everything come at least so far apart, each with all that came meanwhile: a wake-up and
   * a write cost more than a dozen records.
   */
  readonly followPaceMs: number;
  /** Likewise of a follower that gets a record a millisecond or more: each piece is dozens of them then. */
  readonly denseFollowPaceMs: number;
  /** Bytes of such a piece, so that what came meanwhile is one write. */
  readonly denseFollowPieceBytes: number;
  /** How long a long poll of a stream waits. */
  readonly longPollMs: number;
  /** Server-Sent Events of a stream end after so long, and their readers come back. */
  readonly sseLifetimeMs: number;
  /** An idle follower gets an empty line this often. */
  readonly heartbeatMs: number;
  /** A follower whose socket takes nothing for so long is disconnected. */
  readonly stallTimeoutMs: number;
  /** Answers and opened batches held at once over all readers, bytes; beyond it reading waits. */
  readonly maxAnswersBytes: number;
  /** Origins that browsers may call from; `*` for all; none turns CORS off. */
  readonly corsOrigins: readonly string[];
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const HTTP_DEFAULTS: HttpSettings = {
  // Eight full batches of the broker's default max.message.bytes.
  maxBodyBytes: 8 * MIB,
  // Official clients join the appends that wait for one under way, without a limit of their own.
  maxStreamBodyBytes: 32 * MIB,
  maxBodiesBytes: 64 * MIB,
  // An 8 MiB body of the smallest records would otherwise be 700,000 of them, and hold the event loop for a second.
  maxRecordsPerRequest: 100_000,
  // A topic name of 249 characters percent-encoded, and room for `offsets` over hundreds of partitions.
  maxUrlBytes: 8 * KIB,
  maxHeaderBytes: 16 * KIB,
  maxHeaderCount: 100,
  maxConnections: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  // Longer than the 60 s after which common proxies drop their idle connections, so that they close first.
  keepAliveTimeoutMs: 75_000,
  maxReaders: 6_000,
  maxWaitMs: 60_000,
  defaultLimit: 1_000,
  maxLimit: 100_000,
  defaultAnswerBytes: MIB,
  maxAnswerBytes: 8 * MIB,
  followPieceBytes: 64 * KIB,
  followPaceMs: 5,
  denseFollowPaceMs: 40,
  // With the record that fills it, memory that is used again (text-buffer.ts).
  denseFollowPieceBytes: 192 * KIB,
  // One interval of cursors, and below what proxies take for dead.
  longPollMs: 20_000,
  sseLifetimeMs: 60_000,
  heartbeatMs: 15_000,
  stallTimeoutMs: 60_000,
  maxAnswersBytes: 64 * MIB,
  corsOrigins: [],
};
