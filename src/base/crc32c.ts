/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), the checksum of Kafka batches and of our own files.
 * Check value: crc32c("123456789") = 0xe3069283 (RFC 3720, B.4).
 *
 * The native implementation does 6 GB/s and is an optional platform package; where none fits, slicing-by-8 in
 * JavaScript does 1.1 GB/s. WebAssembly (1.7 GB/s) was rejected as the fallback: it copies its input into its memory.
 */
import { createRequire } from 'node:module';

export type Crc32c = (bytes: Uint8Array, seed?: number) => number;

const POLYNOMIAL = 0x82f63b78;

/** Signed, because numbers beyond 2^31 are objects while code is cold: a start needs the tables, and builds them cold. */
function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  // The CRC of a byte is that of its bits combined; a byte with one bit is one step before that with the next lower.
  for (let bit = 128, crc = 1; bit > 0; bit >>= 1) {
    crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    for (let above = 0; above < 256; above += 2 * bit) tables[above + bit] = (tables[above] as number) ^ crc;
  }
  for (let i = 0; i < 7 * 256; i++) {
    const before = tables[i] as number;
    tables[256 + i] = (before >>> 8) ^ (tables[before & 255] as number);
  }
  return tables;
}

let tables: Int32Array | undefined;

/**
 * The fallback, and the faster one for few bytes (`crc32cRange`): it takes a range (`end` exclusive), so it needs neither
 * a call into native code nor a subarray.
 */
export function crc32cPortable(bytes: Uint8Array, seed = 0, start = 0, end = bytes.length): number {
  tables ??= buildTables();
  const t = tables;
  let crc = ~seed;
  let i = start;
  const end8 = end - ((end - start) % 8);
  for (; i < end8; i += 8) {
    crc ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    crc =
      (t[1792 + (crc & 255)] as number) ^
      (t[1536 + ((crc >>> 8) & 255)] as number) ^
      (t[1280 + ((crc >>> 16) & 255)] as number) ^
      (t[1024 + (crc >>> 24)] as number) ^
      (t[768 + (bytes[i + 4] as number)] as number) ^
      (t[512 + (bytes[i + 5] as number)] as number) ^
      (t[256 + (bytes[i + 6] as number)] as number) ^
      (t[bytes[i + 7] as number] as number);
  }
  for (; i < end; i++) crc = (crc >>> 8) ^ (t[(crc ^ (bytes[i] as number)) & 255] as number);
  return ~crc >>> 0;
}

function loadNative(): Crc32c | undefined {
  try {
    const native = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Crc32c };
    return native.crc32c(new TextEncoder().encode('123456789')) === 0xe3069283 ? native.crc32c : undefined;
  } catch {
    // No prebuilt package for this platform: the portable one serves.
    return undefined;
  }
}

const native = loadNative();

/**
 * @param bytes read in place, never copied.
 * @param seed result of the bytes before these, to checksum in pieces; 0 at the start.
 * @returns unsigned 32-bit checksum.
 */
export const crc32c: Crc32c = native ?? ((bytes, seed) => crc32cPortable(bytes, seed));

/** Below this many bytes the call into native code costs more than it saves. */
const MAX_PORTABLE_BYTES = 200;

/** The same over [start, end) of `bytes`, by the implementation that is faster at this length. */
export function crc32cRange(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  if (end - start <= MAX_PORTABLE_BYTES) return crc32cPortable(bytes, seed, start, end);
  return crc32c(bytes.subarray(start, end), seed);
}
