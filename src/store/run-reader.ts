/**
 * Batches by partition and offsets, for a caller that goes forward in many partitions at once: what comes next in a
 * partition is read along, within a bound over all of them.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { endOfBatches } from '../model/record-batch.ts';
import type { Partition } from './partition.ts';
import { cutBatches, GatherBuffer, ReadResult } from './read-result.ts';
import type { PartitionReader } from './reader.ts';

/** Read ahead in one partition, at least and at most. */
const MIN_AHEAD_BYTES = 16 * 1024;
const MAX_AHEAD_BYTES = 512 * 1024;
/** Held over all partitions. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

export interface Run {
  readonly partition: number;
  readonly baseOffset: number;
  readonly offsetCount: number;
  /** About as many bytes. */
  readonly sizeBytes: number;
}

interface Ahead {
  /** Whole batches, in order. */
  readonly bytes: Uint8Array;
  /** Every batch from `startOffset` to before `endOffset` that exists stands in it. */
  readonly startOffset: number;
  readonly endOffset: number;
}

const NO_BYTES = new Uint8Array(0);

export class RunReader {
  readonly #reader: PartitionReader;
  readonly #pool: BufferPool;
  readonly #partitionOf: (number: number) => Partition | undefined;
  /** The one used longest ago first. */
  readonly #ahead = new Map<number, Ahead>();
  #heldBytes = 0;

  constructor(reader: PartitionReader, pool: BufferPool, partitionOf: (number: number) => Partition | undefined) {
    this.#reader = reader;
    this.#pool = pool;
    this.#partitionOf = partitionOf;
  }

  /**
   * The batches that hold offsets of the run and are there still. Valid until `release`.
   *
   * @throws STORE_CORRUPT, STORE_IO, STORE_CLOSED.
   */
  async read(run: Run): Promise<Uint8Array> {
    const partition = this.#partitionOf(run.partition);
    if (partition === undefined) return NO_BYTES;
    const end = run.baseOffset + run.offsetCount;
    const pieces: Uint8Array[] = [];
    let from = Math.max(run.baseOffset, partition.logStartOffset);
    while (from < end) {
      const ahead = await this.#covering(partition, from, run);
      if (ahead === undefined) break;
      const bytes = cutBatches(ahead.bytes, from, end, ahead.bytes.length, true);
      if (bytes !== undefined && bytes.length > 0) pieces.push(bytes);
      from = ahead.endOffset;
    }
    const [only] = pieces;
    return pieces.length <= 1 ? (only ?? NO_BYTES) : Buffer.concat(pieces);
  }

  release(): void {
    this.#ahead.clear();
    this.#heldBytes = 0;
  }

  async #covering(partition: Partition, offset: number, run: Run): Promise<Ahead | undefined> {
    const known = this.#ahead.get(partition.number);
    if (known !== undefined) {
      this.#drop(partition.number, known);
      if (offset >= known.startOffset && offset < known.endOffset) {
        this.#keep(partition.number, known);
        return known;
      }
    }
    // Who reads on where the last read ended goes through the partition: the next read may be larger.
    const goesOn = known !== undefined && offset === known.endOffset;
    const wanted = Math.max(run.sizeBytes, goesOn ? 2 * known.bytes.length : MIN_AHEAD_BYTES);
    const ahead = await this.#readAhead(partition, offset, Math.min(wanted, Math.max(MAX_AHEAD_BYTES, run.sizeBytes)));
    if (ahead !== undefined) this.#keep(partition.number, ahead);
    return ahead;
  }

  async #readAhead(partition: Partition, offset: number, maxBytes: number): Promise<Ahead | undefined> {
    const limit = partition.highWatermark;
    if (offset >= limit) return undefined;
    const gather = new GatherBuffer(this.#pool);
    const result = new ReadResult(gather);
    try {
      await this.#reader.read(partition, offset, { endOffset: limit, maxBytes, atLeastOne: true }, result);
      result.finish();
      if (result.sizeBytes === 0) return { bytes: NO_BYTES, startOffset: offset, endOffset: limit };
      const bytes = Buffer.concat(result.slices);
      return { bytes, startOffset: offset, endOffset: endOfBatches(bytes, offset) };
    } finally {
      result.release();
      gather.release();
    }
  }

  #keep(partition: number, ahead: Ahead): void {
    this.#ahead.set(partition, ahead);
    this.#heldBytes += ahead.bytes.length;
    for (const [oldest, held] of this.#ahead) {
      if (this.#heldBytes <= MAX_HELD_BYTES || oldest === partition) return;
      this.#drop(oldest, held);
    }
  }

  #drop(partition: number, ahead: Ahead): void {
    this.#ahead.delete(partition);
    this.#heldBytes -= ahead.bytes.length;
  }
}
