/**
 * The one commit that is being filled. Stages entries into memory and into the fold at once, so the fold always holds
 * the head state.
 */
import type { BufferPool, Lease } from '../base/buffer-pool.ts';
import { crc32c } from '../base/crc32c.ts';
import { assert, MillraceError } from '../base/errors.ts';
import { checkBatchRun } from './batch-run.ts';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytes,
  emptyHeader,
  emptyRow,
  encodeCommitHeader,
  encodeRow,
  KIND_BATCHES,
  KIND_COMMAND,
  paddingBytes,
  ROW_BYTES,
  type Row,
} from './commit.ts';
import { FILE_HEADER_BYTES } from './file-header.ts';
import { Gather, type Piece } from './gather.ts';
import type { BatchRun, CommitBuilder, CommitNumber, Fold } from './journal.ts';

/** Where the journal ends: the next commit follows here. */
export interface JournalEnd {
  /** File of the last commit; 0 before the first. */
  file: number;
  /** Next free byte in it. */
  position: number;
  /** Table rows of kind `batches` in the file. */
  batchRows: number;
  lastCommit: CommitNumber;
  lastChecksum: number;
  /** Incarnation of the file. */
  incarnation: number;
}

/** When the next commit goes to a new file. */
export interface RollLimits {
  readonly fileBytes: number;
  readonly fileEntries: number;
  /** Random number for a new file, integer below 2^53. */
  newIncarnation(): number;
  /** Wall clock, milliseconds. */
  now(): number;
}

/** A commit that takes no more entries; whoever writes it releases the pieces. */
export interface ClosedCommit {
  readonly commit: CommitNumber;
  readonly file: number;
  readonly incarnation: number;
  readonly position: number;
  readonly sizeBytes: number;
  readonly previousChecksum: number;
  readonly checksum: number;
  readonly createdAt: number;
  readonly pieces: readonly Piece[];
  /** Its file is half full: time to prepare the next one. */
  readonly halfFull: boolean;
}

/** Copying costs 0.1 ms per MB; a piece of its own costs about a microsecond in the write, and pins its lease. */
const MIN_LINK_BYTES = 64 * 1024;

/** Of one command: they are small; what is not belongs into batches. */
const MAX_COMMAND_BYTES = 16 * 1024 * 1024;

/** bodyBytes is a u32 on disk; far below it one transaction is already absurd. */
const MAX_BODY_BYTES = 1024 * 1024 * 1024;

const FIRST_TABLE_ROWS = 256;

