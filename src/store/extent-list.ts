/**
 * Extents of one partition in the journal files that have no index file yet: where each contiguous run of its batches
 * stands. Packed numbers instead of objects: the active file holds up to half a million extents over all partitions
 * (`fileEntries` of the journal), 40 bytes each.
 *
 * Row, 5 numbers: base offset, file, position, length in bytes, max timestamp. Offsets are dense, so a row's end is the
 * next row's base, and the last row's end is the partition's end.
 */
import { BlockPool, powerOfTwo } from './block-pool.ts';

const STRIDE = 5;
/** Longer lists have memory of their own, which goes back when they shrink. */
const MAX_BLOCK_ROWS = 4096;

/**
 * Runs that touch are merged up to this size, so that a search inside an extent walks few batch headers and a fetch
 * that ends inside one reads little in vain.
 */
export const MAX_MERGED_EXTENT_BYTES = 128 * 1024;

/** Memory of the extents of many partitions. */
export class ExtentPool extends BlockPool<Float64Array> {
  constructor() {
    super((bytes) => new Float64Array(bytes.buffer), Float64Array.BYTES_PER_ELEMENT, STRIDE, MAX_BLOCK_ROWS);
  }
}

/** Of a list that has memory of its own, or none. */
const NO_BLOCK = -1;
const NO_ROWS = new Float64Array(0);

export class ExtentList {
  readonly #pool: ExtentPool;
  /** A page of the pool, shared with other lists, or memory of its own. */
  #rows: Float64Array = NO_ROWS;
  #block = NO_BLOCK;
  /** Where row 0 stands in `#rows`; rows from `#first` to `#end`, exclusive, are in use. */
  #at = 0;
  #capacity = 0;
  #first = 0;
  #end = 0;
  #totalBytes = 0;

  /** @param pool who drops the list clears it before, or its memory is lost to the pool. */
  constructor(pool: ExtentPool) {
    this.#pool = pool;
  }

  get count(): number {
    return this.#end - this.#first;
  }

  /** Of all extents. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  baseOffset(index: number): number {
    return this.#rows[this.#place(index)] as number;
  }

  file(index: number): number {
    return this.#rows[this.#place(index) + 1] as number;
  }

  position(index: number): number {
    return this.#rows[this.#place(index) + 2] as number;
  }

  sizeBytes(index: number): number {
    return this.#rows[this.#place(index) + 3] as number;
  }

  maxTimestamp(index: number): number {
    return this.#rows[this.#place(index) + 4] as number;
  }

  append(baseOffset: number, file: number, position: number, sizeBytes: number, maxTimestamp: number): void {
    this.#totalBytes += sizeBytes;
    if (this.#end > this.#first && this.#extendLast(file, position, sizeBytes, maxTimestamp)) return;
    if (this.#end === this.#capacity) this.#makeRoom();
    const at = this.#at + this.#end * STRIDE;
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
    const at = this.#at;
    let low = this.#first;
    let high = this.#end - 1;
    if (low > high || offset < (rows[at + low * STRIDE] as number)) return -1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((rows[at + middle * STRIDE] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low - this.#first;
  }

  /** Forgets the extents of `file` and of all files before it. */
  dropThrough(file: number): void {
    while (this.count > 0 && this.file(0) <= file) this.#dropFirst();
    this.#shrink();
  }

  /** Forgets the extents that end at or before `offset`; the last one stays, since its end is not known here. */
  dropBefore(offset: number): void {
    while (this.count > 1 && this.baseOffset(1) <= offset) this.#dropFirst();
    this.#shrink();
  }

  /** Forgets all. */
  clear(): void {
    this.#first = this.#end;
    this.#totalBytes = 0;
    this.#shrink();
  }

  #place(index: number): number {
    return this.#at + (this.#first + index) * STRIDE;
  }

  #dropFirst(): void {
    this.#totalBytes -= this.sizeBytes(0);
    this.#first += 1;
  }

  #extendLast(file: number, position: number, sizeBytes: number, maxTimestamp: number): boolean {
    const rows = this.#rows;
    const last = this.#at + (this.#end - 1) * STRIDE;
    const lastBytes = rows[last + 3] as number;
    if (rows[last + 1] !== file || (rows[last + 2] as number) + lastBytes !== position) return false;
    if (lastBytes + sizeBytes > MAX_MERGED_EXTENT_BYTES) return false;
    rows[last + 3] = lastBytes + sizeBytes;
    if (maxTimestamp > (rows[last + 4] as number)) rows[last + 4] = maxTimestamp;
    return true;
  }

  #makeRoom(): void {
    // Rows dropped at the front are room, as long as moving the rest down stays rare.
    if (this.#first > 0 && this.#first >= this.count) this.#moveTo(this.#capacity);
    else this.#moveTo(Math.max(1, this.#capacity * 2));
  }

  #shrink(): void {
    const { count } = this;
    if (count === 0) this.#moveTo(0);
    else if (count * 4 <= this.#capacity) this.#moveTo(powerOfTwo(count * 2));
  }

  /** @param capacity 0 or a power of two, in rows. */
  #moveTo(capacity: number): void {
    const { count } = this;
    const [from, block, before] = [this.#rows, this.#block, this.#capacity];
    const start = this.#place(0);
    if (capacity !== before) this.#takeRows(capacity);
    const [into, at] = [this.#rows, this.#at];
    // Also down within the same rows.
    for (let i = 0; i < count * STRIDE; i++) into[at + i] = from[start + i] as number;
    if (capacity !== before && block !== NO_BLOCK) this.#pool.giveBack(block, before);
    this.#end = count;
    this.#first = 0;
  }

  #takeRows(capacity: number): void {
    const isPooled = capacity > 0 && capacity <= MAX_BLOCK_ROWS;
    this.#block = isPooled ? this.#pool.take(capacity) : NO_BLOCK;
    this.#at = isPooled ? this.#pool.placeOf(this.#block) : 0;
    if (isPooled) this.#rows = this.#pool.pageOf(this.#block);
    else this.#rows = capacity === 0 ? NO_ROWS : new Float64Array(capacity * STRIDE);
    this.#capacity = capacity;
  }
}
