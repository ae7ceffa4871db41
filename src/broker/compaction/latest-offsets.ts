/**
 * The newest offset of each key of a stretch of a partition, in bounded memory: what compaction decides by.
 *
 * Keys are not kept but 128 bits of their SHA-256, which nobody can make collide. An entry takes 24 bytes; the table
 * doubles with its content up to its limit, so that small partitions cost little. Open addressing, linear probing.
 */
import { hash } from 'node:crypto';

const HASH_WORDS = 4;
export const ENTRY_BYTES = HASH_WORDS * 4 + 8;
const INITIAL_SLOTS = 1024;
const MIN_SLOTS = 16;
/** Above it probes get long. */
const MAX_LOAD = 0.8;

export class LatestOffsets {
  readonly #maxSlots: number;
  #hashes: Uint32Array;
  /** Offset plus one; 0: the slot is free. */
  #offsets: Float64Array;
  #slots: number;
  #count = 0;

  /** @param maxBytes of the table; while it doubles, half as much comes on top. */
  constructor(maxBytes: number) {
    let slots = MIN_SLOTS;
    while (slots * 2 * ENTRY_BYTES <= maxBytes) slots *= 2;
    this.#maxSlots = slots;
    this.#slots = Math.min(INITIAL_SLOTS, slots);
    this.#hashes = new Uint32Array(this.#slots * HASH_WORDS);
    this.#offsets = new Float64Array(this.#slots);
  }

  get count(): number {
    return this.#count;
  }

  /** Offsets of a key come in ascending order. @returns false, changing nothing, where there is no room for another key. */
  put(key: Uint8Array, offset: number): boolean {
    const digest = hash('sha256', key, 'buffer');
    let slot = this.#find(digest);
    if (this.#offsets[slot] === 0) {
      if (this.#count + 1 > this.#slots * MAX_LOAD) {
        if (this.#slots >= this.#maxSlots) return false;
        this.#grow();
        slot = this.#find(digest);
      }
      for (let word = 0; word < HASH_WORDS; word++) {
        this.#hashes[slot * HASH_WORDS + word] = digest.readUInt32LE(word * 4);
      }
      this.#count += 1;
    }
    this.#offsets[slot] = offset + 1;
    return true;
  }

  /** Newest offset of the key; -1: it is not among the keys. */
  get(key: Uint8Array): number {
    return (this.#offsets[this.#find(hash('sha256', key, 'buffer'))] as number) - 1;
  }

  /** The slot of the digest, or the free one where it would be. */
  #find(digest: Buffer): number {
    const a = digest.readUInt32LE(0);
    const b = digest.readUInt32LE(4);
    const c = digest.readUInt32LE(8);
    const d = digest.readUInt32LE(12);
    const mask = this.#slots - 1;
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      if (this.#offsets[slot] === 0) return slot;
      const at = slot * HASH_WORDS;
      const hashes = this.#hashes;
      if (hashes[at] === a && hashes[at + 1] === b && hashes[at + 2] === c && hashes[at + 3] === d) return slot;
    }
  }

  #grow(): void {
    const hashes = this.#hashes;
    const offsets = this.#offsets;
    const before = this.#slots;
    this.#slots = before * 2;
    this.#hashes = new Uint32Array(this.#slots * HASH_WORDS);
    this.#offsets = new Float64Array(this.#slots);
    const mask = this.#slots - 1;
    for (let from = 0; from < before; from++) {
      if (offsets[from] === 0) continue;
      const at = from * HASH_WORDS;
      let slot = (hashes[at] as number) & mask;
      while (this.#offsets[slot] !== 0) slot = (slot + 1) & mask;
      this.#offsets[slot] = offsets[from] as number;
      this.#hashes.set(hashes.subarray(at, at + HASH_WORDS), slot * HASH_WORDS);
    }
  }
}
