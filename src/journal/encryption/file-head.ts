/**
 * Head of an encrypted file, in front of what the file holds. Byte layout: docs/formats.md, "Encrypted file". Big-endian.
 *
 * 4,096 bytes: the same 2,048 bytes twice, written one after the other, so that a torn write or a rotten bit in one of them
 * costs nothing.
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d52454e` `MREN` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 1 | u8 | mode | 1 blocks: written once; 2 stream: appended to |
 * | 6 | 2 | u16 | spanCount | 1 to 36 |
 * | 8 | 4 | u32 | dataKey | number of the data key, in the clear |
 * | 12 | 8 | - | reserved | zero |
 * | 20 | 4 | u32 | checksum | CRC-32C of bytes 0 to 19, then of the spans |
 * | 24 | 56 each | | spans | |
 *
 * A span: u64 from (position in the content), 32 bytes salt, 16 bytes zero. Content at a position belongs to the last span that
 * begins at or before it. A stream that was cut and goes on gets a new span there: no key stream is ever used for two contents.
 */
import { randomBytes } from 'node:crypto';
import { readInt64, readUint16, readUint32, writeInt64, writeUint16, writeUint32 } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';

const MAGIC = 0x4d52454e;
const VERSION = 1;
export const HEAD_BYTES = 4096;
export const HEAD_COPY_BYTES = HEAD_BYTES / 2;
const FIXED_BYTES = 24;
const SPAN_BYTES = 56;
const SALT_BYTES = 32;
export const MAX_SPANS = Math.floor((HEAD_COPY_BYTES - FIXED_BYTES) / SPAN_BYTES);

/** On disk: never renumber. */
const HEAD_MODE = { blocks: 1, stream: 2 } as const;
export type HeadMode = keyof typeof HEAD_MODE;

export interface HeadSpan {
  readonly from: number;
  readonly salt: Uint8Array;
}

export interface FileHead {
  readonly mode: HeadMode;
  readonly dataKey: number;
  readonly spans: readonly HeadSpan[];
}

export function newHead(mode: HeadMode, dataKey: number): FileHead {
  return { mode, dataKey, spans: [newSpan(0)] };
}

export function newSpan(from: number): HeadSpan {
  return { from, salt: randomBytes(SALT_BYTES) };
}

/** @returns one of the two copies. */
export function encodeHead({ mode, dataKey, spans }: FileHead): Uint8Array {
  const bytes = new Uint8Array(HEAD_COPY_BYTES);
  writeUint32(bytes, 0, MAGIC);
  bytes[4] = VERSION;
  bytes[5] = HEAD_MODE[mode];
  writeUint16(bytes, 6, spans.length);
  writeUint32(bytes, 8, dataKey);
  for (const [i, { from, salt }] of spans.entries()) {
    const at = FIXED_BYTES + i * SPAN_BYTES;
    writeInt64(bytes, at, from);
    bytes.set(salt, at + 8);
  }
  writeUint32(bytes, 20, checksumOf(bytes, spans.length));
  return bytes;
}

/** Anything that begins with either copy's magic is meant to be encrypted, sound or not. */
export function looksEncrypted(bytes: Uint8Array): boolean {
  const second = bytes.length >= HEAD_COPY_BYTES + 4 && readUint32(bytes, HEAD_COPY_BYTES) === MAGIC;
  return second || (bytes.length >= 4 && readUint32(bytes, 0) === MAGIC);
}

/** @param bytes the first 4,096 of the file, fewer where it is shorter. @returns the newest sound copy; undefined: none is. */
export function decodeHead(bytes: Uint8Array): FileHead | undefined {
  const copies = [0, HEAD_COPY_BYTES].map((at) => decodeCopy(bytes.subarray(at, at + HEAD_COPY_BYTES)));
  return copies.filter((copy) => copy !== undefined).sort((a, b) => b.spans.length - a.spans.length)[0];
}

function decodeCopy(bytes: Uint8Array): FileHead | undefined {
  if (bytes.length < HEAD_COPY_BYTES || readUint32(bytes, 0) !== MAGIC || bytes[4] !== VERSION) return undefined;
  const mode = (Object.keys(HEAD_MODE) as HeadMode[]).find((each) => HEAD_MODE[each] === bytes[5]);
  const count = readUint16(bytes, 6);
  if (mode === undefined || count < 1 || count > MAX_SPANS) return undefined;
  if (readUint32(bytes, 20) !== checksumOf(bytes, count)) return undefined;
  const spans: HeadSpan[] = [];
  for (let at = FIXED_BYTES; at < FIXED_BYTES + count * SPAN_BYTES; at += SPAN_BYTES) {
    spans.push({ from: readInt64(bytes, at), salt: bytes.slice(at + 8, at + 8 + SALT_BYTES) });
  }
  return { mode, dataKey: readUint32(bytes, 8), spans };
}

function checksumOf(bytes: Uint8Array, spanCount: number): number {
  return crc32c(bytes.subarray(FIXED_BYTES, FIXED_BYTES + spanCount * SPAN_BYTES), crc32c(bytes.subarray(0, 20)));
}
