/**
 * Reads the Kafka protocol's primitive types from one frame. Big-endian throughout.
 *
 * | type | bytes | notes |
 * |---|---|---|
 * | boolean, int8, int16, uint16, int32, uint32, int64 | 1, 1, 2, 2, 4, 4, 8 | int64 outside +-2^53 reads as NaN (base/bytes.ts) |
 * | uvarint | 1..5 | 7 bits a byte, low bits first, top bit set = more follow |
 * | varint | 1..5 | uvarint of the zigzag form, (n << 1) ^ (n >> 31) |
 * | uuid | 16 | given as 32 lower-case hex digits: ids are compared and used as keys far more often than shown |
 * | string, bytes | int16 or int32 length n, n bytes | n = -1 is null |
 * | compact string, bytes | uvarint n + 1, n bytes | 0 is null |
 * | array, compact array | int32 n, or uvarint n + 1 | -1, or 0, is null |
 * | tagged fields | uvarint count, then count times: uvarint tag, uvarint size, size bytes | unknown tags are skipped |
 *
 * Worked example, compact string "ab": 03 61 62. Source: Kafka protocol guide, "Protocol Primitive Types"; KIP-482.
 *
 * Byte fields are views over the frame (borrowed: valid as long as the frame's memory is). Strings are copies; bytes
 * that are not UTF-8 read as U+FFFD, as in Kafka. Every length is checked against the bytes left before use, every
 * element count against the bytes left and against a budget before anything is allocated for it.
 */
import { asBuffer, readInt16, readInt32, readInt64, readUint16, readUint32 } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';

/**
 * Most array elements of one request, all arrays together. Elements may take two bytes on the wire and a hundred in
 * memory; without a budget a 100 MiB frame of empty structs would take gigabytes. The largest honest requests (an
 * offset commit of every partition of a cluster) have some hundred thousand.
 */
export const MAX_ELEMENTS = 2_000_000;

/** The same for responses, which come from a broker that the client chose: the metadata of a million topics fits. */
export const MAX_RESPONSE_ELEMENTS = 50_000_000;

/** The id of all zeros: "none" in the protocol. */
export const ZERO_UUID = '00000000000000000000000000000000';

const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

export class Reader {
  /** Position of the next byte to read in `buffer`. May be moved by the caller within [0, end]. */
  position = 0;
  /** Exclusive. */
  end = 0;
  buffer: Buffer = Buffer.alloc(0);
  readonly #maxElements: number;
  #elementsLeft: number;
  #trail: string[] | undefined;

  /**
   * @param bytes read in place.
   * @param position first byte of the message.
   * @param end exclusive.
   * @param maxElements budget of array elements for each message.
   */
  constructor(bytes: Uint8Array, position = 0, end: number = bytes.length, maxElements: number = MAX_ELEMENTS) {
    this.#maxElements = maxElements;
    this.#elementsLeft = maxElements;
    this.reset(bytes, position, end);
  }

