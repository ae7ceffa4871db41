/**
 * Walks a closed, durable journal file and shows its entries without reading the bodies of large batches: headers,
 * tables, commands and batch headers only. For folding, not for checking: recovery and `verify.ts` check every byte.
 */
import { crc32c } from '../base/crc32c.ts';
import type { MillraceError } from '../base/errors.ts';
import { BATCH_HEADER_BYTES, baseOffset, batchSizeBytes, lastOffsetDelta } from '../model/record-batch.ts';
import {
  COMMIT_HEADER_BYTES,
  commitBytes,
  decodeCommitHeader,
  decodeRow,
  emptyHeader,
  emptyRow,
  headerChecksum,
  KIND_COMMAND,
  ROW_BYTES,
  tableOffset,
} from './commit.ts';
import type { Disk, DiskFile } from './disk.ts';
import { FILE_HEADER_BYTES } from './file-header.ts';
import type { BatchRun, CommitNumber } from './journal.ts';
import { corrupt } from './journal-errors.ts';

export interface ScanVisitor {
  /** `run.bytes` are the headers (61 bytes each) of the run's batches; `sizeBytes` is the length of the run itself. */
  batchHeaders(run: BatchRun, sizeBytes: number): void;
  command(type: number, body: Uint8Array, commit: CommitNumber): void;
}

export interface ScanEnd {
  readonly commit: CommitNumber;
  readonly checksum: number;
}

/** Small batches are read in blocks of this size. */
const BLOCK_BYTES = 128 * 1024;
/** Where bodies are larger than this, only so much is read behind each: headers are what is wanted. */
const LEAST_BYTES = 4 * 1024;
/** Blocks grow so fast while one follows the other. */
const GROWTH = 4;

/**
 * @param endPosition size of the file's commits and header in bytes; nothing behind it is read.
 * @returns the last commit and its checksum; commit 0 when there is none.
 * @throws JOURNAL_CORRUPT naming the place.
 */
export async function scanFile(
  disk: Disk,
  path: string,
  file: number,
  endPosition: number,
  visitor: ScanVisitor,
): Promise<ScanEnd> {
  const handle = await disk.open(path, 'read');
  try {
    return await new FileScan(handle, path, file, visitor).run(endPosition);
  } finally {
    await handle.close();
  }
}

class FileScan {
  readonly #reader: BlockReader;
  readonly #path: string;
  readonly #file: number;
  readonly #visitor: ScanVisitor;
  readonly #header = emptyHeader();
  readonly #row = emptyRow();
  /** Of the commit that is scanned: what is read is there until the next read alone. */
  readonly #head = new Uint8Array(COMMIT_HEADER_BYTES);
  #table = new Uint8Array(ROW_BYTES);
  /** Of the commit that is scanned, for errors. */
  #at = FILE_HEADER_BYTES;
  #last: ScanEnd = { commit: 0, checksum: 0 };

  constructor(handle: DiskFile, path: string, file: number, visitor: ScanVisitor) {
    this.#reader = new BlockReader(handle, (position) => this.#fault(`the file ends at ${position}`));
    this.#path = path;
    this.#file = file;
    this.#visitor = visitor;
  }

  async run(endPosition: number): Promise<ScanEnd> {
    const header = this.#header;
    while (this.#at < endPosition) {
      const table = await this.#begin(endPosition);
      await this.#entries(table);
      this.#last = { commit: header.commit, checksum: header.checksum };
      this.#at += commitBytes(header.bodyBytes, header.entryCount);
    }
    return this.#last;
  }

