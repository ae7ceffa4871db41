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
import { mappedBytes, mappedNumbers } from '../base/mapped-bytes.ts';
import type { BatchRun } from '../journal/journal.ts';
import { BATCH_HEADER_BYTES, maxTimestamp } from '../model/record-batch.ts';
import { MAX_MERGED_EXTENT_BYTES } from './extent-list.ts';
import { PackedRanges } from './packed-ranges.ts';

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
  readonly ranges: PackedRanges;
}

/** In pieces of 512 KiB, so that nothing is copied while there come more: half a million are 16 MB. */
const SEGMENT_ROWS = 16 * 1024;
/** Numbers of a row. */
const WIDE = 2;
const NARROW = 4;

/** Gathered rows, in journal order: base offset and max timestamp; partition, offsets covered, position and length in bytes. */
class Segment {
  readonly wide: Float64Array;
  readonly narrow: Uint32Array;

  constructor() {
    const wideBytes = SEGMENT_ROWS * WIDE * Float64Array.BYTES_PER_ELEMENT;
    const { buffer } = mappedBytes(wideBytes + SEGMENT_ROWS * NARROW * Uint32Array.BYTES_PER_ELEMENT);
    this.wide = new Float64Array(buffer, 0, SEGMENT_ROWS * WIDE);
    this.narrow = new Uint32Array(buffer, wideBytes, SEGMENT_ROWS * NARROW);
  }
}

/** Collects the runs of one journal file, in journal order, as a scan shows them (`src/journal/file-scan.ts`). */
export class IndexBuilder {
  readonly #file: number;
  readonly #segments: Segment[] = [];
  #rowCount = 0;
  /** By partition: one more than its last row; 0: it has none. */
  #lastRows = new Uint32Array(1024);

  constructor(file: number) {
    this.#file = file;
  }

