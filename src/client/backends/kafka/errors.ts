/** What the library throws, as our own errors: the same codes that Millrace itself has, where it has one. */
import { type ErrorCode, MillraceError } from '../../../base/errors.ts';
import { failureMessage } from '../../failure-message.ts';

/** Kafka's name of an error to ours. What is not here is CLIENT_REFUSED with the name in `details`. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  OFFSET_OUT_OF_RANGE: 'CLIENT_POSITION_OUT_OF_RANGE',
  CORRUPT_MESSAGE: 'MODEL_BATCH_CORRUPT',
  UNKNOWN_TOPIC_OR_PARTITION: 'CLIENT_TOPIC_NOT_FOUND',
  UNKNOWN_TOPIC_ID: 'CLIENT_TOPIC_NOT_FOUND',
  MESSAGE_TOO_LARGE: 'MODEL_BATCH_TOO_LARGE',
  RECORD_LIST_TOO_LARGE: 'MODEL_BATCH_TOO_LARGE',
  INVALID_TOPIC_EXCEPTION: 'MODEL_TOPIC_NAME_INVALID',
  INVALID_TIMESTAMP: 'BROKER_TIMESTAMP_INVALID',
  TOPIC_ALREADY_EXISTS: 'BROKER_TOPIC_EXISTS',
  INVALID_PARTITIONS: 'BROKER_PARTITIONS_INVALID',
  INVALID_CONFIG: 'BROKER_CONFIG_INVALID',
  INVALID_GROUP_ID: 'BROKER_GROUP_ID_INVALID',
  UNKNOWN_MEMBER_ID: 'BROKER_MEMBER_UNKNOWN',
  ILLEGAL_GENERATION: 'BROKER_GENERATION_ILLEGAL',
  FENCED_INSTANCE_ID: 'BROKER_MEMBER_FENCED',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'BROKER_SEQUENCE_GAP',
  INVALID_PRODUCER_EPOCH: 'BROKER_PRODUCER_EPOCH_OLD',
  PRODUCER_FENCED: 'BROKER_PRODUCER_FENCED',
  INVALID_TXN_STATE: 'BROKER_TRANSACTION_STATE_INVALID',
  INVALID_TRANSACTION_TIMEOUT: 'BROKER_TRANSACTION_TIMEOUT_INVALID',
  INVALID_PRODUCER_ID_MAPPING: 'BROKER_TRANSACTION_ID_UNKNOWN',
  CONCURRENT_TRANSACTIONS: 'BROKER_TRANSACTION_CONCURRENT',
  TRANSACTION_ABORTABLE: 'BROKER_TRANSACTION_ABORTABLE',
  UNSTABLE_OFFSET_COMMIT: 'BROKER_OFFSETS_UNSTABLE',
  REBALANCE_IN_PROGRESS: 'BROKER_REBALANCE_IN_PROGRESS',
  REQUEST_TIMED_OUT: 'CLIENT_TIMED_OUT',
  THROTTLING_QUOTA_EXCEEDED: 'BROKER_OVERLOADED',
  COORDINATOR_NOT_AVAILABLE: 'BROKER_COORDINATOR_UNAVAILABLE',
  COORDINATOR_LOAD_IN_PROGRESS: 'BROKER_COORDINATOR_UNAVAILABLE',
};

/** Names of Kafka errors after which the same call may succeed, besides broken connections. */
const PASSING = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
  'REBALANCE_IN_PROGRESS',
  'REQUEST_TIMED_OUT',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  // A broker that began anew has no sessions; the library has forgotten its own by then.
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_TOPIC_ID_ERROR',
  'UNSTABLE_OFFSET_COMMIT',
  'CONCURRENT_TRANSACTIONS',
]);

interface LibraryError extends Error {
  readonly code?: string;
  readonly apiId?: string;
  readonly errors?: readonly LibraryError[];
  readonly response?: unknown;
}

/** The error and all that it is made of, outermost first. Bounded, since causes may point in circles. */
export function* partsOf(error: unknown, depth = 0): Generator<LibraryError> {
  if (!(error instanceof Error) || depth > 8) return;
  const own = error as LibraryError;
  yield own;
  for (const inner of own.errors ?? []) yield* partsOf(inner, depth + 1);
  yield* partsOf(own.cause, depth + 1);
}

/** Kafka's name of what went wrong, if the broker answered with one. */
export function kafkaErrorName(error: unknown): string | undefined {
  for (const part of partsOf(error)) if (typeof part.apiId === 'string') return part.apiId;
  return undefined;
}

/** True where the broker was not reached, or is about to be ready: waiting helps. */
export function isPassing(error: unknown): boolean {
  const name = kafkaErrorName(error);
  if (name !== undefined) return PASSING.has(name);
  for (const part of partsOf(error))
    if (part.code === 'PLT_KFK_USER' && !part.message.startsWith('Cannot find broker')) return false;
  return true;
}

export function fromKafka(error: unknown, what: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const name = kafkaErrorName(error);
  if (name !== undefined) return named(name, what, error);
  const all = [...partsOf(error)];
  const deepest = all.at(-1)?.message ?? String(error);
  const unknownTopic = /^Unknown topic (\S+)\./.exec(
    all.find(({ message }) => message.startsWith('Unknown topic'))?.message ?? '',
  );
  if (unknownTopic?.[1] !== undefined)
    return new MillraceError('CLIENT_TOPIC_NOT_FOUND', `${what}: there is no topic ${unknownTopic[1]}.`, {
      cause: error,
    });
  const code = all.some((part) => /timed? ?out/i.test(part.message)) ? 'CLIENT_TIMED_OUT' : 'CLIENT_NETWORK';
  return new MillraceError(code, failureMessage(what, deepest), { cause: error });
}

/** An error that the broker named. */
export function named(name: string, what: string, cause: unknown): MillraceError {
  const code = Object.hasOwn(CODES, name) ? (CODES[name] as ErrorCode) : 'CLIENT_REFUSED';
  return new MillraceError(code, `${what}: the broker answered ${name}.`, { details: { kafkaError: name }, cause });
}
