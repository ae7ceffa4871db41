/**
 * Looks extents up in index files of closed journal files, and frames in chunks. The rows are read and checked whole before
 * the first of them is used. An index that is missing or damaged is built again from its journal file; a chunk has nothing
 * to be built again from.
 */
import { MillraceError } from '../base/errors.ts';
import {
  CHUNK_TRAILER_BYTES,
  chunkFooterFault,
  decodeChunkTrailer,
  footerBytesOf,
  rowsPosition,
} from './chunk-file.ts';
import { type FileHandles, isMissingFile } from './file-handles.ts';
import { type FileNumber, isChunk } from './file-number.ts';
import type { FileRange } from './file-ranges.ts';
import { decodeRow, INDEX_HEADER_BYTES, INDEX_ROW_BYTES, type IndexRow, indexFault } from './index-file.ts';
import type { Piece } from './read-plan.ts';
import type { ReadPaths } from './reader.ts';

/** Rows read at a time: 6 KB, one page cache read either way. */
const BLOCK_ROWS = 256;
/** Looked up at a time: of tiny extents a few MiB are very many. */
const MAX_PIECES = 1024;
/**
 * Read of the end of a chunk at first. The footer of a chunk with few partitions is in it, and a read of so much takes as long as one of a
 * page: from a disk with much to do, ten milliseconds.
 */
const CHUNK_END_BYTES = 16 * 1024;
/** Files whose rows are known to be sound; the one that was checked first goes first. */
const MAX_CHECKED = 16 * 1024;

export class IndexReader {
  readonly #handles: FileHandles;
  readonly #paths: ReadPaths;

  /** Where the rows begin in files whose rows were found sound; a promise: being checked. */
  readonly #checked = new Map<FileNumber, Promise<number> | number>();

  constructor(handles: FileHandles, paths: ReadPaths) {
    this.#handles = handles;
    this.#paths = paths;
  }

  /** Extents of the range from the one that contains `offset`, until they are `maxBytes` together; one at least, 1,024 at most. */
  async pieces(range: FileRange, offset: number, endOffset: number, maxBytes: number): Promise<Piece[]> {
    const first = await this.#search(range, (row) => row.baseOffset <= offset);
    const pieces: Piece[] = [];
    let planned = 0;
    const end = Math.min(range.rowCount, first + MAX_PIECES);
    for (let from = first; from < end && planned < maxBytes; from += BLOCK_ROWS) {
      // One row more than the block: its base is the end of the block's last extent.
      const rows = await this.#rows(range, from, Math.min(BLOCK_ROWS + 1, range.rowCount - from));
      for (let i = 0; i < Math.min(BLOCK_ROWS, rows.length) && planned < maxBytes; i++) {
        const row = rows[i] as IndexRow;
        if (row.baseOffset >= endOffset) return pieces;
        pieces.push({ ...row, file: range.file, endOffset: rows[i + 1]?.baseOffset ?? range.endOffset });
        planned += row.sizeBytes;
      }
    }
    return pieces;
  }

  /** The first extent of the range that ends after offset `from` and whose largest timestamp is at or after the time. */
  async firstAtOrAfter(range: FileRange, timestamp: number, from: number): Promise<Piece | undefined> {
    const first = await this.#search(range, (row) => row.baseOffset <= from);
    for (let at = first; at < range.rowCount; at += BLOCK_ROWS) {
      const rows = await this.#rows(range, at, Math.min(BLOCK_ROWS + 1, range.rowCount - at));
      for (let i = 0; i < Math.min(BLOCK_ROWS, rows.length); i++) {
        const row = rows[i] as IndexRow;
        const endOffset = rows[i + 1]?.baseOffset ?? range.endOffset;
        if (row.maxTimestamp < timestamp || endOffset <= from) continue;
        return { ...row, file: range.file, endOffset };
      }
    }
    return undefined;
  }

  /**
   * Where the largest timestamp of the range may be once records before offset `from` do not count: the extent that
   * contains `from`, whose largest timestamp may be that of a record before it, and the latest of those after it.
   */
  async latest(range: FileRange, from: number): Promise<Piece[]> {
    const first = await this.#search(range, (row) => row.baseOffset <= from);
    let partial: Piece | undefined;
    let best: Piece | undefined;
    for (let at = first; at < range.rowCount; at += BLOCK_ROWS) {
      const rows = await this.#rows(range, at, Math.min(BLOCK_ROWS + 1, range.rowCount - at));
      for (let i = 0; i < Math.min(BLOCK_ROWS, rows.length); i++) {
        const row = rows[i] as IndexRow;
        const piece = { ...row, file: range.file, endOffset: rows[i + 1]?.baseOffset ?? range.endOffset };
        if (piece.baseOffset < from && piece.endOffset > from) partial = piece;
        else if (piece.baseOffset >= from && piece.maxTimestamp > (best?.maxTimestamp ?? -1)) best = piece;
      }
    }
    return [partial, best].filter((piece) => piece !== undefined);
  }

