/**
 * Walks a closed, durable journal file and shows its entries without reading the bodies of large batches: headers,
 * tables, commands and batch headers only. For folding, not for checking: recovery and `verify.ts` check every byte.
 */
import { BATCH_HEADER_BYTES, batchSizeBytes } from '../model/record-batch.ts';
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

/** Small batches are read in blocks of this size; past a large body the next block begins. */
const BLOCK_BYTES = 128 * 1024;

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
    return await scan(new BlockReader(handle), path, file, endPosition, visitor);
  } finally {
    await handle.close();
  }
}

async function scan(
  reader: BlockReader,
  path: string,
  file: number,
  endPosition: number,
  visitor: ScanVisitor,
): Promise<ScanEnd> {
  const header = emptyHeader();
  const row = emptyRow();
  let last: ScanEnd = { commit: 0, checksum: 0 };
  for (let at = FILE_HEADER_BYTES; at < endPosition; ) {
    const head = Buffer.from(await reader.bytes(at, COMMIT_HEADER_BYTES));
    const fault = decodeCommitHeader(head, 0, header);
    if (fault !== undefined) throw corrupt(path, at, last.commit + 1, fault, 'The file was closed and durable.');
    const table = Buffer.from(await reader.bytes(at + tableOffset(header.bodyBytes), header.entryCount * ROW_BYTES));
    if (headerChecksum(head, 0, table) !== header.checksum) {
      throw corrupt(path, at, header.commit, 'wrong checksum', 'The file was closed and durable.');
    }
    let body = at + COMMIT_HEADER_BYTES;
    for (let i = 0; i < header.entryCount; i++) {
      decodeRow(table, i * ROW_BYTES, row);
      if (row.kind === KIND_COMMAND) {
        visitor.command(row.command, await reader.bytes(body, row.bytes), header.commit);
      } else {
        const run: BatchRun = {
          partition: row.partition,
          baseOffset: row.baseOffset,
          offsetCount: row.checksumOrCount,
          bytes: await batchHeaders(reader, path, body, row.bytes, header.commit),
          file,
          position: body,
          commit: header.commit,
          committedAt: header.createdAt,
        };
        visitor.batchHeaders(run, row.bytes);
      }
      body += row.bytes;
    }
    last = { commit: header.commit, checksum: header.checksum };
    at += commitBytes(header.bodyBytes, header.entryCount);
  }
  return last;
}

async function batchHeaders(
  reader: BlockReader,
  path: string,
  position: number,
  sizeBytes: number,
  commit: number,
): Promise<Uint8Array> {
  const headers: Uint8Array[] = [];
  for (let at = position; at < position + sizeBytes; ) {
    // The block is used synchronously as long as it lasts: a run may have thousands of small batches.
    const view = reader.now(at, BATCH_HEADER_BYTES) ?? (await reader.bytes(at, BATCH_HEADER_BYTES));
    const size = batchSizeBytes(view, 0);
    if (size < BATCH_HEADER_BYTES || at + size > position + sizeBytes) {
      throw corrupt(path, at, commit, `a batch of ${size} bytes`, 'The file was closed and durable.');
    }
    headers.push(Uint8Array.prototype.slice.call(view));
    at += size;
  }
  return headers.length === 1 ? (headers[0] as Uint8Array) : Buffer.concat(headers);
}

/** Reads forward through one block of memory. What it hands out is valid until the next call. */
class BlockReader {
  readonly #file: DiskFile;
  #block: Uint8Array = new Uint8Array(BLOCK_BYTES);
  #start = 0;
  #end = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  now(position: number, sizeBytes: number): Uint8Array | undefined {
    if (position < this.#start || position + sizeBytes > this.#end) return undefined;
    return this.#block.subarray(position - this.#start, position - this.#start + sizeBytes);
  }

  async bytes(position: number, sizeBytes: number): Promise<Uint8Array> {
    const there = this.now(position, sizeBytes);
    if (there !== undefined) return there;
    if (sizeBytes > this.#block.length) this.#block = new Uint8Array(sizeBytes);
    const count = await this.#file.read(this.#block, position);
    this.#start = position;
    this.#end = position + count;
    const view = this.now(position, sizeBytes);
    if (view === undefined) throw new RangeError(`the file ends at ${this.#end}, inside an entry`);
    return view;
  }
}
