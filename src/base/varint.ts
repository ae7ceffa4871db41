/**
 * Zig-zag variable-length integers, as Kafka's records have them: seven bits a byte, lowest first, the high bit set on
 * all but the last byte; the lowest bit of the number is the sign, so that small negatives stay small.
 *
 *   0 -> 00, -1 -> 01, 1 -> 02, 63 -> 7e, -64 -> 7f, 64 -> 80 01, 300 -> d8 04
 *
 * A varint is 32 bits in at most 5 bytes, a varlong 64 bits in at most 10. Varlongs are JavaScript numbers.
 * Source: KIP-98; the encoding is that of Protocol Buffers' sint32 and sint64.
 */

/** Highest magnitude for which the zig-zag form still fits 31 bits, so that shifts work. */
const MAX_SHIFTABLE = 0x3fff_ffff;
const MAX_VARINT_BYTES = 5;
const MAX_VARLONG_BYTES = 10;
/** That `writeVarint` takes. */
export const MAX_SAFE_VARINT_BYTES = 8;

/**
 * Reads from borrowed bytes, moving `position`. What cannot be read (cut off, too long, out of range) reads as NaN and not
 * as an exception, so that one range check at the caller covers it: `!(length >= 0 && length <= left)`.
 */
export class VarintReader {
  bytes: Uint8Array;
  position: number;
  /** Exclusive; at most the length of `bytes`. */
  end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = Math.min(end, bytes.length);
  }

  /** 32 bits signed, else NaN. */
  varint(): number {
    if (this.position < this.end) {
      const byte = this.bytes[this.position] as number;
      if (byte < 0x80) {
        this.position += 1;
        return (byte >>> 1) ^ -(byte & 1);
      }
    }
    const value = this.#long(MAX_VARINT_BYTES);
    return value >= -0x8000_0000 && value <= 0x7fff_ffff ? value : Number.NaN;
  }

  /** 64 bits signed; NaN where it is not a safe integer. */
  varlong(): number {
    return this.#long(MAX_VARLONG_BYTES);
  }

  #long(maxBytes: number): number {
    const first = this.position;
    const stop = Math.min(this.end, first + maxBytes);
    let magnitude = 0;
    // The sign bit is kept apart: what is left of 64 bits is exact in a double as long as the value is a safe integer.
    let scale = 0.5;
    for (let at = first; at < stop; at++, scale *= 128) {
      const byte = this.bytes[at] as number;
      const bits = at === first ? byte & 0x7e : byte & 0x7f;
      magnitude += bits * scale;
      if (byte < 0x80) {
        this.position = at + 1;
        const value = ((this.bytes[first] as number) & 1) === 0 ? magnitude : -magnitude - 1;
        return Number.isSafeInteger(value) ? value : Number.NaN;
      }
    }
    return Number.NaN;
  }
}

/** Bytes that `writeVarint` takes for a safe integer. */
export function varintSize(value: number): number {
  if (value <= MAX_SHIFTABLE && value >= -MAX_SHIFTABLE) {
    const zigzag = (value << 1) ^ (value >> 31);
    if (zigzag < 0x80) return 1;
    if (zigzag < 0x4000) return 2;
    if (zigzag < 0x20_0000) return 3;
    return zigzag < 0x1000_0000 ? 4 : 5;
  }
  let size = 1;
  for (let rest = Math.floor((value < 0 ? -(value + 1) : value) / 64); rest > 0; rest = Math.floor(rest / 128))
    size += 1;
  return size;
}

/**
 * Writes a safe integer; for those of 32 bits varint and varlong are the same bytes. The caller has made room.
 * @returns position after the last byte.
 */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  if (value <= MAX_SHIFTABLE && value >= -MAX_SHIFTABLE)
    return writeSmall(bytes, position, (value << 1) ^ (value >> 31));
  const magnitude = value < 0 ? -(value + 1) : value;
  let rest = Math.floor(magnitude / 64);
  let at = position;
  bytes[at++] = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0) | (rest > 0 ? 0x80 : 0);
  while (rest > 0) {
    const next = Math.floor(rest / 128);
    bytes[at++] = (rest % 128) | (next > 0 ? 0x80 : 0);
    rest = next;
  }
  return at;
}

function writeSmall(bytes: Uint8Array, position: number, zigzag: number): number {
  let rest = zigzag;
  let at = position;
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}
