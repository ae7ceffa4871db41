/**
 * What a round of sealing reads from: rows of index files and of chunks, each read and checked whole once a round, and the
 * batches themselves.
 */
import { MillraceError } from '../../base/errors.ts';
import { mappedBytes } from '../../base/mapped-bytes.ts';
import type { Disk, DiskFile } from '../../journal/disk.ts';
import { chunkPath, indexPath, journalPath } from '../../journal/paths.ts';
import { readWhole } from '../../journal/whole-file.ts';
import {
  CHUNK_ENTRY_BYTES,
  CHUNK_TRAILER_BYTES,
  chunkFooterFault,
  decodeChunkTrailer,
  footerBytesOf,
} from '../../store/chunk-file.ts';
import { type FileNumber, isChunk } from '../../store/file-number.ts';
import { decodeRow, INDEX_HEADER_BYTES, INDEX_ROW_BYTES, indexFault } from '../../store/index-file.ts';
import { type Piece, planSpans, type Span } from '../../store/read-plan.ts';
import { rebuildIndex } from '../checkpoints/index-repair.ts';
import type { SealPart } from './seal-plan.ts';

/** Rows of so many bytes are kept: a partition in many chunks has its rows in as many files, and its neighbours in the same. */
const KEPT_ROW_BYTES = 32 * 1024 * 1024;

/** So much is read at once in place, where that can be had, and gaps of a quarter of it are skipped: it takes three microseconds. */
const NOW_BYTES = 64 * 1024;
const NOW_GAP_BYTES = 16 * 1024;

/** Spans differ a little in size: the memory of one is to fit the next, since what is mapped anew waits for the collector. */
const MEMORY_STEP_BYTES = 1024 * 1024;

interface Rows {
  readonly bytes: Uint8Array;
  /** Where row 0 stands in `bytes`. */
  readonly start: number;
}

export class SealSources {
  readonly #disk: Disk;
  readonly #directory: string;
  /** The last used behind all others. */
  readonly #rows = new Map<FileNumber, Rows>();
  #rowBytes = 0;
  readonly #handles = new Map<FileNumber, DiskFile>();
  /** Of the span that is looked at, and of the one that is read meanwhile. */
  readonly #memories: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Where the batches of the part stand, in order; those that the log start has left behind are left out. */
  async pieces(part: SealPart): Promise<Piece[]> {
    const pieces: Piece[] = [];
    for (const range of part.ranges) {
      const rows = await this.#rowsOf(range.file);
      for (let i = 0; i < range.rowCount; i++) {
        const at = rows.start + (range.firstRow + i) * INDEX_ROW_BYTES;
        const row = decodeRow(rows.bytes, at);
        const endOffset =
          i + 1 < range.rowCount ? decodeRow(rows.bytes, at + INDEX_ROW_BYTES).baseOffset : range.endOffset;
        if (endOffset > part.logStartOffset) pieces.push({ ...row, file: range.file, endOffset });
      }
    }
    return pieces;
  }

