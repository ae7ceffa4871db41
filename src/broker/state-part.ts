/**
 * A part of the broker's state that is folded from journal commands, and nothing else: no timer, no socket, no clock.
 *
 * The same part runs live, in recovery, and in the checkpoint worker, which folds the last checkpoint and a closed
 * journal file into the next checkpoint; so whatever `apply` does must depend on the part's state and the body alone.
 */
import type { StateReader, StateWriter } from '../base/state-bytes.ts';
import type { CommitNumber } from '../journal/journal.ts';

export interface StatePart {
  /** Id of the part's section in a checkpoint; on disk, never renumbered (`CHECKPOINT_SECTION`). */
  readonly section: number;
  /** Command types this part applies; each type belongs to one part. */
  readonly commands: readonly number[];
  apply(type: number, body: Uint8Array, commit: CommitNumber): void;
  snapshot(writer: StateWriter): void;
  /** Called once, on an empty part. */
  restore(reader: StateReader): void;
}

/** Command types. On disk: never renumber, never reuse. Bodies are versioned by their first byte. */
export const COMMAND = {
  TOPIC_CREATED: 1,
  TOPIC_DELETED: 2,
  PARTITIONS_ADDED: 3,
  TOPIC_CONFIGURED: 4,
  RECORDS_DELETED: 5,
  PRODUCER_IDS_RESERVED: 6,
  CLUSTER_FORMATTED: 7,
  GROUP_CHANGED: 10,
  OFFSETS_COMMITTED: 11,
  GROUP_DELETED: 12,
  TRANSACTIONAL_ID_INITIALIZED: 13,
  TRANSACTION_EXTENDED: 14,
  TRANSACTION_OFFSETS_STAGED: 15,
  TRANSACTION_ENDED: 16,
  TRANSACTIONAL_ID_FORGOTTEN: 17,
  MESSAGE_IDS_SEEN: 18,
  BATCH_REPEATED: 19,
  CONSUMER_GROUP_CHANGED: 20,
  STREAM_CREATED: 30,
  STREAM_APPENDED: 31,
  STREAM_TOUCHED: 32,
  STREAM_RETIRED: 33,
  SUBSCRIPTION_KEYS_MADE: 34,
  SUBSCRIPTION_CREATED: 35,
  SUBSCRIPTION_CHANGED: 36,
  SUBSCRIPTION_DELETED: 37,
  CLIENT_QUOTA_CHANGED: 40,
  JOURNAL_ROLLED: 60,
  BATCHES_SEALED: 61,
  BATCHES_COMPACTED: 62,
  CHUNKS_TIERED: 63,
  CHUNKS_FORGOTTEN: 64,
  IDEMPOTENCY_KEY_USED: 70,
  PUSH_CONFIGURED: 71,
  PUSH_MOVED: 72,
  PUSH_PAUSED: 73,
  PUSH_DELETED: 74,
} as const;

/** Checkpoint sections. On disk: never renumber, never reuse. */
export const CHECKPOINT_SECTION = {
  CLUSTER: 1,
  TOPICS: 2,
  /** Only read: what it held before there were chunks. */
  PARTITIONS: 3,
  PRODUCERS: 4,
  GROUPS: 5,
  TRANSACTIONS: 6,
  PARTITION_TRANSACTIONS: 7,
  MESSAGE_IDS: 8,
  STREAMS: 10,
  STREAM_SUBSCRIPTIONS: 11,
  CLIENT_QUOTAS: 40,
  /** Instead of PARTITIONS. */
  PARTITION_VIEWS: 60,
  CHUNKS: 61,
  COMPACTION: 62,
  TIERED_CHUNKS: 63,
  IDEMPOTENCY_KEYS: 70,
  PUSHES: 71,
} as const;
