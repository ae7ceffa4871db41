/**
 * Chunk: an immutable file of batches sorted by partition, made of closed journal files by sealing. A large partition has
 * chunks of its own; small ones share one, a pack. The format is the same.
 *
 * Big-endian. `header | frames | directory | rows | trailer`. Byte layout: docs/formats.md, "Chunk".
 *
 * Header, 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d52434b` `MRCK` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 8 | u64 | chunk | number of this chunk, from 1 |
 * | 16 | 44 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * Frames: whole batches of one partition back to back, verbatim, up to 128 KiB or one batch; frames without gaps, by
 * partition number, then offset. Each batch has the CRC-32C of its producer, and what that does not cover follows from the
 * rows.
 *
 * Directory, 48 bytes for each partition, by number:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | partition | partition number |
 * | 4 | 4 | u32 | firstRow | its first row |
 * | 8 | 4 | u32 | rowCount | its rows |
 * | 12 | 4 | - | reserved | zero |
 * | 16 | 8 | i64 | baseOffset | first offset |
 * | 24 | 8 | i64 | endOffset | exclusive |
 * | 32 | 8 | i64 | maxTimestamp | largest timestamp, milliseconds; -1 where batches have none |
 * | 40 | 8 | i64 | sizeBytes | of its frames |
 *
 * Rows, 24 bytes for each frame: as in index files (`index-file.ts`), `position` in the chunk.
 *
 * Trailer, the last 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d524345` `MRCE` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 8 | u64 | chunk | number of this chunk |
 * | 16 | 8 | u64 | directoryPosition | where the frames end |
 * | 24 | 4 | u32 | partitionCount | entries of the directory |
 * | 28 | 4 | u32 | rowCount | rows |
 * | 32 | 4 | u32 | footerChecksum | CRC-32C of directory and rows |
 * | 36 | 24 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * To evolve: new version byte, a reader for both, a fixture of the old one under test/golden.
 */
import { readInt64, readUint32, writeInt64, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { chunkFile } from './file-number.ts';
import type { FileRange } from './file-ranges.ts';
import { INDEX_ROW_BYTES } from './index-file.ts';

const HEADER_MAGIC = 0x4d52434b;
const TRAILER_MAGIC = 0x4d524345;
const VERSION = 1;
export const CHUNK_HEADER_BYTES = 64;
export const CHUNK_ENTRY_BYTES = 48;
export const CHUNK_TRAILER_BYTES = 64;

export interface ChunkEntry {
  readonly partition: number;
  readonly range: FileRange;
}

/** What the trailer says: where everything stands. */
export interface ChunkFooter {
  readonly directoryPosition: number;
  readonly partitionCount: number;
  readonly rowCount: number;
  readonly footerChecksum: number;
}

export function encodeChunkHeader(chunk: number): Uint8Array {
  const bytes = new Uint8Array(CHUNK_HEADER_BYTES);
  writeUint32(bytes, 0, HEADER_MAGIC);
  bytes[4] = VERSION;
  writeInt64(bytes, 8, chunk);
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
  return bytes;
}

/** What is wrong with the first 64 bytes of a chunk, or nothing. */
export function chunkHeaderFault(bytes: Uint8Array, chunk: number): string | undefined {
  return endFault(bytes, HEADER_MAGIC, chunk, 'header');
}

/**
 * @param trailer the last 64 bytes of the file.
 * @param sizeBytes length of the file.
 * @returns the footer's place, or what is wrong.
 */
export function decodeChunkTrailer(trailer: Uint8Array, chunk: number, sizeBytes: number): ChunkFooter | string {
  const fault = endFault(trailer, TRAILER_MAGIC, chunk, 'trailer');
  if (fault !== undefined) return fault;
  const footer: ChunkFooter = {
    directoryPosition: readInt64(trailer, 16),
    partitionCount: readUint32(trailer, 24),
    rowCount: readUint32(trailer, 28),
    footerChecksum: readUint32(trailer, 32),
  };
  const expected = footer.directoryPosition + footerBytesOf(footer) + CHUNK_TRAILER_BYTES;
  return expected === sizeBytes ? footer : `it has ${sizeBytes} bytes, its trailer asks for ${expected}`;
}

/** Length of directory and rows. */
export function footerBytesOf({ partitionCount, rowCount }: ChunkFooter): number {
  return partitionCount * CHUNK_ENTRY_BYTES + rowCount * INDEX_ROW_BYTES;
}

/** Where the rows begin in the file. */
export function rowsPosition(footer: ChunkFooter): number {
  return footer.directoryPosition + footer.partitionCount * CHUNK_ENTRY_BYTES;
}

/** @param bytes directory and rows. */
export function chunkFooterFault(bytes: Uint8Array, footer: ChunkFooter): string | undefined {
  return crc32c(bytes) === footer.footerChecksum ? undefined : 'the checksum of its directory and rows is wrong';
}

export function decodeChunkEntry(bytes: Uint8Array, position: number, chunk: number): ChunkEntry {
  return {
    partition: readUint32(bytes, position),
    range: {
      file: chunkFile(chunk),
      firstRow: readUint32(bytes, position + 4),
      rowCount: readUint32(bytes, position + 8),
      baseOffset: readInt64(bytes, position + 16),
      endOffset: readInt64(bytes, position + 24),
      maxTimestamp: readInt64(bytes, position + 32),
      sizeBytes: readInt64(bytes, position + 40),
    },
  };
}

export function encodeChunkEntry(bytes: Uint8Array, at: number, partition: number, range: FileRange): void {
  writeUint32(bytes, at, partition);
  writeUint32(bytes, at + 4, range.firstRow);
  writeUint32(bytes, at + 8, range.rowCount);
  writeInt64(bytes, at + 16, range.baseOffset);
  writeInt64(bytes, at + 24, range.endOffset);
  writeInt64(bytes, at + 32, range.maxTimestamp);
  writeInt64(bytes, at + 40, range.sizeBytes);
}

export function encodeChunkTrailer(bytes: Uint8Array, chunk: number, footer: ChunkFooter): void {
  writeUint32(bytes, 0, TRAILER_MAGIC);
  bytes[4] = VERSION;
  writeInt64(bytes, 8, chunk);
  writeInt64(bytes, 16, footer.directoryPosition);
  writeUint32(bytes, 24, footer.partitionCount);
  writeUint32(bytes, 28, footer.rowCount);
  writeUint32(bytes, 32, footer.footerChecksum);
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
}

function endFault(bytes: Uint8Array, magic: number, chunk: number, what: string): string | undefined {
  if (bytes.length < CHUNK_HEADER_BYTES) return `${bytes.length} bytes are fewer than its ${what}`;
  if (readUint32(bytes, 0) !== magic || bytes[4] !== VERSION) return `its ${what} is not that of a chunk of version 1`;
  if (readUint32(bytes, 60) !== crc32c(bytes.subarray(0, 60))) return `the checksum of its ${what} is wrong`;
  return readInt64(bytes, 8) === chunk ? undefined : `its ${what} names chunk ${readInt64(bytes, 8)}`;
}