  /**
   * @param run its `bytes` are only the batch headers, back to back.
   * @param sizeBytes length of the run itself.
   */
  add(run: BatchRun, sizeBytes: number): void {
    const { partition, baseOffset, position } = run;
    let latest = -1;
    for (let at = 0; at < run.bytes.length; at += BATCH_HEADER_BYTES) {
      latest = Math.max(latest, maxTimestamp(run.bytes, at));
    }
    if (partition >= this.#lastRows.length) this.#lastRows = enlarged(this.#lastRows, partition + 1);
    const last = this.#lastRows[partition] as number;
    if (last > 0 && this.#extend(last - 1, run.offsetCount, position, sizeBytes, latest)) return;
    const row = this.#rowCount % SEGMENT_ROWS;
    if (row === 0) this.#segments.push(new Segment());
    const { wide, narrow } = this.#segments.at(-1) as Segment;
    wide[row * WIDE] = baseOffset;
    wide[row * WIDE + 1] = latest;
    narrow[row * NARROW] = partition;
    narrow[row * NARROW + 1] = run.offsetCount;
    narrow[row * NARROW + 2] = position;
    narrow[row * NARROW + 3] = sizeBytes;
    this.#rowCount += 1;
    this.#lastRows[partition] = this.#rowCount;
  }

  /**
   * Once, at the end.
   *
   * @param gathered told when what was gathered is garbage, and the ranges are not yet there.
   */
  build(gathered: () => void = () => undefined): BuiltIndex {
    const bytes = mappedBytes(INDEX_HEADER_BYTES + this.#rowCount * INDEX_ROW_BYTES);
    const { endRows, rangeCount } = this.#sort(bytes);
    this.#segments.length = 0;
    gathered();
    encodeHeader(bytes, this.#file, this.#rowCount);
    return { bytes, ranges: this.#rangesOf(bytes, endRows, rangeCount) };
  }

  /**
   * Rows into their places. Of each partition, what follows its last row, and, in place of the number of that row, how many offsets it
   * covers: all that the rows do not say.
   */
  #sort(bytes: Uint8Array): { endRows: Uint32Array; rangeCount: number } {
    const { nextRows, rangeCount } = this.#layOut();
    const lastOffsetCounts = this.#lastRows;
    for (let i = 0; i < this.#rowCount; i++) {
      const { wide, narrow } = this.#segmentOf(i);
      const [w, n] = [(i % SEGMENT_ROWS) * WIDE, (i % SEGMENT_ROWS) * NARROW];
      const partition = narrow[n] as number;
      const place = nextRows[partition] as number;
      nextRows[partition] = place + 1;
      lastOffsetCounts[partition] = narrow[n + 1] as number;
      const [baseOffset, latest] = [wide[w] as number, wide[w + 1] as number];
      const [position, sizeBytes] = [narrow[n + 2] as number, narrow[n + 3] as number];
      encodeRow(bytes, INDEX_HEADER_BYTES + place * INDEX_ROW_BYTES, baseOffset, position, sizeBytes, latest);
    }
    return { endRows: nextRows, rangeCount };
  }

  /** Where the rows of each partition begin. */
  #layOut(): { nextRows: Uint32Array; rangeCount: number } {
    const counts = mappedNumbers(Uint32Array, this.#lastRows.length);
    for (let row = 0; row < this.#rowCount; row++) {
      const partition = this.#segmentOf(row).narrow[(row % SEGMENT_ROWS) * NARROW] as number;
      counts[partition] = (counts[partition] as number) + 1;
    }
    const nextRows = counts;
    let rangeCount = 0;
    let row = 0;
    for (let partition = 0; partition < counts.length; partition++) {
      const rowCount = counts[partition] as number;
      if (rowCount > 0) rangeCount += 1;
      nextRows[partition] = row;
      row += rowCount;
    }
    return { nextRows, rangeCount };
  }

  #rangesOf(bytes: Uint8Array, endRows: Uint32Array, rangeCount: number): PackedRanges {
    const ranges = new PackedRanges(this.#file, rangeCount);
    let firstRow = 0;
    let index = 0;
    for (let partition = 0; partition < endRows.length; partition++) {
      const rowCount = (endRows[partition] as number) - firstRow;
      if (rowCount === 0) continue;
      let latest = -1;
      let sizeBytes = 0;
      const first = INDEX_HEADER_BYTES + firstRow * INDEX_ROW_BYTES;
      const last = first + (rowCount - 1) * INDEX_ROW_BYTES;
      for (let at = first; at <= last; at += INDEX_ROW_BYTES) {
        sizeBytes += readUint32(bytes, at + 12);
        latest = Math.max(latest, readInt64(bytes, at + 16));
      }
      const endOffset = readInt64(bytes, last) + (this.#lastRows[partition] as number);
      ranges.set(index, partition, {
        baseOffset: readInt64(bytes, first),
        endOffset,
        firstRow,
        rowCount,
        maxTimestamp: latest,
        sizeBytes,
      });
      firstRow += rowCount;
      index += 1;
    }
    return ranges;
  }

  /** What touches the partition's last row becomes part of it, as in `ExtentList`. */
  #extend(row: number, offsetCount: number, position: number, sizeBytes: number, latest: number): boolean {
    const { wide, narrow } = this.#segmentOf(row);
    const [w, n] = [(row % SEGMENT_ROWS) * WIDE, (row % SEGMENT_ROWS) * NARROW];
    const lastBytes = narrow[n + 3] as number;
    if ((narrow[n + 2] as number) + lastBytes !== position || lastBytes + sizeBytes > MAX_MERGED_EXTENT_BYTES)
      return false;
    narrow[n + 1] = (narrow[n + 1] as number) + offsetCount;
    narrow[n + 3] = lastBytes + sizeBytes;
    if (latest > (wide[w + 1] as number)) wide[w + 1] = latest;
    return true;
  }

  #segmentOf(row: number): Segment {
    return this.#segments[Math.floor(row / SEGMENT_ROWS)] as Segment;
  }
}

function enlarged(numbers: Uint32Array<ArrayBuffer>, least: number): Uint32Array<ArrayBuffer> {
  const larger = mappedNumbers(Uint32Array, Math.max(least, numbers.length * 2));
  larger.set(numbers);
  return larger;
}

/** Chunks have the same rows. */
export function encodeRow(
  bytes: Uint8Array,
  at: number,
  baseOffset: number,
  position: number,
  sizeBytes: number,
  latest: number,
): void {
  writeInt64(bytes, at, baseOffset);
  writeUint32(bytes, at + 8, position);
  writeUint32(bytes, at + 12, sizeBytes);
  writeInt64(bytes, at + 16, latest);
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

function encodeHeader(bytes: Uint8Array, file: number, rowCount: number): void {
  writeUint32(bytes, 0, MAGIC);
  bytes[4] = VERSION;
  writeInt64(bytes, 8, file);
  writeUint32(bytes, 16, rowCount);
  writeUint32(bytes, 20, crc32c(bytes.subarray(INDEX_HEADER_BYTES)));
  writeUint32(bytes, 60, crc32c(bytes.subarray(0, 60)));
}
