/**
 * Which closed journal files hold batches of one partition, and where their rows stand in the files' indexes: the sparse
 * summary that stays in memory when a file is closed. One row a file that has data of the partition, in file order.
 */

import { assert } from '../base/errors.ts';

const STRIDE = 6;

export interface FileRange {
  readonly file: number;
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly firstRow: number;
  readonly rowCount: number;
  readonly maxTimestamp: number;
}

export class FileRanges {
  #rows: Float64Array = new Float64Array(0);

  get count(): number {
    return this.#rows.length / STRIDE;
  }

  file(index: number): number {
    return this.#rows[index * STRIDE] as number;
  }

  at(index: number): FileRange {
    const at = index * STRIDE;
    const rows = this.#rows;
    return {
      file: rows[at] as number,
      baseOffset: rows[at + 1] as number,
      endOffset: rows[at + 2] as number,
      firstRow: rows[at + 3] as number,
      rowCount: rows[at + 4] as number,
      maxTimestamp: rows[at + 5] as number,
    };
  }

  append(range: FileRange): void {
    // Searches rely on the order; a range out of it would hide the ones behind it.
    const last = this.count - 1;
    assert(last < 0 || range.baseOffset >= this.at(last).endOffset, 'ranges of a partition come in the order of files');
    // Grows by one row: once a journal file, so the copy is cheaper than idle capacity in 100,000 partitions.
    const grown = new Float64Array(this.#rows.length + STRIDE);
    grown.set(this.#rows);
    grown.set(
      [range.file, range.baseOffset, range.endOffset, range.firstRow, range.rowCount, range.maxTimestamp],
      this.#rows.length,
    );
    this.#rows = grown;
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

  /** Forgets ranges that end at or before `offset`. */
  dropBefore(offset: number): void {
    const keepFrom = this.find(offset);
    if (keepFrom > 0) this.#rows = this.#rows.slice(keepFrom * STRIDE);
  }
}
