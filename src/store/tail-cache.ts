/**
 * The last bytes of the journal, verbatim, in memory: one window for all partitions and all readers. A consumer that
 * keeps up is served from here and never touches the disk.
 *
 * The window is addressed as the journal is, by file and position, so it needs no index of its own: a reader that knows
 * an extent's place asks for the bytes at that place. Eviction drops the oldest region.
 *
 * What counts is memory, not bytes shown: a region of 64 KB that lies in a request of a megabyte keeps the megabyte.
 */
import type { Lease } from '../base/buffer-pool.ts';
import type { CommitMemory } from '../journal/journal.ts';

/** Bytes that follow one another in a file and in memory. It may grow. */
export interface Region {
  readonly file: number;
  readonly position: number;
  /** Place of the region's first byte in the lease's memory. */
  readonly start: number;
  readonly lease: Lease;
  sizeBytes: number;
}

export class TailCache implements CommitMemory {
  readonly #maxBytes: number;
  /** Oldest first; entries before `#first` are evicted and cut off now and then. */
  #regions: Region[] = [];
  #first = 0;
  /** Regions of each lease. */
  readonly #regionCounts = new Map<Lease, number>();
  /** Memory of all those leases. */
  #sizeBytes = 0;
  /** Reads served from memory, and reads that went to the disk; counted by the reader, for the metrics. */
  hits = 0;
  misses = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Memory that is held. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  hold(file: number, position: number, bytes: Uint8Array, lease: Lease): void {
    const start = bytes.byteOffset - lease.bytes.byteOffset;
    const last = this.#regions.at(-1);
    if (last !== undefined && this.#first < this.#regions.length && continues(last, file, position, start, lease)) {
      last.sizeBytes += bytes.length;
      lease.release();
    } else {
      this.#regions.push({ file, position, start, lease, sizeBytes: bytes.length });
      this.#count(lease, 1);
    }
    this.#evict();
  }

  /**
   * Appends the bytes at the place to `slices`, each slice whole batches (a body never straddles two regions), and the
   * leases that keep them valid, retained for the caller, to `leases`.
   *
   * @returns false, with nothing appended, where the place is not wholly in memory.
   */
  view(file: number, position: number, sizeBytes: number, slices: Uint8Array[], leases: Lease[]): boolean {
    let index = this.#find(file, position);
    if (index < 0 || !this.#covers(index, file, position, sizeBytes)) return false;
    let at = position;
    const end = position + sizeBytes;
    while (at < end) {
      const region = this.#regions[index++] as Region;
      const from = at - region.position;
      const size = Math.min(end - at, region.sizeBytes - from);
      slices.push(region.lease.bytes.subarray(region.start + from, region.start + from + size));
      leases.push(region.lease.retain());
      at += size;
    }
    return true;
  }

  /** The memory of the byte at the place, whoever keeps it to retain its lease; undefined where it is not held. */
  region(file: number, position: number): Region | undefined {
    const index = this.#find(file, position);
    return index < 0 ? undefined : this.#regions[index];
  }

  clear(): void {
    for (let i = this.#first; i < this.#regions.length; i++) this.#regions[i]?.lease.release();
    this.#regions = [];
    this.#first = 0;
    this.#regionCounts.clear();
    this.#sizeBytes = 0;
  }

  /** Index of the region that holds the byte at the place; -1 where none does. */
  #find(file: number, position: number): number {
    let low = this.#first;
    let high = this.#regions.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const region = this.#regions[middle] as Region;
      if (region.file < file || (region.file === file && region.position + region.sizeBytes <= position))
        low = middle + 1;
      else if (region.file > file || region.position > position) high = middle - 1;
      else return middle;
    }
    return -1;
  }

  #covers(index: number, file: number, position: number, sizeBytes: number): boolean {
    const end = position + sizeBytes;
    for (let i = index; i < this.#regions.length; i++) {
      const region = this.#regions[i] as Region;
      if (region.file !== file || (i > index && region.position > end)) return false;
      if (region.position + region.sizeBytes >= end) return true;
    }
    return false;
  }

  #count(lease: Lease, change: 1 | -1): void {
    const before = this.#regionCounts.get(lease) ?? 0;
    const after = before + change;
    if (before === 0) this.#sizeBytes += lease.bytes.length;
    if (after > 0) this.#regionCounts.set(lease, after);
    else {
      this.#regionCounts.delete(lease);
      this.#sizeBytes -= lease.bytes.length;
    }
  }

  #evict(): void {
    while (this.#sizeBytes > this.#maxBytes && this.#first < this.#regions.length - 1) {
      const oldest = this.#regions[this.#first] as Region;
      this.#count(oldest.lease, -1);
      oldest.lease.release();
      this.#first += 1;
    }
    if (this.#first > 64 && this.#first * 2 > this.#regions.length) {
      this.#regions = this.#regions.slice(this.#first);
      this.#first = 0;
    }
  }
}

function continues(last: Region, file: number, position: number, start: number, lease: Lease): boolean {
  return (
    last.lease === lease &&
    last.file === file &&
    last.position + last.sizeBytes === position &&
    last.start + last.sizeBytes === start
  );
}
