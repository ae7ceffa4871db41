/**
 * The 64 bytes at the start of a journal file. Big-endian. Source: docs/formats.md, file header.
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d524a46` `MRJF` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 1 | u8 | lane | 0 |
 * | 6 | 2 | u16 | headerBytes | 64 |
 * | 8 | 8 | u64 | file | number of this file, from 1 |
 * | 16 | 8 | u64 | incarnation | random, below 2^53; repeated in each commit |
 * | 24 | 8 | u64 | firstCommit | number of the first commit in the file |
 * | 32 | 8 | i64 | createdAt | milliseconds since 1970 |
 * | 40 | 4 | u32 | previousChecksum | checksum of the last commit before this file, 0 in file 1 |
 * | 44 | 4 | - | reserved | zero |
 * | 48 | 8 | u64 | durableCommit | highest commit known to be synced when the header was written |
 * | 56 | 4 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * To change it: raise VERSION, keep `decodeFileHeader` reading the old one, add a fixture of each to the tests.
 */
import { readInt64, readUint16, readUint32, writeInt64, writeUint16, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';

// On disk: never renumber.
const FILE_MAGIC = 0x4d524a46;
const FILE_VERSION = 1;
export const FILE_HEADER_BYTES = 64;

export interface FileHeader {
  readonly lane: number;
  readonly file: number;
  readonly incarnation: number;
  readonly firstCommit: number;
  readonly createdAt: number;
  readonly previousChecksum: number;
  readonly durableCommit: number;
}

export type FileHeaderOutcome =
  | { readonly kind: 'header'; readonly header: FileHeader }
  /** A sound header of a layout this program does not know. */
  | { readonly kind: 'unsupported'; readonly version: number }
  | { readonly kind: 'bad'; readonly problem: string };

export function encodeFileHeader(header: FileHeader): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  writeUint32(bytes, 0, FILE_MAGIC);
  bytes[4] = FILE_VERSION;
  bytes[5] = header.lane;
  writeUint16(bytes, 6, FILE_HEADER_BYTES);
  writeInt64(bytes, 8, header.file);
  writeInt64(bytes, 16, header.incarnation);
  writeInt64(bytes, 24, header.firstCommit);
  writeInt64(bytes, 32, header.createdAt);
  writeUint32(bytes, 40, header.previousChecksum);
  writeInt64(bytes, 48, header.durableCommit);
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
  return bytes;
}

/** @param bytes the first bytes of a file, possibly fewer than a header. */
export function decodeFileHeader(bytes: Uint8Array): FileHeaderOutcome {
  if (bytes.length < FILE_HEADER_BYTES) return bad(`only ${bytes.length} of ${FILE_HEADER_BYTES} header bytes`);
  const magic = readUint32(bytes, 0);
  if (magic !== FILE_MAGIC) return bad(`magic 0x${magic.toString(16)} instead of 0x${FILE_MAGIC.toString(16)}`);
  const stored = readUint32(bytes, 60);
  const computed = crc32c(bytes.subarray(0, 60));
  if (stored !== computed) return bad(`header checksum ${hex(stored)}, computed ${hex(computed)}`);
  const version = bytes[4] as number;
  if (version !== FILE_VERSION) return { kind: 'unsupported', version };
  const header: FileHeader = {
    lane: bytes[5] as number,
    file: readInt64(bytes, 8),
    incarnation: readInt64(bytes, 16),
    firstCommit: readInt64(bytes, 24),
    createdAt: readInt64(bytes, 32),
    previousChecksum: readUint32(bytes, 40),
    durableCommit: readInt64(bytes, 48),
  };
  const sound =
    readUint16(bytes, 6) === FILE_HEADER_BYTES &&
    header.file >= 1 &&
    header.incarnation >= 0 &&
    header.firstCommit >= 1 &&
    header.durableCommit >= 0 &&
    header.durableCommit < header.firstCommit;
  return sound ? { kind: 'header', header } : bad('fields out of range under a valid checksum');
}

function bad(problem: string): FileHeaderOutcome {
  return { kind: 'bad', problem };
}

export function hex(checksum: number): string {
  return `0x${checksum.toString(16).padStart(8, '0')}`;
}
