/**
 * Index of a closed journal file: its extents, sorted by partition and offset. Written beside the journal file; memory
 * keeps one `FileRange` a partition that has data in the file.
 *
 * It follows from the journal file alone, whatever was deleted since: so it can be built again at any time, byte for
 * byte, and the ranges that checkpoints hold stay valid.
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
import type { BatchRun } from '../journal/journal.ts';
import { BATCH_HEADER_BYTES, maxTimestamp } from '../model/record-batch.ts';
import { ExtentList } from './extent-list.ts';
import type { FileRange } from './file-ranges.ts';

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

interface Entry {
  readonly extents: ExtentList;
  /** Exclusive. */
  endOffset: number;
}

/** Collects the runs of one journal file, in journal order, as a scan shows them (`src/journal/file-scan.ts`). */
export class IndexBuilder {
  readonly #file: number;
  readonly #partitions = new Map<number, Entry>();

  constructor(file: number) {
    this.#file = file;
  }

  /**
   * @param run its `bytes` are only the batch headers, back to back.
   * @param sizeBytes length of the run itself.
   */
  add(run: BatchRun, sizeBytes: number): void {
    let entry = this.#partitions.get(run.partition);
    if (entry === undefined) {
      entry = { extents: new ExtentList(), endOffset: 0 };
      this.#partitions.set(run.partition, entry);
    }
    let latest = -1;
    for (let at = 0; at < run.bytes.length; at += BATCH_HEADER_BYTES) {
      latest = Math.max(latest, maxTimestamp(run.bytes, at));
    }
    entry.extents.append(run.baseOffset, this.#file, run.position, sizeBytes, latest);
    entry.endOffset = run.baseOffset + run.offsetCount;
  }

  build(): BuiltIndex {
    const entries = [...this.#partitions].sort(([a], [b]) => a - b);
    const rowCount = entries.reduce((sum, [, { extents }]) => sum + extents.count, 0);
    const bytes = new Uint8Array(INDEX_HEADER_BYTES + rowCount * INDEX_ROW_BYTES);
    let row = 0;
    const ranges = entries.map(([partition, entry]) => {
      const range = encodeRows(bytes, row, entry, this.#file);
      row += range.rowCount;
      return { partition, range };
    });
    encodeHeader(bytes, this.#file, rowCount);
    return { bytes, ranges };
  }
}

/** Row of the extent at `index`. Chunks have the same rows. */
export function encodeRow(bytes: Uint8Array, at: number, extents: ExtentList, index: number): void {
  writeInt64(bytes, at, extents.baseOffset(index));
  writeUint32(bytes, at + 8, extents.position(index));
  writeUint32(bytes, at + 12, extents.sizeBytes(index));
  writeInt64(bytes, at + 16, extents.maxTimestamp(index));
}

export function decodeRow(bytes: Uint8Array, position: number): IndexRow {
  return {
    baseOffset: readInt64(bytes, position),
    position: readUint32(bytes, position + 8),
    sizeBytes: readUint32(bytes, position + 12),
    maxTimestamp: readInt64(bytes, position + 16),
  };
}

/** What is wrong with a whole index file, or nothing. */
export function indexFault(bytes: Uint8Array, file: number): string | undefined {
  const fault = indexHeaderFault(bytes, file, bytes.length);
  if (fault !== undefined) return fault;
  const rows = bytes.subarray(INDEX_HEADER_BYTES);
  return readUint32(bytes, 20) === crc32c(rows) ? undefined : 'the checksum of its rows is wrong';
}

/** The same from its first 64 bytes and its length: what can be told without reading the rows. */
export function indexHeaderFault(header: Uint8Array, file: number, sizeBytes: number): string | undefined {
  if (header.length < INDEX_HEADER_BYTES) return `${header.length} bytes are fewer than its header`;
  if (readUint32(header, 0) !== MAGIC || header[4] !== VERSION)
    return 'it does not begin as an index file of version 1';
  if (readUint32(header, 60) !== crc32c(header.subarray(0, 60))) return 'the checksum of its header is wrong';
  if (readInt64(header, 8) !== file) return `it belongs to journal file ${readInt64(header, 8)}`;
  const expected = INDEX_HEADER_BYTES + readUint32(header, 16) * INDEX_ROW_BYTES;
  return expected === sizeBytes ? undefined : `it has ${sizeBytes} bytes, its row count asks for ${expected}`;
}

function encodeRows(bytes: Uint8Array, firstRow: number, { extents, endOffset }: Entry, file: number): FileRange {
  let latest = -1;
  let sizeBytes = 0;
  for (let i = 0; i < extents.count; i++) {
    encodeRow(bytes, INDEX_HEADER_BYTES + (firstRow + i) * INDEX_ROW_BYTES, extents, i);
    latest = Math.max(latest, extents.maxTimestamp(i));
    sizeBytes += extents.sizeBytes(i);
  }
  const baseOffset = extents.baseOffset(0);
  return { file, baseOffset, endOffset, firstRow, rowCount: extents.count, maxTimestamp: latest, sizeBytes };
}

function encodeHeader(bytes: Uint8Array, file: number, rowCount: number): void {
  writeUint32(bytes, 0, MAGIC);
  bytes[4] = VERSION;
  writeInt64(bytes, 8, file);
  writeUint32(bytes, 16, rowCount);
  writeUint32(bytes, 20, crc32c(bytes.subarray(INDEX_HEADER_BYTES)));
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
}