  /** Reads and checks the header of the commit, and its table. */
  async #begin(endPosition: number): Promise<Uint8Array> {
    const header = this.#header;
    const left = endPosition - this.#at;
    if (left < COMMIT_HEADER_BYTES) throw this.#fault(`${left} bytes are too few for a commit header`);
    const head = this.#head;
    head.set(await this.#reader.bytes(this.#at, COMMIT_HEADER_BYTES));
    const fault = decodeCommitHeader(head, 0, header);
    if (fault !== undefined) throw this.#fault(fault);
    // Before anything of that size is read: until the checksum is known to be right it may be any number.
    const size = commitBytes(header.bodyBytes, header.entryCount);
    if (size > left) throw this.#fault(`the commit has ${size} bytes, the file ends after ${left}`);
    const tableAt = this.#at + tableOffset(header.bodyBytes);
    const table = this.#tableOf(header.entryCount * ROW_BYTES);
    table.set(await this.#reader.bytes(tableAt, table.length));
    if (headerChecksum(head, 0, table) !== header.checksum) throw this.#fault('wrong header checksum');
    const { commit, checksum } = this.#last;
    if (commit > 0 && (header.commit !== commit + 1 || header.previousChecksum !== checksum)) {
      throw this.#fault(`it does not continue commit ${commit}`);
    }
    return table;
  }

  #tableOf(sizeBytes: number): Uint8Array {
    if (sizeBytes > this.#table.length) this.#table = new Uint8Array(Math.max(sizeBytes, this.#table.length * 2));
    return this.#table.subarray(0, sizeBytes);
  }

  async #entries(table: Uint8Array): Promise<void> {
    const header = this.#header;
    const row = this.#row;
    let body = this.#at + COMMIT_HEADER_BYTES;
    const end = body + header.bodyBytes;
    for (let i = 0; i < header.entryCount; i++) {
      decodeRow(table, i * ROW_BYTES, row);
      if (body + row.bytes > end) throw this.#fault('entries longer than the bodies');
      if (row.kind === KIND_COMMAND) {
        const bytes = await this.#reader.bytes(body, row.bytes);
        if (crc32c(bytes) !== row.checksumOrCount)
          throw this.#fault(`wrong checksum of command ${row.command} at ${body}`);
        this.#visitor.command(row.command, bytes, header.commit);
      } else {
        const run: BatchRun = {
          partition: row.partition,
          baseOffset: row.baseOffset,
          offsetCount: row.checksumOrCount,
          bytes: await this.#batchHeaders(body),
          file: this.#file,
          position: body,
          commit: header.commit,
          committedAt: header.createdAt,
        };
        this.#visitor.batchHeaders(run, row.bytes);
      }
      body += row.bytes;
    }
  }

  /** The headers of the run's batches, back to back. */
  async #batchHeaders(position: number): Promise<Uint8Array> {
    const reader = this.#reader;
    const { bytes: sizeBytes, checksumOrCount: offsetCount, baseOffset: firstOffset } = this.#row;
    const headers: Uint8Array[] = [];
    let offset = firstOffset;
    for (let at = position; at < position + sizeBytes; ) {
      // The block is used synchronously as long as it lasts: a run may have thousands of small batches.
      const view = reader.now(at, BATCH_HEADER_BYTES) ?? (await reader.bytes(at, BATCH_HEADER_BYTES));
      const size = batchSizeBytes(view, 0);
      if (size < BATCH_HEADER_BYTES || at + size > position + sizeBytes)
        throw this.#fault(`a batch of ${size} bytes at ${at}`);
      const delta = lastOffsetDelta(view, 0);
      if (baseOffset(view, 0) !== offset || delta < 0)
        throw this.#fault(`a batch that is not of offset ${offset} at ${at}`);
      headers.push(Uint8Array.prototype.slice.call(view));
      offset += delta + 1;
      at += size;
    }
    if (offset !== firstOffset + offsetCount)
      throw this.#fault(`batches that end before offset ${firstOffset + offsetCount}`);
    return headers.length === 1 ? (headers[0] as Uint8Array) : Buffer.concat(headers);
  }

  #fault(problem: string): MillraceError {
    const commit = this.#header.commit || this.#last.commit + 1;
    return corrupt(this.#path, this.#at, commit, problem, 'The file was closed and durable.');
  }
}

/**
 * Reads forward through one block of memory, a larger one where the last was used to its end. What it hands out is valid until
 * the next call.
 */
class BlockReader {
  readonly #file: DiskFile;
  #block: Uint8Array = new Uint8Array(BLOCK_BYTES);
  #start = 0;
  #end = 0;
  #blockBytes = LEAST_BYTES;
  readonly #ended: (position: number) => MillraceError;

  /** @param ended makes the error for a file that ends too early. */
  constructor(file: DiskFile, ended: (position: number) => MillraceError) {
    this.#file = file;
    this.#ended = ended;
  }

  now(position: number, sizeBytes: number): Uint8Array | undefined {
    if (position < this.#start || position + sizeBytes > this.#end) return undefined;
    return this.#block.subarray(position - this.#start, position - this.#start + sizeBytes);
  }

  async bytes(position: number, sizeBytes: number): Promise<Uint8Array> {
    const there = this.now(position, sizeBytes);
    if (there !== undefined) return there;
    // Also a little before it: the table stands behind the bodies and is read first.
    const goesOn = position >= this.#start - this.#blockBytes && position <= this.#end + LEAST_BYTES;
    this.#blockBytes = goesOn ? Math.min(BLOCK_BYTES, this.#blockBytes * GROWTH) : LEAST_BYTES;
    if (sizeBytes > this.#block.length) this.#block = new Uint8Array(sizeBytes);
    const into = this.#block.subarray(0, Math.max(sizeBytes, this.#blockBytes));
    // A trip through the thread pool costs twenty times what so few bytes do.
    const count =
      this.#file.readNow !== undefined && into.length <= LEAST_BYTES
        ? this.#file.readNow(into, position)
        : await this.#file.read(into, position);
    this.#start = position;
    this.#end = position + count;
    const view = this.now(position, sizeBytes);
    if (view === undefined) throw this.#ended(this.#end);
    return view;
  }
}