  /** Small pieces that lie apart cost as much as the same bytes in one piece. */
  async readsScattered(file: FileNumber): Promise<boolean> {
    return (await this.#open(file)).readNow !== undefined;
  }

  /**
   * @param pieces in the order of files and positions.
   * @returns spans of them with their bytes, which are valid until the next is asked for.
   * @throws STORE_CORRUPT where a file ends before.
   */
  async *read(pieces: readonly Piece[]): AsyncGenerator<{ readonly span: Span; readonly bytes: Uint8Array }> {
    const [first] = pieces;
    if (first === undefined) return;
    const isScattered = await this.readsScattered(first.file);
    const spans = planSpans(pieces, isScattered ? { maxGapBytes: NOW_GAP_BYTES } : {});
    let reading: Promise<Uint8Array> | undefined;
    try {
      for (const [i, span] of spans.entries()) {
        const bytes = await (reading ?? this.#read(span, i));
        const next = spans[i + 1];
        reading = next === undefined || next.sizeBytes <= NOW_BYTES ? undefined : this.#read(next, i + 1);
        // Whoever comes for it hears of a failure.
        reading?.catch(() => undefined);
        yield { span, bytes };
      }
    } finally {
      // Its file is not closed before it ends.
      await reading?.catch(() => undefined);
    }
  }

  async #read(span: Span, index: number): Promise<Uint8Array> {
    const file = await this.#open(span.file);
    const which = index % 2;
    if ((this.#memories[which] as Uint8Array).length < span.sizeBytes)
      this.#memories[which] = mappedBytes(Math.ceil(span.sizeBytes / MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES);
    const bytes = (this.#memories[which] as Uint8Array).subarray(0, span.sizeBytes);
    const count =
      bytes.length <= NOW_BYTES && file.readNow !== undefined
        ? file.readNow(bytes, span.position)
        : await file.read(bytes, span.position);
    if (count === bytes.length) return bytes;
    throw corrupt(this.#path(span.file), `it ends at ${span.position + count}, inside its batches`);
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
    this.#handles.clear();
    this.#rows.clear();
    this.#rowBytes = 0;
  }

  async #open(file: FileNumber): Promise<DiskFile> {
    const known = this.#handles.get(file);
    if (known !== undefined) return known;
    const handle = await this.#disk.open(this.#path(file), 'read');
    this.#handles.set(file, handle);
    return handle;
  }

  async #rowsOf(file: FileNumber): Promise<Rows> {
    const known = this.#rows.get(file);
    this.#rows.delete(file);
    const rows = known ?? (isChunk(file) ? await this.#loadChunk(file) : await this.#loadIndex(file));
    if (known === undefined) this.#makeRoom(rows.bytes.length);
    this.#rows.set(file, rows);
    return rows;
  }

  #makeRoom(bytes: number): void {
    this.#rowBytes += bytes;
    for (const [file, rows] of this.#rows) {
      if (this.#rowBytes <= KEPT_ROW_BYTES) return;
      this.#rows.delete(file);
      this.#rowBytes -= rows.bytes.length;
    }
  }

  async #loadIndex(file: number): Promise<Rows> {
    const path = indexPath(this.#directory, file);
    let bytes = await readWhole(this.#disk, path, mappedBytes).catch(() => new Uint8Array(0));
    if (indexFault(bytes, file) !== undefined) {
      await rebuildIndex(this.#disk, this.#directory, file);
      bytes = await readWhole(this.#disk, path, mappedBytes);
    }
    const fault = indexFault(bytes, file);
    if (fault !== undefined) throw corrupt(path, fault);
    return { bytes, start: INDEX_HEADER_BYTES };
  }

  async #loadChunk(file: FileNumber): Promise<Rows> {
    const handle = await this.#open(file);
    const sizeBytes = await handle.size();
    const trailer = new Uint8Array(CHUNK_TRAILER_BYTES);
    await handle.read(trailer, Math.max(0, sizeBytes - CHUNK_TRAILER_BYTES));
    const footer = decodeChunkTrailer(trailer, -file, sizeBytes);
    if (typeof footer === 'string') throw corrupt(this.#path(file), footer);
    const bytes = mappedBytes(footerBytesOf(footer));
    await handle.read(bytes, footer.directoryPosition);
    const fault = chunkFooterFault(bytes, footer);
    if (fault !== undefined) throw corrupt(this.#path(file), fault);
    return { bytes, start: footer.partitionCount * CHUNK_ENTRY_BYTES };
  }

  #path(file: FileNumber): string {
    return isChunk(file) ? chunkPath(this.#directory, -file) : journalPath(this.#directory, file);
  }
}

function corrupt(path: string, fault: string): MillraceError {
  return new MillraceError('STORE_CORRUPT', `${path} cannot be sealed: ${fault}.`, { details: { path, fault } });
}
