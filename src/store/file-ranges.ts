/**
 * Which closed journal files and chunks hold batches of one partition, and where their rows stand in the files' indexes:
 * the sparse summary that stays in memory when a file is closed. One row a file that has data of the partition, in the
 * order of offsets, which among journal files is the order of files.
 *
 * Few rows, which is what nearly all partitions of very many have, are bytes in a block of a pool (`range-bytes.ts`), read from the
 * first on; many are a typed array, which is searched by halves.
 */

import { assert } from '../base/errors.ts';
import type { StateReader, StateWriter } from '../base/state-bytes.ts';
import { BlockPool, powerOfTwo } from './block-pool.ts';
import type { FileNumber } from './file-number.ts';
import { encodeRange, MAX_RANGE_BYTES, RangeCursor } from './range-bytes.ts';

const STRIDE = 7;
/** Of a pool's smallest block, and of its largest: some 30 rows. */
const UNIT_BYTES = 16;
const MAX_UNITS = 32;
/** A typed array that has become as short as this may be bytes again. */
const FEW_RANGES = 8;

export interface FileRange {
  readonly file: FileNumber;
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly firstRow: number;
  readonly rowCount: number;
  readonly maxTimestamp: number;
  /** Of the batches, in the file; 0 in ranges that a checkpoint of the first version kept, which did not know. */
  readonly sizeBytes: number;
}

/** Memory of the ranges of many partitions. */
export class RangePool extends BlockPool<Uint8Array> {
  /** Where somebody reads: who goes through a list row by row reads each once. */
  readonly cursor = new RangeCursor();
  /** Whose rows the cursor has read, as they are now. */
  cursorOwner: FileRanges | undefined;
  /** Of a row that is being written. */
  readonly scratch = new Uint8Array(MAX_RANGE_BYTES);

  constructor() {
    super((bytes) => bytes, Uint8Array.BYTES_PER_ELEMENT, UNIT_BYTES, MAX_UNITS);
  }
}

/** Rows of bytes, none yet. */
const NO_BLOCK = -1;

export class FileRanges {
  readonly #pool: RangePool;
  /** A block of the pool, or what holds many rows, seven numbers each, with room for more. */
  #rows: number | Float64Array = NO_BLOCK;
  /** Of the block. */
  #usedBytes = 0;
  #count = 0;

  /** @param pool who drops the ranges clears them before, or their memory is lost to the pool. */
  constructor(pool: RangePool) {
    this.#pool = pool;
  }

  get count(): number {
    return this.#count;
  }

  file(index: number): FileNumber {
    const rows = this.#rows;
    return typeof rows === 'number' ? this.#seek(index).file : (rows[index * STRIDE] as number);
  }

  endOffset(index: number): number {
    const rows = this.#rows;
    return typeof rows === 'number' ? this.#seek(index).endOffset : (rows[index * STRIDE + 2] as number);
  }

  maxTimestamp(index: number): number {
    const rows = this.#rows;
    return typeof rows === 'number' ? this.#seek(index).maxTimestamp : (rows[index * STRIDE + 5] as number);
  }

  sizeBytes(index: number): number {
    const rows = this.#rows;
    return typeof rows === 'number' ? this.#seek(index).sizeBytes : (rows[index * STRIDE + 6] as number);
  }

