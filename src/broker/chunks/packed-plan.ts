/**
 * The plan of a round of sealing, as bytes: the state that it was made of is not needed while the round runs, and is much larger. Per part
 * varints (`src/base/varint.ts`), then its ranges (`src/store/range-bytes.ts`):
 *
 *   partition, logStartOffset, number of its prefix, 1 where it is compacted, count of ranges, ranges
 */
import { GrowingBytes } from '../../base/growing-bytes.ts';
import { VarintReader, writeVarint } from '../../base/varint.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import { encodeRange, MAX_RANGE_BYTES, NO_RANGE, RangeCursor } from '../../store/range-bytes.ts';
import type { SealPart } from './seal-plan.ts';

const MAX_HEAD_BYTES = 5 * 8;

/** With what the chunks of a part depend on. */
export interface PlannedPart extends SealPart {
  /** Whose data key encrypts it; partitions under one prefix share packs. */
  readonly prefix: string;
  /** Its chunks stay in files: they are rewritten again and again. */
  readonly isCompacted: boolean;
}

export class PackedPlan implements Iterable<PlannedPart> {
  readonly #bytes = new GrowingBytes();
  readonly #prefixes: string[] = [];
  /** Parts that are no bytes, by number: timestamps are any 64 bits that a producer sends. */
  readonly #others = new Map<number, PlannedPart>();
  #count = 0;
  /** Of all parts. */
  sizeBytes = 0;

  constructor(parts: Iterable<PlannedPart>) {
    for (const part of parts) {
      if (!this.#add(part)) this.#others.set(this.#count, part);
      this.#count += 1;
      this.sizeBytes += part.sizeBytes;
    }
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Parts in their order, made as they are asked for. */
  *[Symbol.iterator](): Generator<PlannedPart, void, undefined> {
    const reader = new VarintReader(this.#bytes.written);
    const cursor = new RangeCursor();
    for (let i = 0; i < this.#count; i++) {
      const other = this.#others.get(i);
      if (other !== undefined) {
        yield other;
        continue;
      }
      const partition = reader.varlong();
      const logStartOffset = reader.varlong();
      const prefix = this.#prefixes[reader.varint()] as string;
      const isCompacted = reader.varint() === 1;
      const count = reader.varint();
      const ranges: FileRange[] = [];
      cursor.begin(reader.bytes, reader.position);
      for (let range = 0; range < count; range++) {
        cursor.next();
        ranges.push(cursor.range());
      }
      reader.position = cursor.position;
      const sizeBytes = ranges.reduce((sum, range) => sum + range.sizeBytes, 0);
      yield { partition, logStartOffset, ranges, sizeBytes, prefix, isCompacted };
    }
  }

  /** @returns false, with nothing added, where it cannot be written as bytes. */
  #add({ partition, logStartOffset, ranges, prefix, isCompacted }: PlannedPart): boolean {
    const part = new Uint8Array(MAX_HEAD_BYTES + ranges.length * MAX_RANGE_BYTES);
    let at = writeVarint(part, 0, partition);
    at = writeVarint(part, at, logStartOffset);
    at = writeVarint(part, at, this.#numberOf(prefix));
    at = writeVarint(part, at, isCompacted ? 1 : 0);
    at = writeVarint(part, at, ranges.length);
    for (const [i, range] of ranges.entries()) {
      const rowBytes = encodeRange(part.subarray(at), ranges[i - 1] ?? NO_RANGE, range);
      if (rowBytes === 0) return false;
      at += rowBytes;
    }
    const start = this.#bytes.grow(at);
    this.#bytes.bytes.set(part.subarray(0, at), start);
    return true;
  }

  #numberOf(prefix: string): number {
    const known = this.#prefixes.indexOf(prefix);
    return known === -1 ? this.#prefixes.push(prefix) - 1 : known;
  }
}
