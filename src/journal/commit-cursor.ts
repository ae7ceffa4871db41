/**
 * Reads one journal file commit by commit through a window of memory, checking everything a commit says about itself
 * and about its predecessor. Recovery, verify and dump stand on it.
 *
 * `next` is synchronous while the window holds the commit, so that a million small commits do not cost a million
 * promises: on `more` the caller awaits `fill` and asks again.
 */
import { crc32c } from '../base/crc32c.ts';
import { checkBatchRun } from './batch-run.ts';
import {
  COMMIT_HEADER_BYTES,
  type CommitHeader,
  commitBytes,
  decodeCommitHeader,
  decodeRow,
  emptyHeader,
  emptyRow,
  FLAG_CLEAN_END,
  headerChecksum,
  KIND_BATCHES,
  KIND_COMMAND,
  ROW_BYTES,
  type Row,
  tableOffset,
} from './commit.ts';
import type { DiskFile } from './disk.ts';
import { FILE_HEADER_BYTES, type FileHeader, hex } from './file-header.ts';
import type { BatchRun, Fold } from './journal.ts';
import type { ReadWindow } from './read-window.ts';

export type CursorStep =
  /** The next commit is sound; `header`, `position` and `sizeBytes` describe it until the next step. */
  | 'commit'
  /** Call `fill`, then `next` again. */
  | 'more'
  /** The file ends with the last commit. */
  | 'end'
  /** What follows is no sound commit: `problem` says why; `position` where. The cursor stays there. */
  | 'bad';

export class CommitCursor {
  readonly header: CommitHeader = emptyHeader();
  /** Of the current commit, or of the bad one. */
  position = FILE_HEADER_BYTES;
  /** Bytes of the current commit. */
  sizeBytes = 0;
  problem = '';
  /** The next commit's number and the checksum it must continue; moved by each sound commit. */
  expectedCommit: number;
  previousChecksum: number;

  readonly #fileHeader: FileHeader;
  readonly #fileBytes: number;
  readonly #row: Row = emptyRow();
  readonly #run: BatchRun;
  readonly #window: ReadWindow;
  /** Bytes from `position` on that the next step needs. */
  #needed = COMMIT_HEADER_BYTES;

