/**
 * Extents of one partition in the journal files that have no index file yet: where each contiguous run of its batches
 * stands. Packed numbers instead of objects: the active file holds up to half a million extents over all partitions
 * (`fileEntries` of the journal), 40 bytes each.
 *
 * Row, 5 doubles: base offset, file, position, length in bytes, max timestamp. Offsets are dense, so a row's end is the
 * next row's base, and the last row's end is the partition's end.
 */

const STRIDE = 5;
const INITIAL_ROWS = 2;

/**
 * Runs that touch are merged up to this size, so that a search inside an extent walks few batch headers and a fetch
 * that ends inside one reads little in vain.
 */
export const MAX_MERGED_EXTENT_BYTES = 128 * 1024;

export class ExtentList {
  #rows = new Float64Array(INITIAL_ROWS * STRIDE);
  #first = 0;
  #end = 0;
  #totalBytes = 0;

  get count(): number {
    return this.#end - this.#first;
  }

  /** Of all extents. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  baseOffset(index: number): number {
    return this.#rows[(this.#first + index) * STRIDE] as number;
  }

  file(index: number): number {
    return this.#rows[(this.#first + index) * STRIDE + 1] as number;
  }

  position(index: number): number {
    return this.#rows[(this.#first + index) * STRIDE + 2] as number;
  }

  sizeBytes(index: number): number {
    return this.#rows[(this.#first + index) * STRIDE + 3] as number;
  }

  maxTimestamp(index: number): number {
    return this.#rows[(this.#first + index) * STRIDE + 4] as number;
  }

  append(baseOffset: number, file: number, position: number, sizeBytes: number, maxTimestamp: number): void {
    this.#totalBytes += sizeBytes;
    if (this.#end > this.#first && this.#extendLast(file, position, sizeBytes, maxTimestamp)) return;
    if ((this.#end + 1) * STRIDE > this.#rows.length) this.#makeRoom();
    const at = this.#end * STRIDE;
    const rows = this.#rows;
    rows[at] = baseOffset;
    rows[at + 1] = file;
    rows[at + 2] = position;
    rows[at + 3] = sizeBytes;
    rows[at + 4] = maxTimestamp;
    this.#end += 1;
  }

  /** Index of the extent that contains `offset`, given that it is not before the first extent; -1 otherwise. */
  find(offset: number): number {
    const rows = this.#rows;
    let low = this.#first;
    let high = this.#end - 1;
    if (low > high || offset < (rows[low * STRIDE] as number)) return -1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((rows[middle * STRIDE] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low - this.#first;
  }

  /** Forgets the extents of `file` and of all files before it. */
  dropThrough(file: number): void {
    while (this.#first < this.#end && (this.#rows[this.#first * STRIDE + 1] as number) <= file) this.#dropFirst();
    this.#shrink();
  }

  /** Forgets the extents that end at or before `offset`; the last one stays, since its end is not known here. */
  dropBefore(offset: number): void {
    while (this.#end - this.#first > 1 && (this.#rows[(this.#first + 1) * STRIDE] as number) <= offset)
      this.#dropFirst();
    this.#shrink();
  }

  /** Forgets all. */
  clear(): void {
    while (this.#first < this.#end) this.#dropFirst();
    this.#shrink();
  }

  #dropFirst(): void {
    this.#totalBytes -= this.#rows[this.#first * STRIDE + 3] as number;
    this.#first += 1;
  }

  #extendLast(file: number, position: number, sizeBytes: number, maxTimestamp: number): boolean {
    const rows = this.#rows;
    const last = (this.#end - 1) * STRIDE;
    const lastBytes = rows[last + 3] as number;
    if (rows[last + 1] !== file || (rows[last + 2] as number) + lastBytes !== position) return false;
    if (lastBytes + sizeBytes > MAX_MERGED_EXTENT_BYTES) return false;
    rows[last + 3] = lastBytes + sizeBytes;
    if (maxTimestamp > (rows[last + 4] as number)) rows[last + 4] = maxTimestamp;
    return true;
  }

  #makeRoom(): void {
    const count = this.count;
    // Rows dropped at the front are room, as long as moving the rest down stays rare.
    const capacity = this.#first >= count ? this.#rows.length : this.#rows.length * 2;
    this.#moveTo(capacity);
  }

  #shrink(): void {
    const needed = Math.max(this.count * STRIDE, INITIAL_ROWS * STRIDE);
    if (needed * 4 <= this.#rows.length) this.#moveTo(needed * 2);
  }

  #moveTo(capacity: number): void {
    const moved = capacity === this.#rows.length ? this.#rows : new Float64Array(capacity);
    moved.set(this.#rows.subarray(this.#first * STRIDE, this.#end * STRIDE));
    this.#rows = moved;
    this.#end -= this.#first;
    this.#first = 0;
  }
}