  /** Of all ranges. */
  get totalBytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.#count; i++) bytes += this.sizeBytes(i);
    return bytes;
  }

  at(index: number): FileRange {
    const rows = this.#rows;
    return typeof rows === 'number'
      ? this.#seek(index).range()
      : rangeAt(rows[index * STRIDE] as number, rows, index * STRIDE);
  }

  append(range: FileRange): void {
    // Searches rely on the order; a range out of it would hide the ones behind it.
    assert(
      this.#count === 0 || range.baseOffset >= this.endOffset(this.#count - 1),
      'ranges of a partition come in the order of files',
    );
    if (typeof this.#rows !== 'number') this.#rows = withRow(this.#rows, this.#count, range);
    else if (!this.#appendBytes(range)) this.#widen(range);
    this.#count += 1;
    this.#changed();
  }

  /** Index of the range that contains `offset`, or of the first one after it; `count` when all end before it. */
  find(offset: number): number {
    const rows = this.#rows;
    if (typeof rows === 'number') {
      let index = 0;
      while (index < this.#count && this.endOffset(index) <= offset) index += 1;
      return index;
    }
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((rows[middle * STRIDE + 2] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The same batches stand in other files now: these ranges, neighbours in order, take the place of all between their
   * first and last offset, which they cover whole. Those behind all others are appended.
   */
  replace(ranges: readonly FileRange[]): void {
    const base = ranges[0]?.baseOffset ?? 0;
    const end = ranges.at(-1)?.endOffset ?? 0;
    const first = this.find(base);
    let next = first;
    while (next < this.#count && this.endOffset(next) <= end) next += 1;
    assert(
      next === this.#count || this.at(next).baseOffset >= end,
      'ranges are replaced by ones that cover all of them',
    );
    const after = this.#slice(next, this.#count);
    if (typeof this.#rows === 'number') return this.#set([...this.#slice(0, first), ...ranges, ...after]);
    this.#count = first;
    for (const range of [...ranges, ...after]) this.append(range);
  }

  /** Forgets ranges that end at or before `offset`. */
  dropBefore(offset: number): void {
    const keepFrom = this.find(offset);
    if (keepFrom === 0) return;
    const rows = this.#rows;
    const kept = this.#count - keepFrom;
    if (typeof rows === 'number' || kept <= FEW_RANGES) {
      this.#set(this.#slice(keepFrom, this.#count));
      return;
    }
    this.#rows = rows.slice(keepFrom * STRIDE, this.#count * STRIDE);
    this.#count = kept;
  }

  /** Forgets all. */
  clear(): void {
    if (typeof this.#rows === 'number' && this.#rows !== NO_BLOCK) {
      this.#pool.giveBack(this.#rows, unitsOf(this.#usedBytes));
    }
    this.#rows = NO_BLOCK;
    this.#usedBytes = 0;
    this.#count = 0;
    this.#changed();
  }

  /** At the row, of bytes, until one of another list is read. */
  #seek(index: number): RangeCursor {
    const { cursor, cursorOwner } = this.#pool;
    if (cursorOwner !== this || cursor.index > index) this.#rewind();
    while (cursor.index < index) cursor.next();
    return cursor;
  }

  #rewind(): void {
    const pool = this.#pool;
    const block = this.#rows as number;
    if (block === NO_BLOCK) pool.cursor.begin(pool.scratch, 0);
    else pool.cursor.begin(pool.pageOf(block), pool.placeOf(block));
    pool.cursorOwner = this;
  }

  #changed(): void {
    if (this.#pool.cursorOwner === this) this.#pool.cursorOwner = undefined;
  }

  #slice(from: number, to: number): FileRange[] {
    return Array.from({ length: to - from }, (_, i) => this.at(from + i));
  }

  #set(ranges: readonly FileRange[]): void {
    this.clear();
    for (const range of ranges) this.append(range);
  }

  /** @returns false where it does not fit, or cannot be written as bytes. */
  #appendBytes(range: FileRange): boolean {
    const pool = this.#pool;
    if (this.#count === 0) this.#rewind();
    else this.#seek(this.#count - 1);
    const rowBytes = encodeRange(pool.scratch, pool.cursor, range);
    const neededBytes = this.#usedBytes + rowBytes;
    if (rowBytes === 0 || neededBytes > MAX_UNITS * UNIT_BYTES) return false;
    const block = this.#roomFor(neededBytes);
    pool.pageOf(block).set(pool.scratch.subarray(0, rowBytes), pool.placeOf(block) + this.#usedBytes);
    this.#usedBytes = neededBytes;
    return true;
  }

  /** A block with the rows that are there, and room for more. */
  #roomFor(neededBytes: number): number {
    const pool = this.#pool;
    const before = this.#rows as number;
    const units = unitsOf(neededBytes);
    if (before !== NO_BLOCK && units === unitsOf(this.#usedBytes)) return before;
    const block = pool.take(units);
    if (before !== NO_BLOCK) {
      const from = pool.placeOf(before);
      pool.pageOf(block).set(pool.pageOf(before).subarray(from, from + this.#usedBytes), pool.placeOf(block));
      pool.giveBack(before, unitsOf(this.#usedBytes));
    }
    this.#rows = block;
    return block;
  }

  /** Rows of bytes become numbers, with one more behind them. */
  #widen(range: FileRange): void {
    const all = [...this.#slice(0, this.#count), range];
    this.clear();
    let rows: Float64Array = new Float64Array(all.length * 2 * STRIDE);
    for (const [i, one] of all.entries()) rows = withRow(rows, i, one);
    this.#rows = rows;
    this.#count = all.length - 1;
  }
}

/** Of the block that has so many bytes in use. */
function unitsOf(usedBytes: number): number {
  return powerOfTwo(Math.ceil(usedBytes / UNIT_BYTES));
}

/** @param rows has the row put into it behind `count` others, or a longer copy has. */
function withRow(rows: Float64Array, count: number, range: FileRange): Float64Array {
  const at = count * STRIDE;
  let roomy: Float64Array = rows;
  if (at + STRIDE > rows.length) {
    roomy = new Float64Array((at + STRIDE) * 2);
    roomy.set(rows);
  }
  roomy[at] = range.file;
  setRange(roomy, at, range);
  return roomy;
}

/** In commands and checkpoints, behind the file, which each has in its own form. Byte layout: docs/formats.md, "State commands". */
export function writeRange(writer: StateWriter, range: FileRange): void {
  writer.i64(range.baseOffset).i64(range.endOffset).u32(range.firstRow).u32(range.rowCount);
  writer.i64(range.maxTimestamp).i64(range.sizeBytes);
}

export function readRange(reader: StateReader, file: FileNumber): FileRange {
  return {
    file,
    baseOffset: reader.i64(),
    endOffset: reader.i64(),
    firstRow: reader.u32(),
    rowCount: reader.u32(),
    maxTimestamp: reader.i64(),
    sizeBytes: reader.i64(),
  };
}

/** Into a row at `at`, behind its first number. */
export function setRange(rows: Float64Array, at: number, range: Omit<FileRange, 'file'>): void {
  rows[at + 1] = range.baseOffset;
  rows[at + 2] = range.endOffset;
  rows[at + 3] = range.firstRow;
  rows[at + 4] = range.rowCount;
  rows[at + 5] = range.maxTimestamp;
  rows[at + 6] = range.sizeBytes;
}

/** Of a row at `at`, whose first number is another's: all but the file. */
export function rangeAt(file: FileNumber, rows: Float64Array, at: number): FileRange {
  return {
    file,
    baseOffset: rows[at + 1] as number,
    endOffset: rows[at + 2] as number,
    firstRow: rows[at + 3] as number,
    rowCount: rows[at + 4] as number,
    maxTimestamp: rows[at + 5] as number,
    sizeBytes: rows[at + 6] as number,
  };
}
