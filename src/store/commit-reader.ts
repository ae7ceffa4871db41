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
import type { Region, TailCache } from './tail-cache.ts';

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

/** What was decoded last, by whichever reader: thousands of them wait at the end, and none needs it beyond the call. */
const HEADER: CommitHeader = emptyHeader();
const ROW: Row = emptyRow();

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
  readonly #shown = { partition: 0, baseOffset: 0, offsetCount: 0, sizeBytes: 0 };
  /** Grows with the commits that are read: thousands of subscribers wait at the end and have read none. */
  #table: Buffer = NO_TABLE;
  #window: Window | undefined;
  /** Memory of the tail cache that was read last; its lease is retained. */
  #region: Region | undefined;
  #file = 0;
  /** Of the next commit. */
  #position = 0;
  #rowCount = 0;
  #nextCommit: CommitNumber = 0;
  /** Where the body of row `#rowAt` begins. */
  #bodies = 0;
  /** Row whose body begins at `#bodies`. */
  #rowAt = 0;
  bodyStart = 0;
  bodyBytes = 0;

  constructor(options: CommitReaderOptions) {
    this.#options = options;
  }

  get commit(): CommitNumber {
    return this.#nextCommit - 1;
  }

  get rowCount(): number {
    return this.#rowCount;
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

  next(upTo: CommitNumber): CommitStep | Promise<CommitStep> {
    if (this.#nextCommit > upTo) {
      this.#dropRegion();
      return 'end';
    }
    if (this.#options.map.locate(this.#nextCommit) === undefined) return 'gone';
    this.#enterNextFile();
    if (this.#window !== undefined && this.#nextCommit > this.#window.upTo) this.#dropWindow();
    const head = this.#inMemory(this.#position, COMMIT_HEADER_BYTES);
    if (head === undefined) return this.#readCommit(upTo);
    const table = this.#inMemory(this.#decodeHeader(head), HEADER.entryCount * ROW_BYTES);
    if (table === undefined) return this.#readCommit(upTo);
    // What is in memory was written by this process; what comes from the disk may have rotted there.
    this.#take(head, table, this.#window === undefined);
    return 'commit';
  }

  async #readCommit(upTo: CommitNumber): Promise<CommitStep> {
    try {
      // A copy, since the table may come into the window in its place.
      const head = Buffer.from(await this.#bytes(this.#position, COMMIT_HEADER_BYTES, upTo));
      const table = await this.#bytes(this.#decodeHeader(head), HEADER.entryCount * ROW_BYTES, upTo);
      // Again: meanwhile others have decoded theirs.
      this.#decodeHeader(head);
      this.#take(head, table, false);
      return 'commit';
    } catch (error) {
      if (!isMissingFile(error)) throw error;
      return 'gone';
    }
  }

  /** Into HEADER. @returns where the table of the commit stands. */
  #decodeHeader(head: Uint8Array): number {
    const fault = decodeCommitHeader(head, 0, HEADER);
    if (fault !== undefined) throw this.#fault(this.#position, fault);
    return this.#position + tableOffset(HEADER.bodyBytes);
  }

  /** The commit whose header is in HEADER is the current one. */
  #take(head: Uint8Array, table: Uint8Array, isKnownGood: boolean): void {
    const at = this.#position;
    if (!isKnownGood && headerChecksum(head, 0, table) !== HEADER.checksum)
      throw this.#fault(at, 'wrong header checksum');
    if (HEADER.commit !== this.#nextCommit) throw this.#fault(at, `it is commit ${HEADER.commit}`);
    if (this.#table.length < table.length) this.#table = Buffer.allocUnsafe(2 * table.length);
    this.#table.set(table);
    this.#bodies = at + COMMIT_HEADER_BYTES;
    this.#rowAt = 0;
    this.#rowCount = HEADER.entryCount;
    this.#position = at + commitBytes(HEADER.bodyBytes, HEADER.entryCount);
    this.#nextCommit += 1;
  }

  row(index: number): CommitRow {
    for (; this.#rowAt < index; this.#rowAt++) {
      decodeRow(this.#table, this.#rowAt * ROW_BYTES, ROW);
      this.#bodies += ROW.bytes;
    }
    decodeRow(this.#table, index * ROW_BYTES, ROW);
    const shown = this.#shown;
    shown.partition = ROW.partition;
    shown.baseOffset = ROW.baseOffset;
    shown.offsetCount = ROW.kind === KIND_BATCHES ? ROW.checksumOrCount : 0;
    shown.sizeBytes = ROW.bytes;
    return shown;
  }

  body(upTo: CommitNumber): Uint8Array | Promise<Uint8Array> {
    const { sizeBytes } = this.#shown;
    const region = this.#heldRegion(this.#bodies, sizeBytes);
    if (region === undefined) return this.#soundBody(upTo);
    this.bodyStart = region.start + this.#bodies - region.position;
    this.bodyBytes = sizeBytes;
    return region.lease.bytes;
  }

  async #soundBody(upTo: CommitNumber): Promise<Uint8Array> {
    const { sizeBytes, baseOffset, offsetCount } = this.#shown;
    const bytes = await this.#bytes(this.#bodies, sizeBytes, upTo);
    this.bodyStart = 0;
    this.bodyBytes = bytes.length;
    if (offsetCount === 0) return bytes;
    const sound = soundBytes(bytes, baseOffset);
    if (sound === bytes.length) return bytes;
    throw this.#fault(this.#bodies + sound, 'a batch is damaged');
  }

  release(): void {
    this.#dropRegion();
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
    return this.#inMemory(position, sizeBytes) ?? this.#read(position, sizeBytes, upTo);
  }

  #inMemory(position: number, sizeBytes: number): Uint8Array | undefined {
    const window = this.#window;
    if (window === undefined || !covers(window, this.#file, position, sizeBytes))
      return this.#inTail(position, sizeBytes);
    const from = position - window.position;
    return window.lease.bytes.subarray(from, from + sizeBytes);
  }

  #inTail(position: number, sizeBytes: number): Uint8Array | undefined {
    const region = this.#heldRegion(position, sizeBytes);
    if (region === undefined) return this.#joined(position, sizeBytes);
    const from = region.start + position - region.position;
    return region.lease.bytes.subarray(from, from + sizeBytes);
  }

  /** The region with all of it, which is retained until another one is; undefined where no single one has it. */
  #heldRegion(position: number, sizeBytes: number): Region | undefined {
    const before = this.#region;
    if (before !== undefined && holds(before, this.#file, position, sizeBytes)) return before;
    const region = this.#options.tail.region(this.#file, position);
    if (region === undefined || !holds(region, this.#file, position, sizeBytes)) return undefined;
    this.#dropRegion();
    region.lease.retain();
    this.#region = region;
    return region;
  }

  /** A copy of what lies in several regions. */
  #joined(position: number, sizeBytes: number): Uint8Array | undefined {
    const views: Uint8Array[] = [];
    const leases: Lease[] = [];
    const isThere = this.#options.tail.view(this.#file, position, sizeBytes, views, leases);
    const bytes = isThere ? Buffer.concat(views) : undefined;
    for (const lease of leases) lease.release();
    return bytes;
  }

  async #read(position: number, sizeBytes: number, upTo: CommitNumber): Promise<Uint8Array> {
    this.#dropWindow();
    const { handles, pool, journalFile, map } = this.#options;
    const path = journalFile(this.#file);
    const wanted = Math.max(sizeBytes, WINDOW_BYTES);
    const { lease, count } = await handles.readUpTo(pool, path, wanted, position).catch((error: unknown) => {
      // The checkpoint worker removes files and says so a moment later.
      if (isMissingFile(error)) map.removed([this.#file]);
      throw error;
    });
    this.#window = { lease, file: this.#file, position, endPosition: position + count, upTo };
    if (count < sizeBytes) throw this.#fault(position, `the file ends at ${position + count}`);
    return lease.bytes.subarray(0, sizeBytes);
  }

  #dropRegion(): void {
    this.#region?.lease.release();
    this.#region = undefined;
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

function holds(region: Region, file: number, position: number, sizeBytes: number): boolean {
  return (
    region.file === file && position >= region.position && position + sizeBytes <= region.position + region.sizeBytes
  );
}

function covers(window: Window, file: number, position: number, sizeBytes: number): boolean {
  return window.file === file && position >= window.position && position + sizeBytes <= window.endPosition;
}
