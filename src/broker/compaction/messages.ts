/** What the broker's thread and the compaction worker say to each other: one round, one answer. */
import type { StorageCompression } from '../../journal/compression/compressing-disk.ts';
import type { DataKey } from '../../journal/encryption/data-keys.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import type { AbortedTransaction } from '../../store/transaction-index.ts';

export interface CompactionStart {
  readonly directory: string;
  /** Undefined: nothing is encrypted. */
  readonly keys: readonly DataKey[] | undefined;
  /** Of the chunks that are written. */
  readonly compression: StorageCompression;
  readonly round: CompactionRound;
}

export interface CompactionRound {
  /** By partition number, ascending. */
  readonly tasks: readonly CompactionTask[];
  /** Number of the first chunk that the round may write. */
  readonly firstChunk: number;
  readonly chunkBytes: number;
  /** Of the table of keys. */
  readonly keyBytes: number;
  /** Read and written; 0: no limit. */
  readonly bytesPerSecond: number;
  /** ms since 1970. */
  readonly now: number;
}

/** One partition: what stands in its first ranges is rewritten. */
export interface CompactionTask {
  readonly partition: number;
  /** Of its topic, with a data key of its own; empty: none. */
  readonly keyPrefix: string;
  readonly logStartOffset: number;
  /** The partition's first ranges, in order. */
  readonly ranges: readonly FileRange[];
  /** Records before it were compacted before. */
  readonly dirtyFrom: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly abortedBefore: number;
  readonly deleteRetentionMs: number;
}

export type CompactedPartition =
  | {
      readonly outcome: 'compacted';
      readonly partition: number;
      /** Take the place of the task's ranges; none: nothing of them stays or goes yet, only `dirtyFrom` moves. */
      readonly ranges: readonly FileRange[];
      /** Where the next compaction goes on learning keys. */
      readonly dirtyFrom: number;
      /** Records of aborted transactions are gone before this offset. */
      readonly cleanEnd: number;
      readonly keptRecords: number;
      readonly droppedRecords: number;
    }
  /** A file has gone meanwhile: the batches stand elsewhere. */
  | { readonly outcome: 'moved'; readonly partition: number }
  | { readonly outcome: 'failed'; readonly partition: number; readonly problem: string };

export interface CompactionAnswer {
  readonly partitions: readonly CompactedPartition[];
  readonly chunks: readonly { readonly chunk: number; readonly sizeBytes: number }[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export type FromCompactionWorker =
  | ({ readonly kind: 'done' } & CompactionAnswer)
  /** Nothing that was written counts. */
  | { readonly kind: 'failed'; readonly message: string };
