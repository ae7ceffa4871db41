/**
 * Reads the journal in the order in which it was written: commit by commit, over all partitions. Recent commits are read
 * from the tail cache, in the same call; older ones through a window of memory, from the disk.
 */
import type { BufferPool, Lease } from '../base/buffer-pool.ts';
import { MillraceError } from '../base/errors.ts';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytes,
  decodeCommitHeader,
  decodeRow,
  emptyHeader,
  emptyRow,
  headerChecksum,
  KIND_BATCHES,
  ROW_BYTES,
  type Row,
  tableOffset,
} from '../journal/commit.ts';
import { FILE_HEADER_BYTES } from '../journal/file-header.ts';
import type { CommitNumber } from '../journal/journal.ts';
import type { CommitRow, CommitSource, CommitStep } from './commit-source.ts';
import { type FileHandles, isMissingFile } from './file-handles.ts';
import type { JournalMap } from './journal-map.ts';
import { soundBytes } from './sound-batches.ts';
import type { TailCache } from './tail-cache.ts';

/** Read from the disk at once. */
const WINDOW_BYTES = 256 * 1024;

export interface CommitReaderOptions {
  readonly map: JournalMap;
  readonly tail: TailCache;
  readonly handles: FileHandles;
  readonly pool: BufferPool;
  readonly journalFile: (file: number) => string;
}

const NO_TABLE = Buffer.alloc(0);

/** Part of a file in memory. */
interface Window {
  readonly lease: Lease;
  readonly file: number;
  readonly position: number;
  readonly endPosition: number;
  /** Commits behind this one may have been written after the window was read. */
  readonly upTo: CommitNumber;
}

export class CommitReader implements CommitSource {
  readonly #options: CommitReaderOptions;
  readonly #header: CommitHeader = emptyHeader();
  readonly #row: Row = emptyRow();
  readonly #shown = { partition: 0, baseOffset: 0, offsetCount: 0 };
  /** Grows with the commits that are read: thousands of subscribers wait at the end and have read none. */
  #table: Buffer = NO_TABLE;
  #window: Window | undefined;
  /** Of memory that the tail cache gave since the last call. */
  readonly #leases: Lease[] = [];
  #file = 0;
  /** Of the next commit. */
  #position = 0;
  #nextCommit: CommitNumber = 0;
  /** Where the body of row `#rowAt` begins. */
  #bodies = 0;
  /** Row whose body begins at `#bodies`. */
  #rowAt = 0;

  constructor(options: CommitReaderOptions) {
    this.#options = options;
  }

  get commit(): CommitNumber {
    return this.#nextCommit - 1;
  }

  get rowCount(): number {
    return this.#header.entryCount;
  }

