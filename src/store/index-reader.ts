/**
 * Looks extents up in index files of closed journal files. A file is read and checked whole before the first of its rows
 * is used; one that is missing or damaged is built again from its journal file.
 */
import { MillraceError } from '../base/errors.ts';
import type { FileHandles } from './file-handles.ts';
import type { FileRange } from './file-ranges.ts';
import { decodeRow, INDEX_HEADER_BYTES, INDEX_ROW_BYTES, type IndexRow, indexFault } from './index-file.ts';
import type { Piece } from './read-plan.ts';
import type { ReadPaths } from './reader.ts';

/** Rows read at a time: 6 KB, one page cache read either way. */
const BLOCK_ROWS = 256;

export class IndexReader {
  readonly #handles: FileHandles;
  readonly #paths: ReadPaths;

  /** Files whose index was found sound, or is being checked. */
  readonly #checked = new Map<number, Promise<void> | true>();

  constructor(handles: FileHandles, paths: ReadPaths) {
    this.#handles = handles;
    this.#paths = paths;
  }

  /** Extents of the range from the one that contains `offset`, until they are `maxBytes` together; one at least. */
  async pieces(range: FileRange, offset: number, endOffset: number, maxBytes: number): Promise<Piece[]> {
    const first = await this.#search(range, (row) => row.baseOffset <= offset);
    const pieces: Piece[] = [];
    let planned = 0;
    for (let from = first; from < range.rowCount && planned < maxBytes; from += BLOCK_ROWS) {
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
    if (checked !== true) await (checked ?? this.#check(range.file));
    const path = this.#paths.indexFile(range.file);
    const bytes = new Uint8Array(count * INDEX_ROW_BYTES);
    await this.#handles.read(path, bytes, INDEX_HEADER_BYTES + (range.firstRow + from) * INDEX_ROW_BYTES);
    const rows: IndexRow[] = [];
    for (let i = 0; i < count; i++) rows.push(decodeRow(bytes, i * INDEX_ROW_BYTES));
    // The checksum was right; this catches a file that changed since, or an index and a checkpoint of two histories.
    const outside = rows.find((row) => !(row.baseOffset >= range.baseOffset && row.baseOffset < range.endOffset));
    if (outside !== undefined) {
      const fault = `a row says offset ${outside.baseOffset}, but ${range.baseOffset} to ${range.endOffset - 1} were indexed`;
      throw damaged(path, range.file, fault);
    }
    return rows;
  }

  #check(file: number): Promise<void> {
    const checking = this.#checkWhole(file).then(
      () => void this.#checked.set(file, true),
      (error: unknown) => {
        // Not remembered: the cause may go away.
        this.#checked.delete(file);
        throw error;
      },
    );
    this.#checked.set(file, checking);
    return checking;
  }

  async #checkWhole(file: number): Promise<void> {
    const fault = await this.#fault(file);
    if (fault === undefined) return;
    const path = this.#paths.indexFile(file);
    if (this.#paths.rebuildIndex === undefined) throw damaged(path, file, fault);
    await this.#paths.rebuildIndex(file, fault);
    this.#handles.forget(path);
    const remaining = await this.#fault(file);
    if (remaining !== undefined) throw damaged(path, file, remaining);
  }

  async #fault(file: number): Promise<string | undefined> {
    try {
      return indexFault(await this.#handles.readWhole(this.#paths.indexFile(file)), file);
    } catch (error) {
      if (error instanceof MillraceError && isMissing(error.cause)) return 'it is missing';
      throw error;
    }
  }
}

function isMissing(cause: unknown): boolean {
  return (cause as { code?: unknown } | undefined)?.code === 'ENOENT';
}

function damaged(path: string, file: number, fault: string): MillraceError {
  return new MillraceError(
    'STORE_CORRUPT',
    `Index file ${path} is damaged: ${fault}. Stop the broker and remove the file: it is built again.`,
    { details: { path, file } },
  );
}
