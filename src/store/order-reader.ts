/**
 * Reads one order file after the other (`order-file.ts`), and the batches from where they stand now. The batches of a
 * partition lie side by side there, so they are read ahead: a commit of a hundred small entries is not a hundred reads.
 */
import type { CommitNumber } from '../journal/journal.ts';
import type { CommitRow, CommitSource, CommitStep } from './commit-source.ts';
import { type FileHandles, isMissingFile } from './file-handles.ts';
import {
  decodeOrderBlock,
  decodeOrderRows,
  ORDER_BLOCK_BYTES,
  ORDER_HEADER_BYTES,
  type OrderHeader,
  type OrderRow,
} from './order-file.ts';
import { damagedOrder, type OrderFiles } from './order-files.ts';
import type { RunReader } from './run-reader.ts';

export interface OrderReaderOptions {
  readonly files: OrderFiles;
  readonly handles: FileHandles;
  readonly runs: RunReader;
  readonly orderFile: (file: number) => string;
}

/** Of an entry that has no batches to be read. */
export const NO_ROW: CommitRow = { partition: -1, baseOffset: 0, offsetCount: 0 };
export const NO_BYTES = new Uint8Array(0);

export class OrderReader implements CommitSource {
  readonly bodyStart = 0;
  bodyBytes = 0;
  readonly #options: OrderReaderOptions;
  #header: OrderHeader | undefined;
  /** Blocks of the file that were not read yet, and where the next one stands. */
  #blocksLeft = 0;
  #position = 0;
  /** Rows of the block, from `#at` on those of the current commit and later ones. */
  #rows: readonly OrderRow[] = [];
  #at = 0;
  /** Rows of the current commit; they may have come from two blocks. */
  #commitRows: OrderRow[] = [];
  #rowAt = 0;
  #row: OrderRow | undefined;
  /** Last commit that was shown, or passed by. */
  #passed: CommitNumber = 0;

  constructor(options: OrderReaderOptions) {
    this.#options = options;
  }

  get commit(): CommitNumber {
    return this.#passed;
  }

  get rowCount(): number {
    return (this.#commitRows.at(-1)?.entry ?? -1) + 1;
  }

  async seek(commit: CommitNumber): Promise<boolean> {
    const header = this.#options.files.from(commit);
    if (header === undefined) return false;
    this.#open(header);
    this.#passed = commit - 1;
    return true;
  }

  /** `end`: no order file has a later commit. */
  async next(): Promise<CommitStep> {
    while (!(await this.#nextInFile())) {
      const header = this.#options.files.from(Math.max(this.#passed, this.#header?.lastCommit ?? 0) + 1);
      if (header === undefined) return 'end';
      this.#open(header);
    }
    return 'commit';
  }

  /** All commits up to here are passed when `next` says `end`. */
  get lastCommit(): CommitNumber {
    return Math.max(this.#passed, this.#header?.lastCommit ?? 0);
  }

  row(index: number): CommitRow {
    const rows = this.#commitRows;
    while (this.#rowAt < rows.length && (rows[this.#rowAt] as OrderRow).entry < index) this.#rowAt += 1;
    const row = rows[this.#rowAt];
    this.#row = row?.entry === index ? row : undefined;
    return this.#row ?? NO_ROW;
  }

  async body(): Promise<Uint8Array> {
    const body = this.#row === undefined ? NO_BYTES : await this.#options.runs.read(this.#row);
    this.bodyBytes = body.length;
    return body;
  }

  release(): void {
    this.#options.runs.release();
  }

  #open(header: OrderHeader): void {
    this.#header = header;
    this.#blocksLeft = header.blockCount;
    this.#position = ORDER_HEADER_BYTES;
    this.#rows = [];
    this.#at = 0;
    this.#commitRows = [];
  }

  /** Moves to the next commit of the file; false where it has no other, or is gone. */
  async #nextInFile(): Promise<boolean> {
    this.#commitRows = [];
    this.#rowAt = 0;
    for (;;) {
      if (this.#at === this.#rows.length && !(await this.#nextBlock())) break;
      const row = this.#rows[this.#at] as OrderRow;
      if (this.#commitRows.length > 0 && row.commit !== this.#commitRows[0]?.commit) break;
      this.#at += 1;
      if (row.commit > this.#passed || this.#commitRows.length > 0) this.#commitRows.push(row);
    }
    const [first] = this.#commitRows;
    if (first !== undefined) this.#passed = first.commit;
    return first !== undefined;
  }

  async #nextBlock(): Promise<boolean> {
    const file = this.#header?.file;
    if (file === undefined || this.#blocksLeft === 0) return false;
    const { handles, orderFile } = this.#options;
    const path = orderFile(file);
    try {
      const head = new Uint8Array(ORDER_BLOCK_BYTES);
      await handles.read(path, head, this.#position);
      const block = decodeOrderBlock(head);
      if (typeof block === 'string') throw damagedOrder(path, block);
      const stored = new Uint8Array(block.storedBytes);
      await handles.read(path, stored, this.#position + ORDER_BLOCK_BYTES);
      const rows = decodeOrderRows(head, stored);
      if (typeof rows === 'string') throw damagedOrder(path, rows);
      this.#rows = rows;
      this.#at = 0;
      this.#blocksLeft -= 1;
      this.#position += ORDER_BLOCK_BYTES + block.storedBytes;
      return true;
    } catch (error) {
      // Nothing in it can be read any more: it was removed.
      if (!isMissingFile(error)) throw error;
      this.#blocksLeft = 0;
      return false;
    }
  }
}