  async seek(commit: CommitNumber, upTo: CommitNumber): Promise<boolean> {
    let mapped = this.#options.map.locate(commit);
    if (mapped === undefined) {
      await this.#options.map.loadOlder();
      mapped = this.#options.map.locate(commit);
    }
    if (mapped === undefined) return false;
    this.#file = mapped.file;
    this.#position = FILE_HEADER_BYTES;
    this.#nextCommit = mapped.firstCommit;
    let step: CommitStep = 'commit';
    while (this.#nextCommit < commit && step === 'commit') step = await this.next(upTo);
    return step !== 'gone';
  }

  async next(upTo: CommitNumber): Promise<CommitStep> {
    this.#releaseTail();
    if (this.#nextCommit > upTo) return 'end';
    const { map } = this.#options;
    if (map.locate(this.#nextCommit) === undefined) return 'gone';
    this.#enterNextFile();
    try {
      await this.#readCommit(upTo);
      return 'commit';
    } catch (error) {
      if (!isMissingFile(error)) throw error;
      // The checkpoint worker removes files and says so a moment later.
      map.removed([this.#file]);
      return 'gone';
    }
  }

  async #readCommit(upTo: CommitNumber): Promise<void> {
    if (this.#window !== undefined && this.#nextCommit > this.#window.upTo) this.#dropWindow();
    const at = this.#position;
    const head = Buffer.from(await this.#bytes(at, COMMIT_HEADER_BYTES, upTo));
    const header = this.#header;
    const fault = decodeCommitHeader(head, 0, header);
    if (fault !== undefined) throw this.#fault(at, fault);
    const tableBytes = header.entryCount * ROW_BYTES;
    const table = await this.#bytes(at + tableOffset(header.bodyBytes), tableBytes, upTo);
    if (headerChecksum(head, 0, table) !== header.checksum) throw this.#fault(at, 'wrong header checksum');
    if (header.commit !== this.#nextCommit) throw this.#fault(at, `it is commit ${header.commit}`);
    if (this.#table.length < tableBytes) this.#table = Buffer.allocUnsafe(2 * tableBytes);
    this.#table.set(table);
    this.#bodies = at + COMMIT_HEADER_BYTES;
    this.#rowAt = 0;
    this.#position = at + commitBytes(header.bodyBytes, header.entryCount);
    this.#nextCommit += 1;
  }

  row(index: number): CommitRow {
    for (; this.#rowAt < index; this.#rowAt++) {
      decodeRow(this.#table, this.#rowAt * ROW_BYTES, this.#row);
      this.#bodies += this.#row.bytes;
    }
    decodeRow(this.#table, index * ROW_BYTES, this.#row);
    const shown = this.#shown;
    shown.partition = this.#row.partition;
    shown.baseOffset = this.#row.baseOffset;
    shown.offsetCount = this.#row.kind === KIND_BATCHES ? this.#row.checksumOrCount : 0;
    return shown;
  }

  async body(upTo: CommitNumber): Promise<Uint8Array> {
    const { bytes: sizeBytes, baseOffset } = this.#row;
    const bytes = await this.#bytes(this.#bodies, sizeBytes, upTo);
    // What is in memory was written by this process; what comes from the disk may have rotted there.
    if (this.#leases.length > 0 || this.#row.kind !== KIND_BATCHES) return bytes;
    const sound = soundBytes(bytes, baseOffset);
    if (sound === bytes.length) return bytes;
    throw this.#fault(this.#bodies + sound, 'a batch is damaged');
  }

  release(): void {
    this.#releaseTail();
    this.#dropWindow();
  }

  /** The commit that comes may be the first of the next file. */
  #enterNextFile(): void {
    const next = this.#options.map.locate(this.#nextCommit);
    if (next === undefined || next.file <= this.#file) return;
    this.#file = next.file;
    this.#position = FILE_HEADER_BYTES;
  }

  #bytes(position: number, sizeBytes: number, upTo: CommitNumber): Uint8Array | Promise<Uint8Array> {
    const window = this.#window;
    if (window !== undefined && covers(window, this.#file, position, sizeBytes)) {
      const from = position - window.position;
      return window.lease.bytes.subarray(from, from + sizeBytes);
    }
    const views: Uint8Array[] = [];
    if (this.#options.tail.view(this.#file, position, sizeBytes, views, this.#leases)) {
      const [only] = views;
      return views.length === 1 && only !== undefined ? only : Buffer.concat(views);
    }
    return this.#read(position, sizeBytes, upTo);
  }

  async #read(position: number, sizeBytes: number, upTo: CommitNumber): Promise<Uint8Array> {
    this.#dropWindow();
    const { handles, pool, journalFile } = this.#options;
    const path = journalFile(this.#file);
    const wanted = Math.max(sizeBytes, WINDOW_BYTES);
    const { lease, count } = await handles.readUpTo(pool, path, wanted, position);
    this.#window = { lease, file: this.#file, position, endPosition: position + count, upTo };
    if (count < sizeBytes) throw this.#fault(position, `the file ends at ${position + count}`);
    return lease.bytes.subarray(0, sizeBytes);
  }

  #releaseTail(): void {
    for (const lease of this.#leases) lease.release();
    this.#leases.length = 0;
  }

  #dropWindow(): void {
    this.#window?.lease.release();
    this.#window = undefined;
  }

  #fault(position: number, problem: string): MillraceError {
    const path = this.#options.journalFile(this.#file);
    return new MillraceError(
      'STORE_CORRUPT',
      `${path}, position ${position}, commit ${this.#nextCommit}: ${problem}. Run 'millrace journal verify'.`,
      { details: { path, position, commit: this.#nextCommit } },
    );
  }
}

function covers(window: Window, file: number, position: number, sizeBytes: number): boolean {
  return window.file === file && position >= window.position && position + sizeBytes <= window.endPosition;
}
