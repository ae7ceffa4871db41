/**
 * Topics by their ids. A million ids are 16 bytes each here, and a few more to find them; as strings in a map they would be 85, in the
 * broker and once more in its worker.
 *
 * An open hash table of places: `place + 1`, 0 where nothing ever was, -1 where something was removed.
 */
import { GrowingBytes } from '../base/growing-bytes.ts';
import { mappedNumbers } from '../base/mapped-bytes.ts';

const ID_BYTES = 16;
const NEVER = 0;
const REMOVED = -1;
const FIRST_SLOTS = 64;
/** Knuth's multiplicative hashing: ids of tests are numbers that count up. */
const MULTIPLIER = 0x9e37_79b1;

export class TopicIds<T> {
  readonly #bytes = new GrowingBytes();
  /** Of `#bytes` as they lie now. */
  #ids = bufferOf(this.#bytes);
  readonly #topics: (T | undefined)[] = [];
  /** Of topics that were removed. */
  readonly #freePlaces: number[] = [];
  #slots = new Int32Array(FIRST_SLOTS);
  /** That are not `NEVER`. */
  #usedSlots = 0;
  readonly #wanted = Buffer.alloc(ID_BYTES);

  get size(): number {
    return this.#topics.length - this.#freePlaces.length;
  }

  /**
   * @param id 32 lower-case hex digits, which no other topic has.
   * @returns its place, the same until it is removed; undefined where it is no such id.
   */
  add(id: string, topic: T): number | undefined {
    if (!this.#read(id)) return undefined;
    const place = this.#freePlaces.pop() ?? this.#newPlace();
    this.#wanted.copy(this.#ids, place * ID_BYTES);
    this.#topics[place] = topic;
    if ((this.#usedSlots + 1) * 2 > this.#slots.length) this.#rebuild();
    else this.#insert(place, hashOf(this.#wanted, 0));
    return place;
  }

  find(id: string): T | undefined {
    const slot = this.#read(id) ? this.#slotOfWanted() : undefined;
    return slot === undefined ? undefined : this.#topics[(this.#slots[slot] as number) - 1];
  }

  /** Of the topic at a place. */
  id(place: number): string {
    return this.#ids.toString('hex', place * ID_BYTES, (place + 1) * ID_BYTES);
  }

  remove(id: string): void {
    const slot = this.#read(id) ? this.#slotOfWanted() : undefined;
    if (slot === undefined) return;
    const place = (this.#slots[slot] as number) - 1;
    this.#slots[slot] = REMOVED;
    this.#topics[place] = undefined;
    this.#freePlaces.push(place);
  }

  /** Into `#wanted`. */
  #read(id: string): boolean {
    return id.length === 2 * ID_BYTES && this.#wanted.write(id, 0, 'hex') === ID_BYTES;
  }

  #slotOfWanted(): number | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(this.#wanted, 0) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number;
      if (entry === NEVER) return undefined;
      if (entry === REMOVED) continue;
      const at = (entry - 1) * ID_BYTES;
      if (this.#wanted.compare(this.#ids, at, at + ID_BYTES) === 0) return slot;
    }
  }

  #newPlace(): number {
    this.#topics.push(undefined);
    const at = this.#bytes.grow(ID_BYTES);
    // It has grown.
    if (this.#ids.buffer !== this.#bytes.bytes.buffer) this.#ids = bufferOf(this.#bytes);
    return at / ID_BYTES;
  }

  #insert(place: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    // What was removed is used again when the table is made anew.
    while (this.#slots[slot] !== NEVER) slot = (slot + 1) & mask;
    this.#slots[slot] = place + 1;
    this.#usedSlots += 1;
  }

  /** Without what was removed, and a quarter full at most. */
  #rebuild(): void {
    let size = FIRST_SLOTS;
    while (size < this.size * 4) size *= 2;
    this.#slots = mappedNumbers(Int32Array, size);
    this.#usedSlots = 0;
    for (const [place, topic] of this.#topics.entries()) {
      if (topic !== undefined) this.#insert(place, hashOf(this.#ids, place * ID_BYTES));
    }
  }
}

function hashOf(bytes: Buffer, at: number): number {
  return Math.imul(bytes.readUInt32LE(at) ^ bytes.readUInt32LE(at + 12), MULTIPLIER) >>> 8;
}

function bufferOf({ bytes }: GrowingBytes): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