  /** Last row of the range for which `before` holds, which must hold for the first rows and for none after; 0 if none. */
  async #search(range: FileRange, before: (row: IndexRow) => boolean): Promise<number> {
    let low = 0;
    let high = range.rowCount;
    while (high - low > BLOCK_ROWS) {
      const middle = (low + high) >>> 1;
      const [row] = await this.#rows(range, middle, 1);
      if (before(row as IndexRow)) low = middle;
      else high = middle;
    }
    const rows = await this.#rows(range, low, high - low);
    let last = 0;
    while (last + 1 < rows.length && before(rows[last + 1] as IndexRow)) last += 1;
    return low + last;
  }

  async #rows(range: FileRange, from: number, count: number): Promise<IndexRow[]> {
    const checked = this.#checked.get(range.file);
    const rowsAt = typeof checked === 'number' ? checked : await (checked ?? this.#check(range.file));
    const path = this.#pathOf(range.file);
    const bytes = await this.#read(
      range.file,
      rowsAt + (range.firstRow + from) * INDEX_ROW_BYTES,
      count * INDEX_ROW_BYTES,
    );
    const rows: IndexRow[] = [];
    for (let i = 0; i < count; i++) rows.push(decodeRow(bytes, i * INDEX_ROW_BYTES));
    // The checksum was right; this catches a file that changed since, or an index and a checkpoint of two histories.
    const outside = rows.find((row) => !(row.baseOffset >= range.baseOffset && row.baseOffset < range.endOffset));
    if (outside !== undefined) {
      const fault = `a row says offset ${outside.baseOffset}, but ${range.baseOffset} to ${range.endOffset - 1} were indexed`;
      throw isChunk(range.file) ? damagedChunk(path, -range.file, fault) : damaged(path, range.file, fault);
    }
    return rows;
  }

  #pathOf(file: FileNumber): string {
    return isChunk(file) ? this.#paths.chunkFile(-file) : this.#paths.indexFile(file);
  }

  #check(file: FileNumber): Promise<number> {
    const checking = (isChunk(file) ? this.#checkChunk(file) : this.#checkWhole(file)).then(
      (rowsAt) => {
        this.#checked.set(file, rowsAt);
        return rowsAt;
      },
      (error: unknown) => {
        // Not remembered: the cause may go away.
        this.#checked.delete(file);
        throw error;
      },
    );
    this.#checked.set(file, checking);
    // Files that are gone would stay for ever; one that is checked again costs a read of its footer.
    if (this.#checked.size > MAX_CHECKED) this.#checked.delete(this.#checked.keys().next().value as FileNumber);
    return checking;
  }

  async #checkChunk(file: FileNumber): Promise<number> {
    const path = this.#pathOf(file);
    const { bytes, fileBytes } = await this.#readEnd(file, CHUNK_END_BYTES);
    const footer = decodeChunkTrailer(bytes.subarray(-CHUNK_TRAILER_BYTES), -file, fileBytes);
    if (typeof footer === 'string') throw damagedChunk(path, -file, footer);
    const from = footer.directoryPosition - (fileBytes - bytes.length);
    const sizeBytes = footerBytesOf(footer);
    const isAtHand = from >= 0;
    const rows = isAtHand
      ? bytes.subarray(from, from + sizeBytes)
      : await this.#read(file, footer.directoryPosition, sizeBytes);
    const fault = chunkFooterFault(rows, footer);
    if (fault !== undefined) throw damagedChunk(path, -file, fault);
    return rowsPosition(footer);
  }

  async #read(file: FileNumber, position: number, sizeBytes: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(sizeBytes);
    const { cold } = this.#paths;
    const isCold = isChunk(file) && cold?.sizeOf(-file) !== undefined;
    if (isCold) {
      const stretch = { chunk: -file, position, sizeBytes, holds: 'index' } as const;
      await cold.read(stretch, bytes);
    } else await this.#handles.read(this.#pathOf(file), bytes, position);
    return bytes;
  }

  async #readEnd(file: FileNumber, sizeBytes: number): Promise<{ bytes: Uint8Array; fileBytes: number }> {
    const fileBytes = this.#paths.cold?.sizeOf(-file);
    if (fileBytes === undefined) return await this.#handles.readEnd(this.#pathOf(file), sizeBytes);
    const position = Math.max(0, fileBytes - sizeBytes);
    return { bytes: await this.#read(file, position, fileBytes - position), fileBytes };
  }

  async #checkWhole(file: number): Promise<number> {
    const fault = await this.#fault(file);
    if (fault === undefined) return INDEX_HEADER_BYTES;
    const path = this.#paths.indexFile(file);
    if (this.#paths.rebuildIndex === undefined) throw damaged(path, file, fault);
    try {
      await this.#paths.rebuildIndex(file, fault);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // What it would be made of was removed, too: the reader looks anew where its batches are.
      throw new MillraceError('STORE_IO', `${path} and its journal file are not there any more.`, { cause: error });
    }
    this.#handles.forget(path);
    const remaining = await this.#fault(file);
    if (remaining !== undefined) throw damaged(path, file, remaining);
    return INDEX_HEADER_BYTES;
  }

  async #fault(file: number): Promise<string | undefined> {
    try {
      return indexFault(await this.#handles.readWhole(this.#paths.indexFile(file)), file);
    } catch (error) {
      if (isMissingFile(error)) return 'it is missing';
      throw error;
    }
  }
}

function damaged(path: string, file: number, fault: string): MillraceError {
  return new MillraceError(
    'STORE_CORRUPT',
    `Index file ${path} is damaged: ${fault}. Stop the broker and remove the file: it is built again.`,
    { details: { path, file } },
  );
}

function damagedChunk(path: string, chunk: number, fault: string): MillraceError {
  return new MillraceError(
    'STORE_CORRUPT',
    `Chunk ${path} is damaged: ${fault}. Its records cannot be read; everything else can. Run 'millrace verify', and ` +
      'restore the file from a backup.',
    { details: { path, chunk } },
  );
}
