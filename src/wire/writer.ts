/**
 * Writes the Kafka protocol's primitive types (byte table in reader.ts) into one buffer that doubles when full, so a
 * message is written in a single pass and each string is encoded once. Lengths known only afterwards are patched in.
 *
 * Numbers are taken modulo their width and are not range-checked here: they come from our own code, not from a socket.
 */
import { asBuffer, writeInt64, writeUint16, writeUint32 } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { ZERO_UUID } from './reader.ts';

/** A frame's size is a positive int32. */
const MAX_WRITER_BYTES = 0x7fff_ffff;
const MAX_STRING_BYTES = 0x7fff;
/** Up to here a character loop beats the call into the runtime. */
const MAX_LOOP_CHARS = 48;

export class Writer {
  /** Next byte to write. May be moved back by the caller, to drop what was written after. */
  position = 0;
  #buffer: Buffer;
  readonly #maxBytes: number;
  #trail: string[] | undefined;

  /**
   * @param start a buffer to write into, or the size of the first one.
   * @param maxBytes growing beyond is refused with WIRE_FRAME_TOO_LARGE.
   */
  constructor(start: Uint8Array | number = 1024, maxBytes: number = MAX_WRITER_BYTES) {
    this.#buffer = typeof start === 'number' ? Buffer.allocUnsafeSlow(start) : asBuffer(start);
    this.#maxBytes = maxBytes;
  }

  /** The memory written into; another one after growth, so do not hold it across writes. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** What was written so far: a view, valid until the next write or reset. */
  written(from = 0): Buffer {
    return this.#buffer.subarray(from, this.position);
  }

  reset(): this {
    this.position = 0;
    this.#trail = undefined;
    return this;
  }

  /** Hands the buffer over to the caller and starts a fresh one: what was written is then owned, without a copy. */
  detach(freshBytes = 1024): Buffer {
    const written = this.written();
    this.#buffer = Buffer.allocUnsafeSlow(freshBytes);
    this.reset();
    return written;
  }

