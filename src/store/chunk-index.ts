/**
 * Collects where the frames of a chunk stand, in their order; the frames themselves are the caller's. What is collected is the footer
 * already: a pack has some 10,000 partitions, and objects for each would be most of a worker's memory.
 */
import { crc32c } from '../base/crc32c.ts';
import { GrowingBytes } from '../base/growing-bytes.ts';
import {
  CHUNK_ENTRY_BYTES,
  CHUNK_HEADER_BYTES,
  CHUNK_TRAILER_BYTES,
  type ChunkEntry,
  decodeChunkEntry,
  encodeChunkEntry,
  encodeChunkTrailer,
} from './chunk-file.ts';
import { MAX_MERGED_EXTENT_BYTES } from './extent-list.ts';
import { chunkFile } from './file-number.ts';
import type { FileRange } from './file-ranges.ts';
import { decodeRow, encodeRow, INDEX_ROW_BYTES } from './index-file.ts';

export class ChunkIndex {
  readonly #chunk: number;
  readonly #directory = new GrowingBytes();
  readonly #rows = new GrowingBytes();
  #position = CHUNK_HEADER_BYTES;
  /** What the directory says of the last partition, which may still grow; undefined before the first. */
  #last: { readonly partition: number; readonly range: Growing } | undefined;

  constructor(chunk: number) {
    this.#chunk = chunk;
  }

  /** Where the next batches stand. */
  get position(): number {
    return this.#position;
  }

  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** Batches of a partition follow; partitions by number, offsets in order and without gaps. Neighbours become one frame. */
  add(partition: number, baseOffset: number, endOffset: number, sizeBytes: number, maxTimestamp: number): void {
    if (this.#last?.partition !== partition) {
      this.#endPartition();
      const firstRow = this.#rows.sizeBytes / INDEX_ROW_BYTES;
      const range = {
        file: chunkFile(this.#chunk),
        baseOffset,
        endOffset,
        firstRow,
        rowCount: 0,
        maxTimestamp: -1,
        sizeBytes: 0,
      };
      this.#last = { partition, range };
    }
    const { range } = this.#last as { readonly range: Growing };
    if (range.rowCount === 0 || !this.#extendRow(sizeBytes, maxTimestamp)) {
      const at = this.#rows.grow(INDEX_ROW_BYTES);
      encodeRow(this.#rows.bytes, at, baseOffset, this.#position, sizeBytes, maxTimestamp);
      range.rowCount += 1;
    }
    range.endOffset = endOffset;
    range.maxTimestamp = Math.max(range.maxTimestamp, maxTimestamp);
    range.sizeBytes += sizeBytes;
    this.#position += sizeBytes;
  }

  /** What stands behind the frames, and the ranges that find them, by partition. Nothing is added any more. */
  finish(): { readonly footer: readonly Uint8Array[]; readonly entries: Iterable<ChunkEntry> } {
    this.#endPartition();
    const parts = [this.#directory.written, this.#rows.written] as const;
    const trailer = new Uint8Array(CHUNK_TRAILER_BYTES);
    const partitionCount = parts[0].length / CHUNK_ENTRY_BYTES;
    encodeChunkTrailer(trailer, this.#chunk, {
      directoryPosition: this.#position,
      partitionCount,
      rowCount: parts[1].length / INDEX_ROW_BYTES,
      footerChecksum: crc32c(parts[1], crc32c(parts[0])),
    });
    return { footer: [...parts, trailer], entries: entriesOf(parts[0], this.#chunk) };
  }

  /** What touches the partition's last row becomes part of it, as in `ExtentList`: all that follows does. */
  #extendRow(sizeBytes: number, maxTimestamp: number): boolean {
    const { bytes, sizeBytes: end } = this.#rows;
    const at = end - INDEX_ROW_BYTES;
    const row = decodeRow(bytes, at);
    const joined = row.sizeBytes + sizeBytes;
    if (joined > MAX_MERGED_EXTENT_BYTES) return false;
    encodeRow(bytes, at, row.baseOffset, row.position, joined, Math.max(row.maxTimestamp, maxTimestamp));
    return true;
  }

  #endPartition(): void {
    if (this.#last === undefined) return;
    const at = this.#directory.grow(CHUNK_ENTRY_BYTES);
    encodeChunkEntry(this.#directory.bytes, at, this.#last.partition, this.#last.range);
  }
}

/** A range whose end is not known yet. */
type Growing = { -readonly [Name in keyof FileRange]: FileRange[Name] };

function* entriesOf(directory: Uint8Array, chunk: number): Generator<ChunkEntry, void, undefined> {
  for (let at = 0; at < directory.length; at += CHUNK_ENTRY_BYTES) yield decodeChunkEntry(directory, at, chunk);
}
