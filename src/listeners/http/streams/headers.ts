/** Names of the headers and query parameters of the Durable Streams protocol, as node has them: lower case. */

export const STREAM = {
  NEXT_OFFSET: 'stream-next-offset',
  CURSOR: 'stream-cursor',
  UP_TO_DATE: 'stream-up-to-date',
  CLOSED: 'stream-closed',
  SEQ: 'stream-seq',
  TTL: 'stream-ttl',
  EXPIRES_AT: 'stream-expires-at',
  FORKED_FROM: 'stream-forked-from',
  FORK_OFFSET: 'stream-fork-offset',
  FORK_SUB_OFFSET: 'stream-fork-sub-offset',
  SSE_ENCODING: 'stream-sse-data-encoding',
  PRODUCER_ID: 'producer-id',
  PRODUCER_EPOCH: 'producer-epoch',
  PRODUCER_SEQ: 'producer-seq',
  PRODUCER_EXPECTED_SEQ: 'producer-expected-seq',
  PRODUCER_RECEIVED_SEQ: 'producer-received-seq',
} as const;

/**
 * Of every answer, names and values in turn: content of strangers must not be taken for a page or a script
 * (PROTOCOL.md, 12.7).
 */
export const STREAM_SAFETY: readonly string[] = [
  'x-content-type-options',
  'nosniff',
  'cross-origin-resource-policy',
  'cross-origin',
];

/** What a browser page may read; with CORS. */
export const EXPOSED_STREAM_HEADERS: readonly string[] = [
  'etag',
  STREAM.NEXT_OFFSET,
  STREAM.CURSOR,
  STREAM.UP_TO_DATE,
  STREAM.CLOSED,
  STREAM.TTL,
  STREAM.EXPIRES_AT,
  STREAM.SSE_ENCODING,
  STREAM.PRODUCER_EPOCH,
  STREAM.PRODUCER_SEQ,
  STREAM.PRODUCER_EXPECTED_SEQ,
  STREAM.PRODUCER_RECEIVED_SEQ,
];
