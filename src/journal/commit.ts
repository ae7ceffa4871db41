/**
 * The commit: unit of atomicity and durability. `header | bodies | padding to 8 | table`, big-endian, 8-byte aligned.
 * Source: docs/formats.md, commit (with a worked example).
 *
 * Header, 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d524331` `MRC1` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 1 | u8 | flags | bit 0: clean end |
 * | 6 | 2 | u16 | headerBytes | 64 |
 * | 8 | 8 | u64 | commit | one more than the commit before |
 * | 16 | 8 | u64 | incarnation | that of the file |
 * | 24 | 8 | u64 | durableCommit | highest commit known to be synced when this one was closed |
 * | 32 | 8 | i64 | createdAt | milliseconds since 1970 |
 * | 40 | 4 | u32 | bodyBytes | bytes of the bodies without padding |
 * | 44 | 4 | u32 | entryCount | rows of the table |
 * | 48 | 4 | u32 | previousChecksum | checksum of the commit before |
 * | 52 | 8 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of header bytes 0 to 59, then of the table |
 *
 * Table row, 24 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 1 | u8 | kind | 1 batches, 2 command |
 * | 1 | 1 | u8 | reserved | zero |
 * | 2 | 2 | u16 | command | command type; 0 for batches |
 * | 4 | 4 | u32 | bytes | length of the body |
 * | 8 | 4 | u32 | partition | partition number; 0 for commands |
 * | 12 | 4 | u32 | checksum or offsetCount | command: CRC-32C of the body; batches: offsets covered |
 * | 16 | 8 | u64 | baseOffset | first offset; 0 for commands |
 *
 * The table trails the bodies, so that a body's final position is known the moment it is staged.
 * To change it: raise the version of the file header, never of single commits; keep reading the old layout.
 */
import { readInt64, readUint16, readUint32, writeInt64, writeUint16, writeUint32 } from '../base/bytes.ts';
import { crc32cRange } from '../base/crc32c.ts';
import { hex } from './file-header.ts';

// On disk: never renumber.
export const COMMIT_MAGIC = 0x4d524331;
const COMMIT_VERSION = 1;
export const COMMIT_HEADER_BYTES = 64;
export const ROW_BYTES = 24;
export const COMMIT_ALIGNMENT = 8;
export const FLAG_CLEAN_END = 1;
export const KIND_BATCHES = 1;
export const KIND_COMMAND = 2;

export interface CommitHeader {
  flags: number;
  commit: number;
  incarnation: number;
  durableCommit: number;
  createdAt: number;
  bodyBytes: number;
  entryCount: number;
  previousChecksum: number;
  checksum: number;
}

export interface Row {
  kind: number;
  command: number;
  bytes: number;
  partition: number;
  /** Command: CRC-32C of the body. Batches: offsets covered. */
  checksumOrCount: number;
  baseOffset: number;
}

export function emptyHeader(): CommitHeader {
  return {
    flags: 0,
    commit: 0,
    incarnation: 0,
    durableCommit: 0,
    createdAt: 0,
    bodyBytes: 0,
    entryCount: 0,
    previousChecksum: 0,
    checksum: 0,
  };
}

export function emptyRow(): Row {
  return { kind: 0, command: 0, bytes: 0, partition: 0, checksumOrCount: 0, baseOffset: 0 };
}

/** Zero bytes between the bodies and the table, 0 to 7. */
export function paddingBytes(bodyBytes: number): number {
  return -bodyBytes & (COMMIT_ALIGNMENT - 1);
}

/** Bytes from a commit's header to its table, exclusive. */
export function tableOffset(bodyBytes: number): number {
  return COMMIT_HEADER_BYTES + bodyBytes + paddingBytes(bodyBytes);
}

export function commitBytes(bodyBytes: number, entryCount: number): number {
  return tableOffset(bodyBytes) + entryCount * ROW_BYTES;
}

/**
 * Writes the header in place, `checksum` last, over the finished table.
 * @returns the checksum: the next commit's `previousChecksum`.
 */
export function encodeCommitHeader(into: Uint8Array, at: number, header: CommitHeader, table: Uint8Array): number {
  writeUint32(into, at, COMMIT_MAGIC);
  into[at + 4] = COMMIT_VERSION;
  into[at + 5] = header.flags;
  writeUint16(into, at + 6, COMMIT_HEADER_BYTES);
  writeInt64(into, at + 8, header.commit);
  writeInt64(into, at + 16, header.incarnation);
  writeInt64(into, at + 24, header.durableCommit);
  writeInt64(into, at + 32, header.createdAt);
  writeUint32(into, at + 40, header.bodyBytes);
  writeUint32(into, at + 44, header.entryCount);
  writeUint32(into, at + 48, header.previousChecksum);
  writeUint32(into, at + 52, 0);
  writeUint32(into, at + 56, 0);
  const checksum = headerChecksum(into, at, table, 0, table.length);
  writeUint32(into, at + 60, checksum);
  return checksum;
}

/** Over header bytes 0 to 59, then over the table; `tableEnd` exclusive. */
export function headerChecksum(
  header: Uint8Array,
  at: number,
  table: Uint8Array,
  tableAt = 0,
  tableEnd = table.length,
): number {
  return crc32cRange(table, tableAt, tableEnd, crc32cRange(header, at, at + 60));
}

export function encodeRow(into: Uint8Array, at: number, row: Row): void {
  into[at] = row.kind;
  into[at + 1] = 0;
  writeUint16(into, at + 2, row.command);
  writeUint32(into, at + 4, row.bytes);
  writeUint32(into, at + 8, row.partition);
  writeUint32(into, at + 12, row.checksumOrCount);
  writeInt64(into, at + 16, row.baseOffset);
}

export function decodeRow(bytes: Uint8Array, at: number, into: Row): void {
  into.kind = bytes[at] as number;
  into.command = readUint16(bytes, at + 2);
  into.bytes = readUint32(bytes, at + 4);
  into.partition = readUint32(bytes, at + 8);
  into.checksumOrCount = readUint32(bytes, at + 12);
  into.baseOffset = readInt64(bytes, at + 16);
}

/**
 * Reads the fixed fields of a header; the checksum is not checked here, since it covers the table.
 *
 * @param bytes holds at least 64 bytes from `at`.
 * @returns what is wrong, or undefined.
 */
export function decodeCommitHeader(bytes: Uint8Array, at: number, into: CommitHeader): string | undefined {
  const magic = readUint32(bytes, at);
  if (magic !== COMMIT_MAGIC) return `no commit magic (found ${hex(magic)})`;
  if (bytes[at + 4] !== COMMIT_VERSION) return `commit version ${bytes[at + 4]}, known is ${COMMIT_VERSION}`;
  const headerBytes = readUint16(bytes, at + 6);
  if (headerBytes !== COMMIT_HEADER_BYTES) return `commit header of ${headerBytes} bytes`;
  into.flags = bytes[at + 5] as number;
  into.commit = readInt64(bytes, at + 8);
  into.incarnation = readInt64(bytes, at + 16);
  into.durableCommit = readInt64(bytes, at + 24);
  into.createdAt = readInt64(bytes, at + 32);
  into.bodyBytes = readUint32(bytes, at + 40);
  into.entryCount = readUint32(bytes, at + 44);
  into.previousChecksum = readUint32(bytes, at + 48);
  into.checksum = readUint32(bytes, at + 60);
  if (!(into.commit >= 1 && into.durableCommit >= 0 && into.durableCommit < into.commit)) {
    return 'commit numbers out of range';
  }
  return undefined;
}