  /** Makes room for `length` more bytes; writes below do so by themselves. */
  ensure(length: number): void {
    if (this.position + length > this.#buffer.length) this.#grow(length);
  }

  int8(value: number): void {
    this.ensure(1);
    this.#buffer[this.position++] = value;
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  int16(value: number): void {
    this.ensure(2);
    writeUint16(this.#buffer, this.position, value);
    this.position += 2;
  }

  int32(value: number): void {
    this.ensure(4);
    writeUint32(this.#buffer, this.position, value);
    this.position += 4;
  }

  /** @throws WIRE_MALFORMED for NaN, which is how a reader says that a value was beyond 2^53: it must not go out as 0. */
  int64(value: number): void {
    if (Number.isNaN(value)) throw new MillraceError('WIRE_MALFORMED', 'A 64-bit number is missing: NaN was given.');
    this.ensure(8);
    writeInt64(this.#buffer, this.position, value);
    this.position += 8;
  }

  float64(value: number): void {
    this.ensure(8);
    this.#buffer.writeDoubleBE(value, this.position);
    this.position += 8;
  }

  /** 0..2^32-1. */
  uvarint(value: number): void {
    this.ensure(5);
    const buffer = this.#buffer;
    let rest = value;
    while (rest > 0x7f) {
      buffer[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.position++] = rest;
  }

  /** Zigzag, 32 bits. */
  varint(value: number): void {
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** 32 hex digits. */
  uuid(value: string): void {
    this.ensure(16);
    if (value === ZERO_UUID) this.#buffer.fill(0, this.position, this.position + 16);
    else if (value.length !== 32 || this.#buffer.write(value, this.position, 16, 'hex') !== 16) {
      throw new MillraceError('WIRE_MALFORMED', `"${value}" is not a uuid: 32 hex digits without dashes are expected.`);
    }
    this.position += 16;
  }

  /** Copies `bytes` as they are, without a length. */
  raw(bytes: Uint8Array): void {
    this.ensure(bytes.length);
    this.#buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  string(value: string): void {
    this.ensure(2 + value.length * 3);
    const start = this.position;
    this.position = start + 2;
    this.#text(value);
    const length = this.position - start - 2;
    if (length > MAX_STRING_BYTES) {
      throw new MillraceError(
        'WIRE_MALFORMED',
        `A string of ${length} bytes does not fit: the limit is ${MAX_STRING_BYTES}.`,
      );
    }
    writeUint16(this.#buffer, start, length);
  }

  nullableString(value: string | null): void {
    if (value === null) this.int16(-1);
    else this.string(value);
  }

  compactString(value: string): void {
    this.ensure(5 + value.length * 3);
    // A byte a character is the rule, so the length's width is guessed from that; a wrong guess costs a second look.
    const start = this.position;
    this.uvarint(value.length + 1);
    const textStart = this.position;
    this.#text(value);
    const length = this.position - textStart;
    if (length === value.length) return;
    this.position = start;
    this.uvarint(length + 1);
    if (this.position === textStart) this.position += length;
    else this.#text(value);
  }

  compactNullableString(value: string | null): void {
    if (value === null) this.uvarint(0);
    else this.compactString(value);
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length);
    this.raw(value);
  }

  nullableBytes(value: Uint8Array | null): void {
    if (value === null) this.int32(-1);
    else this.bytes(value);
  }

  compactBytes(value: Uint8Array): void {
    this.uvarint(value.length + 1);
    this.raw(value);
  }

  compactNullableBytes(value: Uint8Array | null): void {
    if (value === null) this.uvarint(0);
    else this.compactBytes(value);
  }

  /** Element count of an array; -1 is null. */
  arrayLength(count: number): void {
    this.int32(count);
  }

  /** As `arrayLength`, in the compact form. */
  compactArrayLength(count: number): void {
    this.uvarint(count + 1);
  }

  /** The values alone; their count goes before. */
  int32s(values: readonly number[]): void {
    this.ensure(values.length * 4);
    const buffer = this.#buffer;
    let at = this.position;
    for (let i = 0; i < values.length; i++, at += 4) writeUint32(buffer, at, values[i] as number);
    this.position = at;
  }

  /** An empty tag section. */
  noTags(): void {
    this.int8(0);
  }

  /** Overwrites an int32 written before, at `position`. */
  patchInt32(position: number, value: number): void {
    writeUint32(this.#buffer, position, value);
  }

  /**
   * Puts the uvarint size of everything written since `start` in front of it (a tagged field's size is known only
   * after its value). The value moves by one to five bytes; tagged fields are few and small.
   */
  prefixSize(start: number): void {
    const size = this.position - start;
    const width = uvarintSize(size);
    // Room for the widest prefix, so that writing it cannot grow the buffer: growing keeps only what is before `position`.
    this.ensure(5);
    this.#buffer.copyWithin(start + width, start, this.position);
    this.position = start;
    this.uvarint(size);
    this.position += size;
  }

  /** Called by compiled writers while an error unwinds: names the field it passed through, innermost first. */
  unwind(step: string): void {
    this.#trail ??= [];
    this.#trail.push(step);
  }

  /** Path of the field whose writing failed, as `topics[3].name`; empty where nobody named one. Forgotten once taken. */
  takePath(): string {
    const path = this.#trail === undefined ? '' : this.#trail.toReversed().join('').replace(/^\./, '');
    this.#trail = undefined;
    return path;
  }

  /** Room was made by the caller. */
  #text(value: string): void {
    const length = value.length;
    const start = this.position;
    if (length <= MAX_LOOP_CHARS) {
      const buffer = this.#buffer;
      let i = 0;
      for (; i < length; i++) {
        const char = value.charCodeAt(i);
        if (char > 0x7f) break;
        buffer[start + i] = char;
      }
      if (i === length) {
        this.position = start + length;
        return;
      }
    }
    this.position = start + this.#buffer.write(value, start, 'utf8');
  }

  #grow(length: number): void {
    const needed = this.position + length;
    if (needed > this.#maxBytes) {
      throw new MillraceError('WIRE_FRAME_TOO_LARGE', `The message grows past ${this.#maxBytes} bytes.`, {
        details: { maxBytes: this.#maxBytes },
      });
    }
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#maxBytes, Math.max(needed, this.#buffer.length * 2)));
    grown.set(this.#buffer.subarray(0, this.position));
    this.#buffer = grown;
  }
}

/** Bytes that `value` (0..2^32-1) takes as a uvarint. */
export function uvarintSize(value: number): number {
  return value === 0 ? 1 : Math.ceil((32 - Math.clz32(value)) / 7);
}
