/**
 * What listeners say to the transaction coordinator and what it answers, in our words. An error is an `ErrorCode` value,
 * `undefined` meaning success. BROKER_COORDINATOR_UNAVAILABLE can stand in every answer and says "try again": the journal
 * refused the change, or the broker stops. Semantics: docs/transactions.md.
 */
import type { ErrorCode } from '../../base/errors.ts';
import type { OffsetCommitAnswer, OffsetCommitRequest } from '../groups/api.ts';
import type { TopicChanges } from '../groups/offset-commands.ts';

/** Settings of the coordinator, named after Kafka's broker settings where it has them. */
export interface TransactionSettings {
  /** `transaction.max.timeout.ms`: a transaction may hold back read-committed consumers so long. */
  readonly transactionMaxTimeoutMs: number;
  /** `transactional.id.expiration.ms`: an id that nobody used for so long is forgotten. */
  readonly transactionalIdExpirationMs: number;
  /** `transaction.remove.expired.transaction.cleanup.interval.ms`. */
  readonly transactionalIdCheckIntervalMs: number;
  readonly transactionalIdMaxBytes: number;
  readonly transactionalIdMaxCount: number;
  /** Partitions of one transaction: its end is one commit with a marker for each. */
  readonly transactionMaxPartitions: number;
  /** Memory of all transactional ids, their partitions and pending offsets together, approximately. */
  readonly transactionMaxStateBytes: number;
}

export const TRANSACTION_DEFAULTS: TransactionSettings = {
  transactionMaxTimeoutMs: 15 * 60_000,
  transactionalIdExpirationMs: 7 * 24 * 3_600_000,
  transactionalIdCheckIntervalMs: 3_600_000,
  transactionalIdMaxBytes: 1_024,
  transactionalIdMaxCount: 100_000,
  // 78 bytes of marker each: the commit that ends the largest transaction has some 5 MB.
  transactionMaxPartitions: 50_000,
  transactionMaxStateBytes: 128 * 1024 * 1024,
};

/** `ongoing` begins with the first partition or group; the other phases have neither. */
export type TransactionPhase = 'empty' | 'ongoing' | 'committed' | 'aborted';

