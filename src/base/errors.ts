/**
 * The one error type of Millrace and the closed list of its codes.
 *
 * `code` and `kind` are API: programs may branch on them. Messages are for people and may change.
 * Every code stands here, at the bottom, because every layer makes some and the listeners translate all of them;
 * `docs/errors.md` is checked against this table.
 */

/** What the caller should do: the answer to "and now?". */
export type ErrorKind =
  /** The same call may succeed later, unchanged. */
  | 'retry'
  /** The caller's view is old: refresh it (metadata, generation, position), then call again. */
  | 'refresh'
  /** The request is wrong and stays wrong. */
  | 'fix-request'
  /** A newer incarnation of the caller exists; this one must stop. */
  | 'fenced'
  /** The thing called has been closed or has stopped. */
  | 'closed'
  /** Stored bytes are not what was written. */
  | 'data-corrupt'
  /** A defect of Millrace. */
  | 'internal';

/** Code to kind. Append only: a code that was published keeps its meaning. */
export const ERROR_KINDS = {
  // base, model, wire: what arrived cannot be read.
  WIRE_TRUNCATED: 'fix-request',
  WIRE_MALFORMED: 'fix-request',
  WIRE_UNSUPPORTED_VERSION: 'fix-request',
  WIRE_FRAME_TOO_LARGE: 'fix-request',
  MODEL_TOPIC_NAME_INVALID: 'fix-request',
  MODEL_TOPIC_PATTERN_INVALID: 'fix-request',
  MODEL_BATCH_CORRUPT: 'retry',
  MODEL_BATCH_INVALID: 'fix-request',
  MODEL_BATCH_UNSUPPORTED: 'fix-request',
  MODEL_BATCH_TOO_LARGE: 'fix-request',
  MODEL_CODEC_UNSUPPORTED: 'fix-request',
  MODEL_DECOMPRESSED_TOO_LARGE: 'fix-request',
  MODEL_RECORD_INVALID: 'fix-request',
  // journal
  JOURNAL_LOCKED: 'fix-request',
  JOURNAL_CORRUPT: 'data-corrupt',
  JOURNAL_FORMAT_UNSUPPORTED: 'fix-request',
  JOURNAL_NO_SPACE: 'retry',
  JOURNAL_IO: 'retry',
  JOURNAL_SYNC_FAILED: 'retry',
  JOURNAL_STOPPED: 'closed',
  JOURNAL_CLOSED: 'closed',
  JOURNAL_OVERLOADED: 'retry',
  JOURNAL_COMMAND_TOO_LARGE: 'fix-request',
  // store
  STORE_OFFSET_OUT_OF_RANGE: 'refresh',
  STORE_CORRUPT: 'data-corrupt',
  STORE_IO: 'retry',
  STORE_CLOSED: 'closed',
  STORE_KEY_MISSING: 'fix-request',
  // tier: object stores
  TIER_UNAVAILABLE: 'retry',
  TIER_OUTCOME_UNKNOWN: 'retry',
  TIER_REFUSED: 'fix-request',
  TIER_CORRUPT: 'data-corrupt',
  // backups
  BACKUP_CORRUPT: 'data-corrupt',
  BACKUP_INCOMPLETE: 'data-corrupt',
  BACKUP_RUNNING: 'retry',
  BACKUP_UNAVAILABLE: 'retry',
  BACKUP_EARLIER_UNUSABLE: 'fix-request',
  BACKUP_RESTORE_UNFINISHED: 'fix-request',
  BACKUP_RESTORE_REFUSED: 'fix-request',
  // broker: topics and settings
  BROKER_TOPIC_NOT_FOUND: 'refresh',
  BROKER_TOPIC_ID_UNKNOWN: 'refresh',
  BROKER_TOPIC_EXISTS: 'fix-request',
  BROKER_PARTITION_NOT_FOUND: 'refresh',
  BROKER_PARTITIONS_INVALID: 'fix-request',
  BROKER_REPLICATION_INVALID: 'fix-request',
  BROKER_ASSIGNMENT_INVALID: 'fix-request',
  BROKER_CONFIG_INVALID: 'fix-request',
  BROKER_CONFIG_UNSUPPORTED: 'fix-request',
  BROKER_LIMIT_REACHED: 'fix-request',
  BROKER_REQUEST_INVALID: 'fix-request',
  // broker: produce and fetch
  BROKER_ACKS_INVALID: 'fix-request',
  BROKER_TIMESTAMP_INVALID: 'fix-request',
  BROKER_MESSAGE_ID_INVALID: 'fix-request',
  BROKER_MESSAGE_ID_PENDING: 'retry',
  BROKER_SEQUENCE_GAP: 'fix-request',
  BROKER_PRODUCER_EPOCH_OLD: 'fenced',
  BROKER_PRODUCER_UNKNOWN: 'fix-request',
  BROKER_TRANSACTION_STATE_INVALID: 'fix-request',
  BROKER_TRANSACTIONS_UNSUPPORTED: 'fix-request',
  BROKER_TRANSACTION_TIMEOUT_INVALID: 'fix-request',
  BROKER_PRODUCER_FENCED: 'fenced',
  BROKER_TRANSACTION_CONCURRENT: 'retry',
  BROKER_TRANSACTION_ID_UNKNOWN: 'fix-request',
  BROKER_TRANSACTION_NOT_FOUND: 'fix-request',
  BROKER_TRANSACTION_NOT_ATTEMPTED: 'fix-request',
  BROKER_TRANSACTION_ABORTABLE: 'fix-request',
  BROKER_OFFSETS_UNSTABLE: 'retry',
  BROKER_FETCH_SESSION_UNKNOWN: 'refresh',
  BROKER_TIMED_OUT: 'retry',
  BROKER_CURSOR_INVALID: 'fix-request',
  BROKER_CURSOR_EXPIRED: 'refresh',
  BROKER_OVERLOADED: 'retry',
  BROKER_DISK_FULL: 'retry',
  BROKER_CLOSED: 'closed',
  BROKER_OFFSET_CONFLICT: 'refresh',
  BROKER_IDEMPOTENCY_KEY_REUSED: 'fix-request',
  // broker: groups
  BROKER_GROUP_ID_INVALID: 'fix-request',
  BROKER_GROUP_NOT_FOUND: 'fix-request',
  BROKER_GROUP_NOT_EMPTY: 'fix-request',
  BROKER_GROUP_FULL: 'fix-request',
  BROKER_GROUP_SUBSCRIBED: 'fix-request',
  BROKER_COORDINATOR_UNAVAILABLE: 'retry',
  BROKER_MEMBER_UNKNOWN: 'refresh',
  BROKER_MEMBER_ID_REQUIRED: 'refresh',
  BROKER_MEMBER_FENCED: 'fenced',
  BROKER_GENERATION_ILLEGAL: 'refresh',
  BROKER_REBALANCE_IN_PROGRESS: 'refresh',
  BROKER_PROTOCOL_INCONSISTENT: 'fix-request',
  BROKER_SESSION_TIMEOUT_INVALID: 'fix-request',
  BROKER_OFFSET_METADATA_TOO_LARGE: 'fix-request',
  BROKER_MEMBER_EPOCH_FENCED: 'refresh',
  BROKER_MEMBER_EPOCH_STALE: 'refresh',
  BROKER_INSTANCE_UNRELEASED: 'fix-request',
  BROKER_ASSIGNOR_UNSUPPORTED: 'fix-request',
  BROKER_TOPIC_REGEX_INVALID: 'fix-request',
  // broker: durable streams
  BROKER_STREAM_NOT_FOUND: 'refresh',
  BROKER_STREAM_GONE: 'fix-request',
  BROKER_STREAM_CONFLICT: 'fix-request',
  BROKER_STREAM_CLOSED: 'fix-request',
  BROKER_STREAM_FORKED: 'fix-request',
  BROKER_STREAM_SEQUENCE_OLD: 'fix-request',
  BROKER_SUBSCRIPTION_NOT_FOUND: 'refresh',
  BROKER_SUBSCRIPTION_EXISTS: 'fix-request',
  BROKER_SUBSCRIPTION_FENCED: 'fenced',
  BROKER_SUBSCRIPTION_CLAIMED: 'refresh',
  BROKER_SUBSCRIPTION_IDLE: 'refresh',
  BROKER_SUBSCRIPTION_OFFSET_INVALID: 'fix-request',
  BROKER_PUSH_NOT_FOUND: 'refresh',
  // HTTP listener: what only HTTP can get wrong
  HTTP_REQUEST_INVALID: 'fix-request',
  HTTP_JSON_INVALID: 'fix-request',
  HTTP_ROUTE_NOT_FOUND: 'fix-request',
  HTTP_METHOD_NOT_ALLOWED: 'fix-request',
  HTTP_NOT_ACCEPTABLE: 'fix-request',
  HTTP_TIMED_OUT: 'retry',
  HTTP_BODY_TOO_LARGE: 'fix-request',
  HTTP_URL_TOO_LONG: 'fix-request',
  HTTP_MEDIA_TYPE_UNSUPPORTED: 'fix-request',
  HTTP_HEADERS_TOO_LARGE: 'fix-request',
  HTTP_WEBHOOK_URL_REJECTED: 'fix-request',
  HTTP_TOKEN_INVALID: 'fix-request',
  HTTP_TOKEN_EXPIRED: 'refresh',
  HTTP_TOO_MANY_READERS: 'retry',
  HTTP_QUOTA_EXCEEDED: 'retry',
  HTTP_ORIGIN_REFUSED: 'fix-request',
  HTTP_OVERLOADED: 'retry',
  HTTP_STOPPING: 'closed',
  // server, command line, client
  CONFIG_INVALID: 'fix-request',
  CLIENT_NETWORK: 'retry',
  CLIENT_TIMED_OUT: 'retry',
  CLIENT_ABORTED: 'closed',
  CLIENT_REFUSED: 'fix-request',
  CLIENT_URI_INVALID: 'fix-request',
  CLIENT_OPTION_INVALID: 'fix-request',
  CLIENT_UNSUPPORTED: 'fix-request',
  CLIENT_LIBRARY_MISSING: 'fix-request',
  CLIENT_CLOSED: 'closed',
  CLIENT_BUFFER_FULL: 'retry',
  CLIENT_ENCODE_FAILED: 'fix-request',
  CLIENT_DECODE_FAILED: 'fix-request',
  CLIENT_GROUP_NOT_ALLOWED: 'fix-request',
  CLIENT_GROUP_REQUIRED: 'fix-request',
  CLIENT_COMMIT_NOT_ALLOWED: 'fix-request',
  CLIENT_TOPIC_NOT_FOUND: 'refresh',
  CLIENT_POSITION_OUT_OF_RANGE: 'refresh',
  CLIENT_FILE_FORMAT: 'fix-request',
  CLIENT_FILE_CORRUPT: 'data-corrupt',
  CLIENT_FILE_FULL: 'fix-request',
  CLIENT_FILE_IO: 'retry',
  CLIENT_KEY_UNKNOWN: 'fix-request',
  // stream processing
  PROCESS_STEP_FAILED: 'fix-request',
  PROCESS_WORKER_DIED: 'retry',
  PROCESS_STATE_FULL: 'fix-request',
  PROCESS_POSITION_MOVED: 'fenced',
  INTERNAL: 'internal',
} as const satisfies Record<string, ErrorKind>;

/** Stable name of what went wrong; docs/errors.md says what each means and what to do. */
export type ErrorCode = keyof typeof ERROR_KINDS;

/** Facts that make an error actionable: names, numbers, places. No secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/** Every error of Millrace: `code` and `kind` are API, the message is for people. */
export class MillraceError extends Error {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MillraceError';
    this.code = code;
    this.kind = ERROR_KINDS[code];
    this.details = options.details ?? {};
  }
}

/** Wraps what a callee threw; our own errors pass unchanged. */
export function asMillraceError(error: unknown, code: ErrorCode = 'INTERNAL'): MillraceError {
  if (error instanceof MillraceError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new MillraceError(code, message, { cause: error });
}

/** A broken invariant of our own: not for input that others control. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MillraceError('INTERNAL', `Invariant broken: ${message}`);
}
