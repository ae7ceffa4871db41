/**
 * Big-endian numbers in bytes. 64-bit values are JavaScript numbers: offsets, timestamps and ids that Millrace itself
 * makes stay below 2^53 (docs/adr/0002-numbers-for-offsets.md); a value from outside that does not fit reads as NaN, so
 * that every comparison with it is false and range checks refuse it.
 */
import { isUtf8 } from 'node:buffer';

const TWO_32 = 0x1_0000_0000;
const ZERO = 0x30;
/** What is larger is written in two parts, so that digits are taken off small integers. */
const TEN_TO_8 = 100_000_000;
const POWERS_OF_TEN = new Uint32Array([1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]);

/** Of any safe integer that is not negative. */
export const MAX_DECIMAL_BYTES = 16;

/** Signed 64-bit at `position`; NaN where it does not fit a double exactly. */
export function readInt64(bytes: Uint8Array, position: number): number {
  const high =
    ((bytes[position] as number) << 24) |
    ((bytes[position + 1] as number) << 16) |
    ((bytes[position + 2] as number) << 8) |
    (bytes[position + 3] as number);
  const low = readUint32(bytes, position + 4);
  const value = high * TWO_32 + low;
  return value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER ? Number.NaN : value;
}

export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  writeUint32(bytes, position, high);
  writeUint32(bytes, position + 4, value - high * TWO_32);
}

export function readUint32(bytes: Uint8Array, position: number): number {
  return (
    (((bytes[position] as number) << 24) |
      ((bytes[position + 1] as number) << 16) |
      ((bytes[position + 2] as number) << 8) |
      (bytes[position + 3] as number)) >>>
    0
  );
}

export function readInt32(bytes: Uint8Array, position: number): number {
  return readUint32(bytes, position) | 0;
}

export function writeUint32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24;
  bytes[position + 1] = value >>> 16;
  bytes[position + 2] = value >>> 8;
  bytes[position + 3] = value;
}

export function readInt16(bytes: Uint8Array, position: number): number {
  return (((bytes[position] as number) << 24) >> 16) | (bytes[position + 1] as number);
}

export function readUint16(bytes: Uint8Array, position: number): number {
  return ((bytes[position] as number) << 8) | (bytes[position + 1] as number);
}

export function writeUint16(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 8;
  bytes[position + 1] = value;
}

/** Decimal digits. @param value a safe integer, not negative. @returns the position behind its last digit. */
export function writeDecimal(bytes: Uint8Array, position: number, value: number): number {
  if (value < TEN_TO_8) return writeDigits(bytes, position, value, 1);
  const high = writeDecimal(bytes, position, Math.floor(value / TEN_TO_8));
  return writeDigits(bytes, high, value % TEN_TO_8, 8);
}

/** @param value below 10^8. */
function writeDigits(bytes: Uint8Array, position: number, value: number, minCount: number): number {
  let count = minCount;
  while (count < 8 && value >= (POWERS_OF_TEN[count] as number)) count += 1;
  const end = position + count;
  let rest = value | 0;
  for (let at = end - 1; at >= position; at--) {
    const tenth = (rest / 10) | 0;
    bytes[at] = ZERO + rest - 10 * tenth;
    rest = tenth;
  }
  return end;
}

/** The bytes from `start` to `end`, exclusive, as text; undefined where they are not UTF-8. */
export function utf8Text(bytes: Uint8Array, start: number, end: number): string | undefined {
  const text = asBuffer(bytes).toString('utf8', start, end);
  // What cannot be decoded becomes this character, which may also be meant. To look for it costs nothing in ASCII; a view
  // of every field to ask beforehand costs more than the text.
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)) ? undefined : text;
}

/** A Buffer over the same memory, for the encodings and the socket; no copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Into the front of `into`, which has room. What threads share `set` copies word by word, at half the rate. */
export function copyShared(bytes: Uint8Array, into: Uint8Array): void {
  asBuffer(bytes).copy(into);
}

/** Of all pieces together. */
export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
