/**
 * Walks the records of a fetch answer: batch by batch in a partition, and across partitions by timestamp.
 *
 * Batches are opened one at a time per partition, large compressed ones on the broker's worker threads. What stays open
 * at once is bounded for the whole walk, since a few kilobytes can expand to megabytes.
 */
import { setImmediate } from 'node:timers/promises';
import { MillraceError } from '../../base/errors.ts';
import { AbortedBatches } from '../../broker/aborted-batches.ts';
import type { Decompressor } from '../../broker/decompressor/decompressor.ts';
import { BatchCursor } from '../../model/batch-cursor.ts';
import { BATCH_HEADER_BYTES, baseOffset, CODEC, codec, lastOffset } from '../../model/record-batch.ts';
import { RecordCursor } from '../../model/record-codec.ts';
import type { AbortedTransaction } from '../../store/transaction-index.ts';
import type { PartitionPosition } from './position.ts';

/** Records rendered in one turn of the event loop: a millisecond or two. */
const RECORDS_PER_TURN = 1_000;

const NO_BATCHES = new Uint8Array(0);
const NO_SLICES: readonly Uint8Array[] = [];
/** Remembers nothing. */
const NONE_ABORTED = new AbortedBatches([]);

/** The records of one partition in one fetch answer, from its position on. */
export class PartitionWalk {
  readonly position: PartitionPosition;
  #slices: readonly Uint8Array[];
  #aborted: AbortedBatches;
  readonly #batches = new BatchCursor(NO_BATCHES);
  #nextSlice = 0;
  /** The current record while `hasRecord`. */
  record: RecordCursor | undefined;
  /** Bytes of the batch that is open, as decompressed; 0 where it is a view. */
  openBytes = 0;
  /** Offset behind the open batch, exclusive. */
  #batchEnd = -1;
  #endOffset: number;
  /** Serves all batches. */
  #cursor: RecordCursor | undefined;

  /**
   * @param aborted transactions that overlap the slices; their records are passed over.
   * @param endOffset exclusive; what batches hold from there on is passed over.
   */
  constructor(
    position: PartitionPosition,
    slices: readonly Uint8Array[],
    aborted: readonly AbortedTransaction[],
    endOffset = Number.POSITIVE_INFINITY,
  ) {
    this.#endOffset = endOffset;
    this.position = position;
    this.#aborted = abortedBatches(aborted);
    this.#slices = slices;
  }

  /**
   * Starts over, as a new walk would, where the position says now: whoever made it may have changed it.
   * @param memory with the batches, `sizeBytes` from `start` on.
   */
  restart(
    { memory, start, sizeBytes }: { readonly memory: Uint8Array; readonly start: number; readonly sizeBytes: number },
    aborted: readonly AbortedTransaction[],
    endOffset: number,
  ): void {
    this.#slices = NO_SLICES;
    this.#nextSlice = 0;
    this.#aborted = abortedBatches(aborted);
    this.#endOffset = endOffset;
    this.#batches.reset(memory, start, start + sizeBytes);
    this.record = undefined;
    this.openBytes = 0;
    this.#batchEnd = -1;
  }

  /** To the next record of the open batch at or behind the position. False: the batch has no more. */
  advance(): boolean {
    const { record } = this;
    if (record === undefined) return false;
    try {
      while (record.next() && record.offset < this.#endOffset) {
        if (record.offset >= this.position.nextOffset) return true;
      }
    } catch (error) {
      throw this.#unreadable(error);
    }
    this.#close();
    return false;
  }

  /**
   * Opens batches until one has a record for us; a promise only where one is compressed. False: the answer holds no more.
   * Positions pass what holds no data.
   */
  openNext(decompressor: Decompressor): boolean | Promise<boolean> {
    for (;;) {
      const position = this.#nextBatch();
      if (position < 0) return false;
      const { bytes } = this.#batches;
      this.#batchEnd = lastOffset(bytes, position) + 1;
      if (this.#aborted.hides(bytes, position)) {
        this.#close();
        continue;
      }
      if (codec(bytes, position) !== CODEC.none) return this.#openCompressed(decompressor, position);
      this.#open(position, bytes, position + BATCH_HEADER_BYTES, position + this.#batches.sizeBytes, 0);
      if (this.advance()) return true;
    }
  }

  async #openCompressed(decompressor: Decompressor, position: number): Promise<boolean> {
    let records: Uint8Array;
    try {
      records = await decompressor.open(this.#batches.bytes, position);
    } catch (error) {
      throw this.#unreadable(error);
    }
    this.#open(position, records, 0, records.length, records.length);
    return this.advance() || (await this.openNext(decompressor));
  }

