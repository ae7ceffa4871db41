/**
 * Writing and reading the bodies of state commands and checkpoint sections: big-endian, strings as u32 length and UTF-8.
 * For our own durable state only; the Kafka wire has its own codec in `src/wire`.
 */
import { MillraceError } from './errors.ts';
import { mappedBytes } from './mapped-bytes.ts';
import { MAX_SAFE_VARINT_BYTES, VarintReader, writeVarint } from './varint.ts';

/** What is written lies in pieces of this size, once it is more than the first: sections of a checkpoint have many MiB, and are not copied as they grow. */
const PIECE_BYTES = 1024 * 1024;
/** Up to here it is copied. */
const FIRST_PIECE_BYTES = 64 * 1024;

/** Grows as needed; `finish` hands out a copy of exactly the bytes written. */
export class StateWriter {
  /** Pieces that are full, and their length. */
  readonly #full: Buffer[] = [];
  #fullBytes = 0;
  /** The piece that is written to. */
  #bytes: Buffer;
  #end = 0;

  constructor(initialBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  get sizeBytes(): number {
    return this.#fullBytes + this.#end;
  }

  u8(value: number): this {
    this.#end = this.#room(1).writeUInt8(value, this.#end);
    return this;
  }

  u16(value: number): this {
    this.#end = this.#room(2).writeUInt16BE(value, this.#end);
    return this;
  }

  u32(value: number): this {
    this.#end = this.#room(4).writeUInt32BE(value, this.#end);
    return this;
  }

  i32(value: number): this {
    this.#end = this.#room(4).writeInt32BE(value, this.#end);
    return this;
  }

  /** A safe integer, as signed 64-bit. */
  i64(value: number): this {
    const high = Math.floor(value / 0x1_0000_0000);
    return this.i32(high).u32(value - high * 0x1_0000_0000);
  }

  /** A safe integer, in as few bytes as it needs (`varint.ts`). */
  varlong(value: number): this {
    this.#end = writeVarint(this.#room(MAX_SAFE_VARINT_BYTES), this.#end, value);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  string(value: string): this {
    const length = Buffer.byteLength(value);
    this.u32(length);
    this.#room(length).write(value, this.#end);
    this.#end += length;
    return this;
  }

  /** `null` and the empty string stay apart. */
  nullableString(value: string | null): this {
    this.bool(value !== null);
    return value === null ? this : this.string(value);
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    this.#room(value.length).set(value, this.#end);
    this.#end += value.length;
    return this;
  }

  /** u32 count, then the items; `write` writes to this writer. Any iterable: the count goes in when it is known. */
  list<T>(items: Iterable<T>, write: (item: T) => void): this {
    this.u32(0);
    const at = this.sizeBytes - 4;
    let count = 0;
    for (const item of items) {
      write(item);
      count += 1;
    }
    this.#patch(at, count);
    return this;
  }

  finish(): Uint8Array {
    const whole = new Uint8Array(this.sizeBytes);
    new PieceReader(this.pieces()).read(whole);
    return whole;
  }

  /** The same as it lies, not copied: nothing is written any more. */
  pieces(): readonly Uint8Array[] {
    return [...this.#full, this.#bytes.subarray(0, this.#end)];
  }

  /** Puts a u32 that was written before in its place anew. It lies in one piece, as all numbers do. */
  #patch(at: number, value: number): void {
    let start = this.#fullBytes;
    let piece = this.#bytes;
    for (let i = this.#full.length - 1; at < start; i--) {
      piece = this.#full[i] as Buffer;
      start -= piece.length;
    }
    piece.writeUInt32BE(value, at - start);
  }

  #room(size: number): Buffer {
    if (this.#end + size > this.#bytes.length) this.#grow(size);
    return this.#bytes;
  }

  #grow(size: number): void {
    const written = this.#bytes.subarray(0, this.#end);
    if (this.#bytes.length < FIRST_PIECE_BYTES) {
      this.#bytes = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + size));
      this.#bytes.set(written);
      return;
    }
    this.#full.push(written);
    this.#fullBytes += this.#end;
    this.#bytes = Buffer.from(mappedBytes(Math.max(PIECE_BYTES, size)).buffer);
    this.#end = 0;
  }
}

/** What lies in pieces, read from the first byte on: nothing is put together before. */
export class PieceReader {
  readonly #pieces: readonly Uint8Array[];
  #index = 0;
  /** In the piece. */
  #at = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  /** Fills `into` with what comes next; the caller knows that there is so much. */
  read(into: Uint8Array): void {
    for (let filled = 0; filled < into.length; ) {
      const piece = this.#pieces[this.#index] as Uint8Array;
      const part = piece.subarray(this.#at, this.#at + into.length - filled);
      into.set(part, filled);
      filled += part.length;
      this.#at += part.length;
      if (this.#at < piece.length) continue;
      this.#index += 1;
      this.#at = 0;
    }
  }
}

/** Reads what `StateWriter` wrote. @throws STORE_CORRUPT past the end, with the place. */
export class StateReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  readonly #varints: VarintReader;
  #position = 0;

  /** @param what names the thing read, for errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
    this.#varints = new VarintReader(this.#bytes);
  }

  get atEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  i64(): number {
    const high = this.i32();
    const low = this.u32();
    // What comes of the multiplication is a number on the heap of its own, and a field that held one once always has one.
    return high === 0 ? low : high * 0x1_0000_0000 + low;
  }

  varlong(): number {
    const varints = this.#varints;
    varints.position = this.#position;
    const value = varints.varlong();
    if (Number.isNaN(value)) this.#fail('a whole number');
    this.#position = varints.position;
    return value;
  }

  /** One that counts, or numbers. */
  natural(): number {
    const value = this.varlong();
    if (value < 0) this.#fail(`0 or more, and not ${value},`);
    return value;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) this.#fail(`a 0 or 1, and not ${value},`);
    return value === 1;
  }

  string(): string {
    const length = this.u32();
    const start = this.#advance(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  nullableString(): string | null {
    return this.bool() ? this.string() : null;
  }

  /** A copy: state outlives the buffer it was read from. */
  bytes(): Uint8Array {
    const length = this.u32();
    const start = this.#advance(length);
    return copyOf(this.#bytes, start, start + length);
  }

  /** A u32 that says how many items follow. */
  count(): number {
    const count = this.u32();
    // Each item takes a byte at least, so a count beyond the bytes left is damage, not a size to allocate.
    if (count > this.#bytes.length - this.#position) this.#fail(`a list of ${count} items`);
    return count;
  }

  list<T>(read: () => T): T[] {
    const count = this.count();
    // One that is pushed to has room for 17 from then on, and of lists of one, 100,000 are kept.
    if (count === 1) return [read()];
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  #advance(size: number): number {
    const at = this.#position;
    if (at + size > this.#bytes.length) this.#fail(`${size} bytes`);
    this.#position = at + size;
    return at;
  }

  #fail(wanted: string): never {
    throw new MillraceError(
      'STORE_CORRUPT',
      `${this.#what} cannot be read: ${wanted} wanted at byte ${this.#position} of ${this.#bytes.length}.`,
      { details: { what: this.#what, position: this.#position, sizeBytes: this.#bytes.length } },
    );
  }
}

/** Not a Buffer, whose `slice` is a view: who asks for a slice of it gets a copy. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}
