/**
 * Index of a closed journal file: its extents, sorted by partition and offset. Written once, beside the journal file;
 * memory keeps one `FileRange` a partition that has data in the file.
 *
 * Byte layout (big-endian): docs/formats.md, "Index file".
 *
 * Header, 64 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 4 | u32 | magic | `0x4d524958` `MRIX` |
 * | 4 | 1 | u8 | version | 1 |
 * | 5 | 3 | - | reserved | zero |
 * | 8 | 8 | u64 | file | number of the journal file |
 * | 16 | 4 | u32 | rowCount | rows that follow |
 * | 20 | 4 | u32 | rowsChecksum | CRC-32C of all rows |
 * | 24 | 36 | - | reserved | zero |
 * | 60 | 4 | u32 | checksum | CRC-32C of bytes 0 to 59 |
 *
 * Row, 24 bytes:
 *
 * | position | size | type | name | meaning |
 * |---|---|---|---|---|
 * | 0 | 8 | i64 | baseOffset | first offset of the extent |
 * | 8 | 4 | u32 | position | byte position in the journal file |
 * | 12 | 4 | u32 | sizeBytes | length of the extent |
 * | 16 | 8 | i64 | maxTimestamp | largest timestamp in it, milliseconds; -1 where batches have none |
 *
 * To evolve: new version byte, a reader for both, a fixture of the old one under test/golden.
 */
import { readInt64, readUint32, writeInt64, writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { MillraceError } from '../base/errors.ts';
import type { FileRange } from './file-ranges.ts';
import type { Partition } from './partition.ts';

const MAGIC = 0x4d524958;
const VERSION = 1;
export const INDEX_HEADER_BYTES = 64;
export const INDEX_ROW_BYTES = 24;

export interface IndexRow {
  readonly baseOffset: number;
  readonly position: number;
  readonly sizeBytes: number;
  readonly maxTimestamp: number;
}

export interface BuiltIndex {
  readonly bytes: Uint8Array;
  /** By partition number; what `Partition.indexed` takes in. */
  readonly ranges: readonly { readonly partition: number; readonly range: FileRange }[];
}

/** Encodes the extents that the partitions have in `file`, which must be their oldest one without an index. */
export function buildIndex(file: number, partitions: Iterable<Partition>): BuiltIndex {
  const withData = [...partitions].filter((partition) => partition.extents?.file(0) === file);
  withData.sort((a, b) => a.number - b.number);
  const counts = withData.map((partition) => rowsIn(partition, file));
  const rowCount = counts.reduce((sum, count) => sum + count, 0);
  const bytes = new Uint8Array(INDEX_HEADER_BYTES + rowCount * INDEX_ROW_BYTES);
  const ranges: { partition: number; range: FileRange }[] = [];
  let row = 0;
  for (const [at, partition] of withData.entries()) {
    const range = encodeRows(bytes, row, partition, file, counts[at] as number);
    ranges.push({ partition: partition.number, range });
    row += range.rowCount;
  }
  encodeHeader(bytes, file, rowCount);
  return { bytes, ranges };
}

export function decodeRow(bytes: Uint8Array, position: number): IndexRow {
  return {
    baseOffset: readInt64(bytes, position),
    position: readUint32(bytes, position + 8),
    sizeBytes: readUint32(bytes, position + 12),
    maxTimestamp: readInt64(bytes, position + 16),
  };
}

/** Checks a whole index file. @throws STORE_CORRUPT, naming the path and the fault. */
export function checkIndex(bytes: Uint8Array, file: number, path: string): void {
  const fault = indexFault(bytes, file);
  if (fault === undefined) return;
  throw new MillraceError('STORE_CORRUPT', `Index file ${path} is damaged: ${fault}. Remove it: it is built again.`, {
    details: { path, file },
  });
}

function indexFault(bytes: Uint8Array, file: number): string | undefined {
  if (bytes.length < INDEX_HEADER_BYTES) return `${bytes.length} bytes are fewer than its header`;
  if (readUint32(bytes, 0) !== MAGIC || bytes[4] !== VERSION) return 'it does not begin as an index file of version 1';
  if (readUint32(bytes, 60) !== crc32c(bytes.subarray(0, 60))) return 'the checksum of its header is wrong';
  if (readInt64(bytes, 8) !== file) return `it belongs to journal file ${readInt64(bytes, 8)}`;
  const rows = bytes.subarray(INDEX_HEADER_BYTES);
  if (readUint32(bytes, 16) * INDEX_ROW_BYTES !== rows.length) return 'its length does not fit its row count';
  return readUint32(bytes, 20) === crc32c(rows) ? undefined : 'the checksum of its rows is wrong';
}

function rowsIn(partition: Partition, file: number): number {
  const extents = partition.extents;
  let count = 0;
  while (count < (extents?.count ?? 0) && extents?.file(count) === file) count += 1;
  return count;
}

function encodeRows(
  bytes: Uint8Array,
  firstRow: number,
  partition: Partition,
  file: number,
  rowCount: number,
): FileRange {
  const extents = partition.extents;
  if (extents === undefined) throw new TypeError('a partition without extents has no rows');
  let maxTimestamp = -1;
  for (let i = 0; i < rowCount; i++) {
    const at = INDEX_HEADER_BYTES + (firstRow + i) * INDEX_ROW_BYTES;
    writeInt64(bytes, at, extents.baseOffset(i));
    writeUint32(bytes, at + 8, extents.position(i));
    writeUint32(bytes, at + 12, extents.sizeBytes(i));
    writeInt64(bytes, at + 16, extents.maxTimestamp(i));
    maxTimestamp = Math.max(maxTimestamp, extents.maxTimestamp(i));
  }
  const endOffset = rowCount < extents.count ? extents.baseOffset(rowCount) : partition.endOffset;
  return { file, baseOffset: extents.baseOffset(0), endOffset, firstRow, rowCount, maxTimestamp };
}

function encodeHeader(bytes: Uint8Array, file: number, rowCount: number): void {
  writeUint32(bytes, 0, MAGIC);
  bytes[4] = VERSION;
  writeInt64(bytes, 8, file);
  writeUint32(bytes, 16, rowCount);
  writeUint32(bytes, 20, crc32c(bytes.subarray(INDEX_HEADER_BYTES)));
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
}