  /** @param window turned to this file; settle it when done. */
  constructor(handle: DiskFile, header: FileHeader, fileBytes: number, window: ReadWindow) {
    window.begin(handle, fileBytes, FILE_HEADER_BYTES);
    this.#fileHeader = header;
    this.#fileBytes = fileBytes;
    this.#window = window;
    this.expectedCommit = header.firstCommit;
    this.previousChecksum = header.previousChecksum;
    this.#run = {
      partition: 0,
      baseOffset: 0,
      offsetCount: 0,
      bytes: window.bytes,
      file: header.file,
      position: 0,
      commit: 0,
      committedAt: 0,
    };
  }

  next(): CursorStep {
    this.position += this.sizeBytes;
    this.sizeBytes = 0;
    const left = this.#fileBytes - this.position;
    if (left === 0) return 'end';
    if (left < COMMIT_HEADER_BYTES) return this.#bad(`${left} bytes are too few for a commit header`);
    if (!this.#has(COMMIT_HEADER_BYTES)) return 'more';
    const at = this.position - this.#window.at;
    const problem = decodeCommitHeader(this.#window.bytes, at, this.header) ?? this.#checkHeader();
    if (problem !== undefined) return this.#bad(problem);
    const size = commitBytes(this.header.bodyBytes, this.header.entryCount);
    if (size > left) return this.#bad(`the commit has ${size} bytes, the file ends after ${left}`);
    if (!this.#has(size)) return 'more';
    const bodyProblem = this.#checkContent(at, size);
    if (bodyProblem !== undefined) return this.#bad(bodyProblem);
    this.sizeBytes = size;
    this.expectedCommit = this.header.commit + 1;
    this.previousChecksum = this.header.checksum;
    return 'commit';
  }

  /** Reads on, keeping what is not consumed. Errors are those of the disk. */
  fill(): Promise<void> {
    return this.#window.fill(this.position, this.#needed);
  }

  /** Goes on at a commit found behind damage, taking its word for what came before. */
  skipTo(position: number, header: CommitHeader): void {
    this.position = position;
    this.sizeBytes = 0;
    this.expectedCommit = header.commit;
    this.previousChecksum = header.previousChecksum;
  }

  /** Hands the current commit's entries to the fold, in order. */
  replay(fold: Fold): void {
    const at = this.position - this.#window.at;
    const commit = this.header.commit;
    const tableAt = at + tableOffset(this.header.bodyBytes);
    let body = at + COMMIT_HEADER_BYTES;
    const row = this.#row;
    const run = this.#run;
    for (let index = 0; index < this.header.entryCount; index++) {
      decodeRow(this.#window.bytes, tableAt + index * ROW_BYTES, row);
      const bytes = this.#window.bytes.subarray(body, body + row.bytes);
      if (row.kind === KIND_BATCHES) {
        run.partition = row.partition;
        run.baseOffset = row.baseOffset;
        run.offsetCount = row.checksumOrCount;
        run.bytes = bytes;
        run.position = this.#window.at + body;
        run.commit = commit;
        run.committedAt = this.header.createdAt;
        fold.batches(run);
      } else fold.command(row.command, bytes, commit);
      body += row.bytes;
    }
  }

  /** Table rows of the current commit, for people to read: allocates. */
  rows(): Row[] {
    const tableAt = this.position - this.#window.at + tableOffset(this.header.bodyBytes);
    return Array.from({ length: this.header.entryCount }, (_, index) => {
      const row = emptyRow();
      decodeRow(this.#window.bytes, tableAt + index * ROW_BYTES, row);
      return row;
    });
  }

  /** Rows of kind `batches` in the current commit. */
  countBatchRows(): number {
    const tableAt = this.position - this.#window.at + tableOffset(this.header.bodyBytes);
    let count = 0;
    for (let index = 0; index < this.header.entryCount; index++) {
      if (this.#window.bytes[tableAt + index * ROW_BYTES] === KIND_BATCHES) count += 1;
    }
    return count;
  }

  #has(count: number): boolean {
    this.#needed = count;
    return this.position + count <= this.#window.end;
  }

  #checkHeader(): string | undefined {
    const header = this.header;
    if (header.incarnation !== this.#fileHeader.incarnation) return 'a commit of another incarnation of this file';
    if (header.commit !== this.expectedCommit) return `commit ${header.commit} where ${this.expectedCommit} follows`;
    if (header.previousChecksum !== this.previousChecksum) {
      return `chain broken: continues ${hex(header.previousChecksum)}, the commit before has ${hex(this.previousChecksum)}`;
    }
    const cleanEnd = (header.flags & FLAG_CLEAN_END) !== 0;
    if ((header.flags & ~FLAG_CLEAN_END) !== 0) return `unknown flags ${header.flags}`;
    if (cleanEnd !== (header.entryCount === 0)) return 'entries do not fit the clean-end flag';
    return undefined;
  }

  #checkContent(at: number, size: number): string | undefined {
    const window = this.#window.bytes;
    const { bodyBytes, entryCount, checksum } = this.header;
    const tableAt = at + tableOffset(bodyBytes);
    const computed = headerChecksum(window, at, window, tableAt, at + size);
    if (computed !== checksum) return `header checksum ${hex(checksum)}, computed ${hex(computed)}`;
    let body = at + COMMIT_HEADER_BYTES;
    const bodyEnd = body + bodyBytes;
    for (let index = 0; index < entryCount; index++) {
      decodeRow(window, tableAt + index * ROW_BYTES, this.#row);
      const end = body + this.#row.bytes;
      const problem = end > bodyEnd ? 'longer than the bodies' : this.#checkBody(body, end);
      if (problem !== undefined) return `entry ${index}: ${problem}`;
      body = end;
    }
    return body === bodyEnd ? undefined : `entries cover ${body - at} bytes of ${bodyBytes}`;
  }

  #checkBody(start: number, end: number): string | undefined {
    const row = this.#row;
    switch (row.kind) {
      case KIND_BATCHES:
        return checkBatchRun(this.#window.bytes, start, end, row.baseOffset, row.checksumOrCount, true);
      case KIND_COMMAND: {
        const computed = crc32c(this.#window.bytes.subarray(start, end));
        if (computed === row.checksumOrCount) return undefined;
        return `command checksum ${hex(row.checksumOrCount)}, computed ${hex(computed)}`;
      }
      default:
        return `unknown kind ${row.kind}`;
    }
  }

  #bad(problem: string): CursorStep {
    this.problem = problem;
    return 'bad';
  }
}