  /** Points a used reader at another message, so that a connection needs only one. */
  reset(bytes: Uint8Array, position = 0, end: number = bytes.length): this {
    this.buffer = asBuffer(bytes);
    this.position = position;
    this.end = end;
    this.#elementsLeft = this.#maxElements;
    this.#trail = undefined;
    return this;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  int8(): number {
    return (this.#take(1) << 24) >> 24;
  }

  uint8(): number {
    return this.#take(1);
  }

  /** Any byte but 0 is true, as in Kafka. */
  boolean(): boolean {
    return this.#take(1) !== 0;
  }

  int16(): number {
    const at = this.#advance(2);
    return readInt16(this.buffer, at);
  }

  uint16(): number {
    const at = this.#advance(2);
    return readUint16(this.buffer, at);
  }

  int32(): number {
    const at = this.#advance(4);
    return readInt32(this.buffer, at);
  }

  uint32(): number {
    const at = this.#advance(4);
    return readUint32(this.buffer, at);
  }

  /** NaN outside +-2^53: every range check refuses it. */
  int64(): number {
    const at = this.#advance(8);
    return readInt64(this.buffer, at);
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.#advance(8));
  }

  /** 0..2^32-1. */
  uvarint(): number {
    const first = this.#take(1);
    return first < 0x80 ? first : this.#uvarintTail(first);
  }

  /** Zigzag, 32 bits. */
  varint(): number {
    const raw = this.uvarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** 32 lower-case hex digits. */
  uuid(): string {
    const at = this.#advance(16);
    return this.buffer.toString('hex', at, at + 16);
  }

  /** The next `length` bytes, borrowed. */
  view(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.buffer.subarray(at, at + length);
  }

  skip(length: number): void {
    this.#advance(length);
  }

  string(): string {
    return this.#text(this.stringLength());
  }

  nullableString(): string | null {
    const length = this.int16();
    return length === -1 ? null : this.#text(this.#checkLength(length));
  }

  compactString(): string {
    return this.#text(this.compactLength());
  }

  compactNullableString(): string | null {
    const length = this.uvarint() - 1;
    return length === -1 ? null : this.#text(length);
  }

  bytes(): Uint8Array {
    return this.#slice(this.#checkLength(this.int32()));
  }

  nullableBytes(): Uint8Array | null {
    const length = this.int32();
    return length === -1 ? null : this.#slice(this.#checkLength(length));
  }

  compactBytes(): Uint8Array {
    return this.#slice(this.compactLength());
  }

  compactNullableBytes(): Uint8Array | null {
    const length = this.uvarint() - 1;
    return length === -1 ? null : this.#slice(length);
  }

  /** Length of a string that may not be null; for callers that compare the bytes in place instead of decoding them. */
  stringLength(): number {
    return this.#checkLength(this.int16());
  }

  /** Length of a compact string or bytes that may not be null. */
  compactLength(): number {
    const length = this.uvarint() - 1;
    if (length === -1) this.malformed('is null where a value is required');
    return length;
  }

  /**
   * Element count of an array, -1 for null.
   *
   * @param minElementBytes least bytes an element can take (at least 1); a count that cannot fit is refused here,
   *   before the caller allocates anything.
   */
  arrayLength(minElementBytes: number): number {
    const count = this.int32();
    if (count < -1) this.malformed(`has the negative element count ${count}`);
    return this.#checkCount(count, minElementBytes);
  }

  /** As `arrayLength`, in the compact form. */
  compactArrayLength(minElementBytes: number): number {
    return this.#checkCount(this.uvarint() - 1, minElementBytes);
  }

  /** The next `count` int32 values, which `arrayLength(4)` has found to fit: replica lists make up most of Metadata. */
  int32s(count: number): number[] {
    const values: number[] = [];
    const { buffer } = this;
    let at = this.#advance(count * 4);
    for (let i = 0; i < count; i++, at += 4) values.push(readInt32(buffer, at));
    return values;
  }

  /** Skips a whole tag section. */
  skipTags(): void {
    const count = this.uvarint();
    for (let i = 0; i < count; i++) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }

  /** @throws MillraceError WIRE_MALFORMED, always; `what` completes the sentence "<field> ...". */
  malformed(what: string): never {
    throw new MillraceError('WIRE_MALFORMED', `A field at byte ${this.position} ${what}.`, {
      details: { position: this.position, what },
    });
  }

  /** Called by compiled readers while an error unwinds: names the field it passed through, innermost first. */
  unwind(step: string): void {
    this.#trail ??= [];
    this.#trail.push(step);
  }

  /** Path of the field whose reading failed, as `topics[3].name`; empty where nobody named one. Forgotten once taken. */
  takePath(): string {
    const path = this.#trail === undefined ? '' : this.#trail.toReversed().join('').replace(/^\./, '');
    this.#trail = undefined;
    return path;
  }

  #take(length: 1): number {
    if (this.position + length > this.end) this.#truncated(length);
    return this.buffer[this.position++] as number;
  }

  /** Returns the position before. Written so that a length near 2^32 cannot wrap: positions are doubles. */
  #advance(length: number): number {
    const at = this.position;
    if (at + length > this.end) this.#truncated(length);
    this.position = at + length;
    return at;
  }

  #uvarintTail(first: number): number {
    let value = first & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.#take(1);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.#take(1);
    if (last > 0x0f) this.malformed('has a varint of more than 32 bits');
    return (value | (last << 28)) >>> 0;
  }

  #checkLength(length: number): number {
    if (length === -1) this.malformed('is null where a value is required');
    if (length < 0) this.malformed(`has the negative length ${length}`);
    return length;
  }

  #checkCount(count: number, minElementBytes: number): number {
    if (count <= 0) return count;
    if (count * minElementBytes > this.remaining) {
      throw new MillraceError(
        'WIRE_TRUNCATED',
        `An array ending at byte ${this.position} announces ${count} elements of at least ${minElementBytes} bytes, but ${this.remaining} bytes are left.`,
        { details: { position: this.position, count, remaining: this.remaining } },
      );
    }
    this.#elementsLeft -= count;
    if (this.#elementsLeft < 0) this.malformed(`takes the message past ${this.#maxElements} array elements`);
    return count;
  }

  #text(length: number): string {
    const at = this.#advance(length);
    return length === 0 ? '' : this.buffer.toString('utf8', at, at + length);
  }

  #slice(length: number): Uint8Array {
    if (length === 0) return EMPTY_BYTES;
    const at = this.#advance(length);
    return this.buffer.subarray(at, at + length);
  }

  #truncated(length: number): never {
    throw new MillraceError(
      'WIRE_TRUNCATED',
      `The message ends ${length - this.remaining} bytes early: ${length} bytes are due at byte ${this.position}, ${this.remaining} are left.`,
      { details: { position: this.position, due: length, remaining: this.remaining } },
    );
  }
}
