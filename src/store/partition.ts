/**
 * A partition as a view of the journal: three offsets, and where its batches stand. It owns no file and no timer, so an
 * idle one costs a few hundred bytes (`bench/suite.ts` measures it).
 *
 * ```
 *   logStartOffset          highWatermark        endOffset
 *        │  readable                │  staged, not yet durable │
 *  ──────┼──────────────────────────┼──────────────────────────┼──► offsets
 *   deleted                      readers wait here          next append
 * ```
 *
 * Older batches stand in chunks and closed journal files (`ranges`, with their extents in index files), newer ones in
 * files that have no index yet (`extents`). Ranges end where extents begin.
 */
import { assert } from '../base/errors.ts';
import { ExtentList, ExtentPool } from './extent-list.ts';
import { type FileRange, FileRanges, RangePool } from './file-ranges.ts';
import { ProducerTable } from './producer-table.ts';
import { TransactionIndex } from './transaction-index.ts';

/** Told when records become readable. Called after every partition of the commit has its new high watermark. */
export interface PartitionWaiter {
  /** @param bytes size of what became readable since the last call for this partition. */
  advanced(partition: Partition, bytes: number): void;
  /** The log start has moved: what the waiter is about to read may be gone. */
  trimmed(partition: Partition): void;
  /** The partition is deleted: nothing more will come. */
  gone(partition: Partition): void;
}

/** What the partitions of a store share. */
export class PartitionMemory {
  readonly extents = new ExtentPool();
  readonly ranges = new RangePool();
}

export class Partition {
  /** Number in the lane: in every journal row, never reused. */
  readonly number: number;
  /** Index in its topic. */
  readonly index: number;
  /** Oldest readable offset. */
  logStartOffset = 0;
  /** Next offset to be written, staged or not. Exclusive. */
  endOffset = 0;
  /** End (exclusive) of what readers may see: durable to the promised degree. */
  highWatermark = 0;
  deleted = false;
  readonly #memory: PartitionMemory;
  #extents: ExtentList | undefined;
  #ranges: FileRanges | undefined;
  #producers: ProducerTable | undefined;
  #transactions: TransactionIndex | undefined;
  #waiters: Set<PartitionWaiter> | undefined;

  constructor(number: number, index: number, memory: PartitionMemory) {
    this.number = number;
    this.index = index;
    this.#memory = memory;
  }

  /** End (exclusive) of what read-committed consumers may see. */
  get lastStableOffset(): number {
    const stable = this.#transactions?.stableEnd(this.highWatermark) ?? this.highWatermark;
    return Math.max(stable, this.logStartOffset);
  }

  /**
   * Of the extents and ranges that hold readable records; those that hold some count whole. What it takes on disk is that,
   * and what else is in its files until they go.
   */
  get sizeBytes(): number {
    return (this.#ranges?.totalBytes ?? 0) + (this.#extents?.totalBytes ?? 0);
  }

  get extents(): ExtentList | undefined {
    return this.#extents;
  }

  get ranges(): FileRanges | undefined {
    return this.#ranges;
  }

  get producers(): ProducerTable | undefined {
    return this.#producers;
  }

  /** Undefined where no transaction ever wrote. */
  get transactions(): TransactionIndex | undefined {
    return this.#transactions;
  }

  get waiters(): ReadonlySet<PartitionWaiter> | undefined {
    return this.#waiters;
  }

  /** The first record of an empty partition gets this offset: a fork of a stream goes on where its source was. */
  beginAt(offset: number): void {
    assert(this.endOffset === 0, `partition ${this.number} has records already`);
    this.logStartOffset = offset;
    this.endOffset = offset;
    this.highWatermark = offset;
  }

  /** Folds a run of batches in at the head; the caller has checked that it begins at `endOffset`. */
  append(offsetCount: number, file: number, position: number, sizeBytes: number, maxTimestamp: number): void {
    this.#extents ??= new ExtentList(this.#memory.extents);
    this.#extents.append(this.endOffset, file, position, sizeBytes, maxTimestamp);
    this.endOffset += offsetCount;
  }

  /** The same without the extent, and readable at once: for a fold of closed files, which are durable. */
  advance(offsetCount: number): void {
    this.endOffset += offsetCount;
    this.highWatermark = this.endOffset;
  }

  producersForUpdate(): ProducerTable {
    this.#producers ??= new ProducerTable();
    return this.#producers;
  }

  transactionsForUpdate(): TransactionIndex {
    this.#transactions ??= new TransactionIndex();
    return this.#transactions;
  }

  dropProducers(): void {
    this.#producers = undefined;
  }

  /**
   * A closed file has its index: its extents leave memory, the range that finds them again comes in. One whose batches
   * have been sealed already, as a file that is folded again after a restart may have, changes nothing.
   */
  indexed(range: FileRange): void {
    this.#ranges ??= new FileRanges(this.#memory.ranges);
    const { count } = this.#ranges;
    if (count === 0 || this.#ranges.endOffset(count - 1) < range.endOffset) this.#ranges.append(range);
    this.#extents?.dropThrough(range.file);
    if (this.#extents?.count === 0) this.#dropExtents();
    if (this.logStartOffset > 0 || this.#ranges.count === 0) this.#dropBeforeStart();
  }

  /**
   * Batches that stood in journal files, or in other chunks, stand in these chunks from now on. Their offsets are those of
   * whole ranges, from the partition's first in a journal file on or before it; so chunks come first, then journal files,
   * then extents.
   */
  sealed(ranges: readonly FileRange[]): void {
    const endOffset = ranges.at(-1)?.endOffset ?? 0;
    if (endOffset <= this.logStartOffset) return;
    this.#ranges ??= new FileRanges(this.#memory.ranges);
    this.#ranges.replace(ranges);
    // In a replay the files that were sealed had no index yet.
    if (endOffset >= this.endOffset) this.#dropExtents();
    else this.#extents?.dropBefore(endOffset);
    this.#dropBeforeStart();
  }

  /** Moves the log start; never back. Offsets up to `highWatermark` only. */
  moveStart(offset: number): void {
    if (offset <= this.logStartOffset) return;
    this.logStartOffset = offset;
    this.#transactions?.dropBefore(offset);
    this.#dropBeforeStart();
  }

  /** The partition is deleted: nobody reads it any more. */
  drop(): void {
    this.deleted = true;
    this.#dropExtents();
    this.#ranges?.clear();
    this.#ranges = undefined;
  }

  wait(waiter: PartitionWaiter): void {
    this.#waiters ??= new Set();
    this.#waiters.add(waiter);
  }

  stopWaiting(waiter: PartitionWaiter): void {
    this.#waiters?.delete(waiter);
    if (this.#waiters?.size === 0) this.#waiters = undefined;
  }

  #dropExtents(): void {
    this.#extents?.clear();
    this.#extents = undefined;
  }

  #dropBeforeStart(): void {
    this.#ranges?.dropBefore(this.logStartOffset);
    if (this.#ranges?.count === 0) this.#ranges = undefined;
    if (this.logStartOffset >= this.endOffset) this.#dropExtents();
    else this.#extents?.dropBefore(this.logStartOffset);
  }
}