export class OpenCommit implements CommitBuilder {
  readonly #fold: Fold;
  readonly #gather: Gather;
  readonly #end: JournalEnd;
  readonly #limits: RollLimits;
  readonly #header: CommitHeader = emptyHeader();
  readonly #row: Row = emptyRow();
  readonly #run: BatchRun = {
    partition: 0,
    baseOffset: 0,
    offsetCount: 0,
    bytes: new Uint8Array(0),
    file: 0,
    position: 0,
    commit: 0,
    committedAt: 0,
  };
  #table = new Uint8Array(FIRST_TABLE_ROWS * ROW_BYTES);
  #headerBytes: Uint8Array = new Uint8Array(0);
  #headerAt = 0;
  #file = 0;
  #incarnation = 0;
  #createdAt = 0;
  #position = 0;
  #bodyBytes = 0;
  #entryCount = 0;
  #batchRows = 0;
  /** An entry was refused after others of its transaction were staged; the head state is half a transaction ahead. */
  broken: MillraceError | undefined;
  #rolls = false;
  /** Entries when the running transaction began. */
  #entriesBefore = 0;

  constructor(fold: Fold, pool: BufferPool, end: JournalEnd, limits: RollLimits) {
    this.#fold = fold;
    this.#gather = new Gather(pool);
    this.#end = end;
    this.#limits = limits;
  }

  get commit(): CommitNumber {
    return this.#end.lastCommit + 1;
  }

  get entryCount(): number {
    return this.#entryCount;
  }

  /** On disk, if it were closed now. */
  get sizeBytes(): number {
    return this.#entryCount === 0 ? 0 : commitBytes(this.#bodyBytes, this.#entryCount);
  }

  /** File of the last commit that was closed (0: none), and the next free byte in it. */
  get end(): { readonly file: number; readonly position: number } {
    return this.#end;
  }

  /** The next commit that is begun goes to a new file. */
  rollNext(): void {
    this.#rolls = true;
  }

  beginTransaction(): void {
    this.#entriesBefore = this.#entryCount;
  }

  /** Whether the transaction that began last has staged anything. */
  get staged(): boolean {
    return this.#entryCount !== this.#entriesBefore;
  }

  batches(partition: number, baseOffset: number, offsetCount: number, bytes: Uint8Array, lease?: Lease): void {
    const problem = checkBatchRun(bytes, 0, bytes.length, baseOffset, offsetCount, false);
    if (problem !== undefined)
      this.#refuse(new MillraceError('INTERNAL', `Run of batches not fit to stage: ${problem}`));
    this.#begin(bytes.length);
    const row = this.#row;
    row.kind = KIND_BATCHES;
    row.command = 0;
    row.bytes = bytes.length;
    row.partition = partition;
    row.checksumOrCount = offsetCount;
    row.baseOffset = baseOffset;
    const run = this.#run;
    run.partition = partition;
    run.baseOffset = baseOffset;
    run.offsetCount = offsetCount;
    run.bytes = bytes;
    run.file = this.#file;
    run.position = this.#position + COMMIT_HEADER_BYTES + this.#bodyBytes;
    run.commit = this.commit;
    run.committedAt = this.#createdAt;
    if (lease !== undefined && bytes.length >= MIN_LINK_BYTES) this.#gather.link(bytes, lease);
    else this.#gather.copy(bytes);
    this.#batchRows += 1;
    this.#addRow();
    this.#fold.batches(run);
  }

  command(type: number, body: Uint8Array): void {
    if (body.length > MAX_COMMAND_BYTES) {
      this.#refuse(
        new MillraceError(
          'JOURNAL_COMMAND_TOO_LARGE',
          `State command ${type} of ${body.length} bytes exceeds the limit of ${MAX_COMMAND_BYTES}. Split the request.`,
          { details: { command: type, bytes: body.length, limit: MAX_COMMAND_BYTES } },
        ),
      );
    }
    this.#begin(body.length);
    const row = this.#row;
    row.kind = KIND_COMMAND;
    row.command = type;
    row.bytes = body.length;
    row.partition = 0;
    row.checksumOrCount = crc32c(body);
    row.baseOffset = 0;
    this.#gather.copy(body);
    this.#addRow();
    this.#fold.command(type, body, this.commit);
  }

  /**
   * Ends the commit and begins the next one behind it.
   * @param flags FLAG_CLEAN_END or 0; a commit without entries is only written with a flag.
   */
  close(flags: number, durableCommit: CommitNumber): ClosedCommit {
    if (this.#entryCount === 0) this.#begin(0);
    const padding = paddingBytes(this.#bodyBytes);
    if (padding > 0) {
      const room = this.#gather.reserve(padding);
      room.bytes.fill(0, room.at, room.at + padding);
    }
    const tableBytes = this.#entryCount * ROW_BYTES;
    const table = this.#table.subarray(0, tableBytes);
    if (tableBytes > 0) this.#gather.copy(table);
    const header = this.#header;
    header.flags = flags;
    header.commit = this.commit;
    header.incarnation = this.#incarnation;
    header.durableCommit = durableCommit;
    header.createdAt = this.#createdAt;
    header.bodyBytes = this.#bodyBytes;
    header.entryCount = this.#entryCount;
    header.previousChecksum = this.#end.lastChecksum;
    const checksum = encodeCommitHeader(this.#headerBytes, this.#headerAt, header, table);
    const sizeBytes = commitBytes(this.#bodyBytes, this.#entryCount);
    const rows = this.#file === this.#end.file ? this.#end.batchRows + this.#batchRows : this.#batchRows;
    const closed: ClosedCommit = {
      commit: this.commit,
      file: this.#file,
      incarnation: this.#incarnation,
      position: this.#position,
      sizeBytes,
      previousChecksum: this.#end.lastChecksum,
      checksum,
      createdAt: this.#createdAt,
      pieces: this.#gather.take(),
      halfFull: this.#position + sizeBytes >= this.#limits.fileBytes / 2 || rows >= this.#limits.fileEntries / 2,
    };
    this.#advance(closed, rows);
    return closed;
  }

  /** Forgets what is staged; for a journal that stops. */
  discard(): void {
    this.#gather.release();
    this.#entryCount = 0;
    this.#bodyBytes = 0;
  }

  /** First entry: settles which file and position the commit gets. */
  #begin(bodyBytes: number): void {
    assert(this.#bodyBytes + bodyBytes <= MAX_BODY_BYTES, `a commit of more than ${MAX_BODY_BYTES} bytes`);
    if (this.#entryCount > 0) return;
    const end = this.#end;
    const full = end.position >= this.#limits.fileBytes || end.batchRows >= this.#limits.fileEntries;
    if (end.file === 0 || full || this.#rolls) {
      this.#rolls = false;
      this.#file = end.file + 1;
      this.#incarnation = this.#limits.newIncarnation();
      this.#position = FILE_HEADER_BYTES;
    } else {
      this.#file = end.file;
      this.#incarnation = end.incarnation;
      this.#position = end.position;
    }
    this.#createdAt = this.#limits.now();
    const room = this.#gather.reserve(COMMIT_HEADER_BYTES);
    this.#headerBytes = room.bytes;
    this.#headerAt = room.at;
  }

  #addRow(): void {
    const at = this.#entryCount * ROW_BYTES;
    if (at === this.#table.length) {
      const larger = new Uint8Array(this.#table.length * 2);
      larger.set(this.#table);
      this.#table = larger;
    }
    encodeRow(this.#table, at, this.#row);
    this.#entryCount += 1;
    this.#bodyBytes += this.#row.bytes;
  }

  #advance(closed: ClosedCommit, rows: number): void {
    const end = this.#end;
    end.batchRows = rows;
    end.file = closed.file;
    end.incarnation = closed.incarnation;
    end.position = closed.position + closed.sizeBytes;
    end.lastCommit = closed.commit;
    end.lastChecksum = closed.checksum;
    this.#bodyBytes = 0;
    this.#entryCount = 0;
    this.#batchRows = 0;
  }

  #refuse(error: MillraceError): never {
    if (this.staged) this.broken = error;
    throw error;
  }
}
