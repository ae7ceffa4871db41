/**
 * Which closed journal files and chunks hold batches of one partition, and where their rows stand in the files' indexes:
 * the sparse summary that stays in memory when a file is closed. One row a file that has data of the partition, in the
 * order of offsets, which among journal files is the order of files.
 */

import { assert } from '../base/errors.ts';
import type { FileNumber } from './file-number.ts';
import { cutRows, type PackedRows, withRow } from './packed-rows.ts';

const STRIDE = 7;

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

export class FileRanges {
  #rows: PackedRows = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  file(index: number): FileNumber {
    return this.#rows[index * STRIDE] as number;
  }

  endOffset(index: number): number {
    return this.#rows[index * STRIDE + 2] as number;
  }

  maxTimestamp(index: number): number {
    return this.#rows[index * STRIDE + 5] as number;
  }

  sizeBytes(index: number): number {
    return this.#rows[index * STRIDE + 6] as number;
  }

  /** Of all ranges. */
  get totalBytes(): number {
    let bytes = 0;
    for (let at = 6; at < this.#count * STRIDE; at += STRIDE) bytes += this.#rows[at] as number;
    return bytes;
  }

  at(index: number): FileRange {
    const at = index * STRIDE;
    return rangeAt(this.#rows[at] as number, this.#rows, at);
  }

  append(range: FileRange): void {
    // Searches rely on the order; a range out of it would hide the ones behind it.
    const last = this.count - 1;
    assert(last < 0 || range.baseOffset >= this.at(last).endOffset, 'ranges of a partition come in the order of files');
    this.#rows = withRow(this.#rows, this.#count * STRIDE, columns(range));
    this.#count += 1;
  }

  /** Index of the range that contains `offset`, or of the first one after it; `count` when all end before it. */
  find(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#rows[middle * STRIDE + 2] as number) <= offset) low = middle + 1;
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
    while (next < this.count && this.endOffset(next) <= end) next += 1;
    assert(
      next === this.#count || (this.#rows[next * STRIDE + 1] as number) >= end,
      'ranges are replaced by ones that cover all of them',
    );
    const after = cutRows(this.#rows, next * STRIDE, this.#count * STRIDE);
    let rows = cutRows(this.#rows, 0, first * STRIDE);
    let count = first;
    for (const range of ranges) rows = withRow(rows, count++ * STRIDE, columns(range));
    for (let at = 0; at < after.length; at += STRIDE)
      rows = withRow(rows, count++ * STRIDE, Array.from(after.slice(at, at + STRIDE)));
    this.#rows = rows;
    this.#count = count;
  }

  /** Forgets ranges that end at or before `offset`. */
  dropBefore(offset: number): void {
    const keepFrom = this.find(offset);
    if (keepFrom === 0) return;
    this.#rows = cutRows(this.#rows, keepFrom * STRIDE, this.#count * STRIDE);
    this.#count -= keepFrom;
  }
}

/** Of a row at `at`, whose first number is another's: all but the file. */
export function rangeAt(file: FileNumber, rows: PackedRows, at: number): FileRange {
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

function columns(range: FileRange): number[] {
  const { file, baseOffset, endOffset, firstRow, rowCount, maxTimestamp, sizeBytes } = range;
  return [file, baseOffset, endOffset, firstRow, rowCount, maxTimestamp, sizeBytes];
}
