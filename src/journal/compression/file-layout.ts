/**
 * A compressed file: content in blocks of one size, each compressed by itself where that pays, so that any part is read by
 * opening the blocks that it stands in.
 *
 * Big-endian. `header | blocks | table | trailer`. Byte layout: docs/formats.md, "Compressed file".
 *
 * Header, 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d52435a` `MRCZ` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 4 | u32 | blockBytes | content of a block; the last one has what is left |
 * | 12 | 48 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * Table, 12 bytes for each block: u32 storedBytes, u32 CRC-32C of what is stored (codec 0: 0, the content has checksums of its
 * own), u8 codec (0 none, 1 zstd), 3 bytes zero. Blocks stand without gaps.
 *
 * Trailer, the last 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d525a45` `MRZE` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 8 | u64 | contentBytes | length of the content |
 * | 16 | 4 | u32 | blockBytes | as in the header |
 * | 20 | 4 | u32 | blockCount | rows of the table |
 * | 24 | 4 | u32 | tableChecksum | CRC-32C of the table |
 * | 28 | 32 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * To evolve: new version byte, a reader for both, a fixture of the old one under test/golden.
 */
import { readInt64, readUint32, writeInt64, writeUint32 } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { MillraceError } from '../../base/errors.ts';
import type { DiskFile } from '../disk.ts';
import { BLOCK_CODEC, type PackedBlock } from './block-packer.ts';

const HEADER_MAGIC = 0x4d52435a;
const TRAILER_MAGIC = 0x4d525a45;
const VERSION = 1;
export const END_BYTES = 64;
const ROW_BYTES = 12;
/** Of a reader: what is larger was not written by us. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;

/** Where the blocks of a file stand. */
export interface FileLayout {
  readonly contentBytes: number;
  readonly blockBytes: number;
  readonly blockCount: number;
  /** Of each block in the file, and behind the last one where the table begins. */
  readonly positions: Float64Array;
  readonly checksums: Uint32Array;
  readonly codecs: Uint8Array;
}

export function encodeHeader(blockBytes: number): Uint8Array {
  const bytes = new Uint8Array(END_BYTES);
  writeUint32(bytes, 0, HEADER_MAGIC);
  bytes[4] = VERSION;
  writeUint32(bytes, 8, blockBytes);
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
  return bytes;
}

/** Table and trailer. */
export function encodeTail(contentBytes: number, blockBytes: number, rows: readonly Uint8Array[]): Uint8Array {
  const table = Buffer.concat(rows);
  const end = new Uint8Array(END_BYTES);
  writeUint32(end, 0, TRAILER_MAGIC);
  end[4] = VERSION;
  writeInt64(end, 8, contentBytes);
  writeUint32(end, 16, blockBytes);
  writeUint32(end, 20, rows.length);
  writeUint32(end, 24, crc32c(table));
  writeUint32(end, 60, crc32c(end.subarray(0, 60)));
  return Buffer.concat([table, end]);
}

/** A row of the table. */
export function encodeRow({ stored, codec }: PackedBlock): Uint8Array {
  const row = new Uint8Array(ROW_BYTES);
  writeUint32(row, 0, stored.length);
  writeUint32(row, 4, codec === BLOCK_CODEC.none ? 0 : crc32c(stored));
  row[8] = codec;
  return row;
}

/** @param head the first bytes of a file, `END_BYTES` where it has as many. */
export function looksCompressed(head: Uint8Array): boolean {
  return head.length === END_BYTES && readUint32(head, 0) === HEADER_MAGIC;
}

/**
 * Reads where everything stands.
 *
 * @param head the first `END_BYTES` of the file.
 * @throws STORE_CORRUPT naming what is wrong; what the disk refuses with.
 */
export async function readLayout(file: DiskFile, path: string, head: Uint8Array): Promise<FileLayout> {
  const layout = await tryLayout(file, head);
  if (typeof layout !== 'string') return layout;
  throw new MillraceError('STORE_CORRUPT', `${path} is compressed, and ${layout}. Its records cannot be read.`, {
    details: { path },
  });
}

async function tryLayout(file: DiskFile, head: Uint8Array): Promise<FileLayout | string> {
  if (!isSound(head)) return 'the checksum of its header is wrong';
  if (head[4] !== VERSION) return `its version is ${head[4]}, and ${VERSION} is known`;
  const fileBytes = await file.size();
  if (fileBytes < 2 * END_BYTES) return `it has ${fileBytes} bytes`;
  const end = await readAt(file, fileBytes - END_BYTES, END_BYTES);
  if (end.length < END_BYTES || readUint32(end, 0) !== TRAILER_MAGIC) return 'it does not end as such a file does';
  if (!isSound(end) || end[4] !== VERSION) return 'the checksum of its trailer is wrong';
  const contentBytes = readInt64(end, 8);
  const blockBytes = readUint32(end, 16);
  const blockCount = readUint32(end, 20);
  if (blockBytes === 0 || blockBytes > MAX_BLOCK_BYTES || blockBytes !== readUint32(head, 8)) {
    return `its blocks have ${blockBytes} bytes`;
  }
  const tableBytes = blockCount * ROW_BYTES;
  if (blockCount !== Math.ceil(contentBytes / blockBytes) || tableBytes > fileBytes - 2 * END_BYTES) {
    return `its ${contentBytes} bytes are said to be ${blockCount} blocks`;
  }
  const table = await readAt(file, fileBytes - END_BYTES - tableBytes, tableBytes);
  if (table.length < tableBytes || crc32c(table) !== readUint32(end, 24)) return 'the checksum of its table is wrong';
  const layout = decodeTable(table, contentBytes, blockBytes, blockCount);
  const tableAt = layout.positions[blockCount] as number;
  if (tableAt + tableBytes + END_BYTES === fileBytes) return layout;
  return `it has ${fileBytes} bytes, its table asks for ${tableAt + tableBytes + END_BYTES}`;
}

function decodeTable(table: Uint8Array, contentBytes: number, blockBytes: number, blockCount: number): FileLayout {
  const positions = new Float64Array(blockCount + 1);
  const checksums = new Uint32Array(blockCount);
  const codecs = new Uint8Array(blockCount);
  let position = END_BYTES;
  for (let i = 0; i < blockCount; i++) {
    positions[i] = position;
    position += readUint32(table, i * ROW_BYTES);
    checksums[i] = readUint32(table, i * ROW_BYTES + 4);
    codecs[i] = table[i * ROW_BYTES + 8] as number;
  }
  positions[blockCount] = position;
  return { contentBytes, blockBytes, blockCount, positions, checksums, codecs };
}

function isSound(end: Uint8Array): boolean {
  return readUint32(end, 60) === crc32c(end.subarray(0, 60));
}

async function readAt(file: DiskFile, position: number, sizeBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes);
  return bytes.subarray(0, await file.read(bytes, position));
}