/** Who speaks for a transactional id. */
export interface ProducerIdentity {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface InitProducerIdRequest {
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** Id and epoch that the producer has and wants to go on with (KIP-360); both -1 where it begins anew. */
  readonly producerId: number;
  readonly producerEpoch: number;
}

/**
 * BROKER_TRANSACTION_CONCURRENT (an older producer's transaction was aborted just now: try again),
 * BROKER_PRODUCER_FENCED, BROKER_TRANSACTION_TIMEOUT_INVALID, BROKER_REQUEST_INVALID, BROKER_LIMIT_REACHED.
 */
export type InitProducerIdAnswer =
  | { readonly error: ErrorCode }
  | { readonly error: undefined; readonly producerId: number; readonly producerEpoch: number };

export interface AddPartitionsRequest extends ProducerIdentity {
  /** Canonical topic names. */
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
  /** Only ask whether they are in the ongoing transaction. */
  readonly verifyOnly: boolean;
}

/**
 * In request order. The same code in every partition: BROKER_TRANSACTION_ID_UNKNOWN, BROKER_PRODUCER_FENCED,
 * BROKER_REQUEST_INVALID, BROKER_LIMIT_REACHED. Where a partition does not exist: BROKER_PARTITION_NOT_FOUND in it and
 * BROKER_TRANSACTION_NOT_ATTEMPTED in all others. With `verifyOnly`: BROKER_TRANSACTION_ABORTABLE.
 */
export type AddPartitionsAnswer = OffsetCommitAnswer['topics'];

export interface AddOffsetsRequest extends ProducerIdentity {
  readonly groupId: string;
}

export interface TransactionalOffsetsRequest extends ProducerIdentity, Omit<OffsetCommitRequest, 'retentionMs'> {
  /** The group joins the transaction with its first offsets, no `addOffsets` before (KIP-890). */
  readonly joins: boolean;
}

export interface EndRequest extends ProducerIdentity {
  readonly committed: boolean;
  /** The producer goes on with the next epoch (KIP-890), and may abort a transaction that it did not begin. */
  readonly bumpsEpoch: boolean;
}

/** With which the producer goes on. */
export type EndAnswer =
  | { readonly error: ErrorCode }
  | { readonly error: undefined; readonly producerId: number; readonly producerEpoch: number };

export interface TransactionListing {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly phase: TransactionPhase;
  /** Wall clock, milliseconds; -1: no transaction is open. */
  readonly startedAt: number;
}

export interface TransactionDescription extends TransactionListing {
  readonly producerEpoch: number;
  readonly timeoutMs: number;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

/** Plain counters for the metrics room. */
export interface TransactionCounters {
  committed: number;
  /** By their producer. */
  aborted: number;
  /** By the coordinator: the producer was silent for too long. */
  timedOut: number;
  /** By the coordinator: a newer producer came. */
  fenced: number;
  /** By an operator. */
  forced: number;
}

/** How much there is of transactions now. */
export interface TransactionStatus {
  /** Transactional ids, whatever their phase. */
  readonly ids: number;
  readonly open: number;
  /** Age of the oldest open one by the wall clock, milliseconds: read-committed consumers may be held back so long; 0: none. */
  readonly oldestOpenMs: number;
  /** Approximate memory of all ids, partitions and pending offsets. */
  readonly stateBytes: number;
}

export interface Transactions {
  readonly counters: Readonly<TransactionCounters>;
  initProducerId(request: InitProducerIdRequest): Promise<InitProducerIdAnswer>;
  addPartitions(request: AddPartitionsRequest): Promise<AddPartitionsAnswer>;
  /** BROKER_TRANSACTION_ID_UNKNOWN, BROKER_PRODUCER_FENCED, BROKER_REQUEST_INVALID, BROKER_GROUP_ID_INVALID, BROKER_LIMIT_REACHED. */
  addOffsets(request: AddOffsetsRequest): Promise<ErrorCode | undefined>;
  /**
   * As OffsetCommit, and durable when answered: a producer commits in the belief that they are there. Besides, for the
   * whole request: BROKER_TRANSACTION_ID_UNKNOWN, BROKER_PRODUCER_EPOCH_OLD, BROKER_LIMIT_REACHED, and
   * BROKER_TRANSACTION_ABORTABLE where the group was not added.
   */
  commitOffsets(request: TransactionalOffsetsRequest): Promise<OffsetCommitAnswer>;
  /**
   * Durable when answered. BROKER_TRANSACTION_ID_UNKNOWN, BROKER_PRODUCER_FENCED, BROKER_REQUEST_INVALID, and
   * BROKER_TRANSACTION_STATE_INVALID where there is nothing to end, or it ended the other way.
   */
  end(request: EndRequest): Promise<EndAnswer>;
  /**
   * For operators: aborts what is open and fences its producer, durably when answered. BROKER_TRANSACTION_NOT_FOUND,
   * BROKER_TRANSACTION_STATE_INVALID where nothing is open.
   */
  abort(transactionalId: string): Promise<ErrorCode | undefined>;
  describe(transactionalId: string): TransactionDescription | undefined;
  list(): TransactionListing[];
  /** Looks at every open transaction. */
  status(): TransactionStatus;
}

/** What transactions need of groups. */
export interface TransactionalGroups {
  /** A group id that cannot be one. */
  refuseId(groupId: string): ErrorCode | undefined;
  /** Whether the member may commit in a transaction; renews its session. */
  refuseTransactional(request: OffsetCommitRequest): ErrorCode | undefined;
  /** Inside a build: which of the offsets may become the group's when the transaction commits. */
  admitOffsets(request: OffsetCommitRequest, now: number): AdmittedOffsets;
}

export interface AdmittedOffsets {
  readonly answer: OffsetCommitAnswer;
  readonly changes: readonly TopicChanges[];
}