  #open(position: number, records: Uint8Array, start: number, end: number, openBytes: number): void {
    const { bytes } = this.#batches;
    try {
      this.openBytes = openBytes;
      if (this.#cursor === undefined) this.#cursor = new RecordCursor(bytes, position, records, start, end);
      else this.#cursor.reset(bytes, position, records, start, end);
      this.record = this.#cursor;
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  /** The current record has been delivered. */
  delivered(): void {
    this.position.nextOffset = (this.record as RecordCursor).offset + 1;
  }

  #close(): void {
    this.record = undefined;
    this.openBytes = 0;
    this.position.nextOffset = Math.max(this.position.nextOffset, this.#batchEnd);
  }

  /** @returns where the next whole batch stands, -1 at the end. */
  #nextBatch(): number {
    for (;;) {
      if (this.#batches.next() === 'batch') return this.#batches.position;
      const slice = this.#slices[this.#nextSlice++];
      if (slice === undefined) return -1;
      this.#batches.reset(slice);
    }
  }

  #unreadable(error: unknown): unknown {
    this.record = undefined;
    if (!(error instanceof MillraceError) || error.kind !== 'fix-request') return error;
    const { bytes, position } = this.#batches;
    const first = baseOffset(bytes, position);
    const { topic, partition } = this.position;
    return new MillraceError(
      error.code,
      `The batch of ${topic.name}, partition ${partition.index}, at offset ${first} cannot be opened: ${error.message} ` +
        `Go on behind it with offset=${this.#batchEnd}.`,
      {
        details: {
          ...error.details,
          topic: topic.name,
          partition: partition.index,
          offset: first,
          nextOffset: this.#batchEnd,
        },
        cause: error,
      },
    );
  }
}

function abortedBatches(aborted: readonly AbortedTransaction[]): AbortedBatches {
  return aborted.length === 0 ? NONE_ABORTED : new AbortedBatches(aborted);
}

/**
 * Delivers records until `deliver` answers that it takes no more, or the fetch answer ends.
 *
 * @param maxOpenBytes of decompressed batches at once; a walk over several partitions ends early beyond it.
 * @throws what a batch gave when nothing was delivered yet; behind records the walk just ends, and the next one begins
 *   with the fault.
 */
export async function walkRecords(
  walks: readonly PartitionWalk[],
  decompressor: Decompressor,
  maxOpenBytes: number,
  deliver: (walk: PartitionWalk) => boolean,
): Promise<void> {
  let delivered = false;
  try {
    const heap = new WalkHeap();
    let openBytes = 0;
    for (const walk of walks) {
      if (await walk.openNext(decompressor)) heap.push(walk);
      openBytes += walk.openBytes;
      if (openBytes > maxOpenBytes) break;
    }
    let count = 0;
    for (let walk = heap.first; walk !== undefined; walk = heap.first) {
      const goesOn = deliver(walk);
      delivered = true;
      walk.delivered();
      if (!goesOn) return;
      count += 1;
      // One batch can have a hundred thousand records: others must have their turn.
      if (count % RECORDS_PER_TURN === 0) await setImmediate();
      openBytes -= walk.openBytes;
      const more = walk.advance() || (await walk.openNext(decompressor));
      openBytes += walk.openBytes;
      if (more) heap.moved();
      else heap.pop();
      if (heap.size > 1 && openBytes > maxOpenBytes) return;
    }
  } catch (error) {
    // What was delivered is whole; the position stands before the bad batch, so the next read reports it.
    if (!delivered) throw error;
  }
}

/** Walks by the timestamp of their current record, then by partition. */
class WalkHeap {
  readonly #walks: PartitionWalk[] = [];

  get size(): number {
    return this.#walks.length;
  }

  get first(): PartitionWalk | undefined {
    return this.#walks[0];
  }

  push(walk: PartitionWalk): void {
    const walks = this.#walks;
    let at = walks.push(walk) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(walk, walks[parent] as PartitionWalk)) break;
      walks[at] = walks[parent] as PartitionWalk;
      at = parent;
    }
    walks[at] = walk;
  }

  pop(): void {
    const last = this.#walks.pop();
    if (last === undefined || this.#walks.length === 0) return;
    this.#walks[0] = last;
    this.moved();
  }

  /** The first walk has another record now. */
  moved(): void {
    const walks = this.#walks;
    const walk = walks[0];
    if (walk === undefined || walks.length === 1) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= walks.length) break;
      if (child + 1 < walks.length && isBefore(walks[child + 1] as PartitionWalk, walks[child] as PartitionWalk))
        child += 1;
      if (!isBefore(walks[child] as PartitionWalk, walk)) break;
      walks[at] = walks[child] as PartitionWalk;
      at = child;
    }
    walks[at] = walk;
  }
}

function isBefore(one: PartitionWalk, other: PartitionWalk): boolean {
  const difference = (one.record as RecordCursor).timestamp - (other.record as RecordCursor).timestamp;
  return difference < 0 || (difference === 0 && one.position.partition.index < other.position.partition.index);
}
