/**
 * Start of the local journal: replays what follows the checkpoint into the fold, cuts a torn tail, refuses corruption,
 * and leaves everything it replayed on stable storage. Steps and reasons: docs/formats.md, recovery.
 */
import { MillraceError } from '../base/errors.ts';
import { type ActiveFile, emptyFile } from './active-file.ts';
import { CommitCursor } from './commit-cursor.ts';
import type { Disk, DiskFile } from './disk.ts';
import { findProof } from './durability-proof.ts';
import { decodeFileHeader, FILE_HEADER_BYTES, type FileHeader, hex } from './file-header.ts';
import type { CommitNumber, Fold, JournalFile } from './journal.ts';
import { corrupt, ioFailed, unsupportedFormat, writeFailed } from './journal-errors.ts';
import type { JournalEnd } from './open-commit.ts';
import { journalDirectory, journalPath, numberedFiles } from './paths.ts';
import { ReadWindow } from './read-window.ts';

/** Where a checkpoint ends and replay begins. */
export interface ReplayStart {
  /** First file to replay: the one after the last that the checkpoint covers. */
  readonly file: number;
  /** Last commit that the checkpoint holds, inclusive. */
  readonly commit: CommitNumber;
  /** Checksum of that commit (JournalFile.lastChecksum): the chain must go on from it. */
  readonly checksum: number;
}

export interface RecoveryReport {
  /** Replayed files in order, the active one last. */
  readonly files: readonly JournalFile[];
  readonly replayedCommits: number;
  readonly replayedBytes: number;
  /** The journal was closed in order: nothing can be missing. */
  readonly cleanEnd: boolean;
  /** What was cut off, none of it ever acknowledged as durable. */
  readonly torn: TornTail | undefined;
}

export interface TornTail {
  readonly file: number;
  readonly position: number;
  /** First commit that is gone. */
  readonly commit: CommitNumber;
  readonly problem: string;
  /** Bytes cut from this file, and bytes of later files. */
  readonly bytes: number;
}

export interface Recovered {
  readonly end: JournalEnd;
  /** The file to go on in; undefined when there is none with a header. */
  readonly active: ActiveFile | undefined;
  /** An empty file that stands ready as the next one. */
  readonly prepared: ActiveFile | undefined;
  readonly report: RecoveryReport;
}

export interface RecoveryOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly fold: Fold;
  readonly from?: ReplayStart | undefined;
}

/** Distance of the places that are remembered to rewrite from. */
const MARK_BYTES = 1024 * 1024;

const REWRITE_BYTES = 4 * 1024 * 1024;

/** A place known to begin a commit. */
interface Mark {
  readonly commit: CommitNumber;
  readonly file: number;
  readonly position: number;
}

export async function recover(options: RecoveryOptions): Promise<Recovered> {
  return await new Recovery(options).run();
}

class Recovery {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #fold: Fold;
  readonly #from: ReplayStart | undefined;
  readonly #end: JournalEnd;
  readonly #files: JournalFile[] = [];
  /** Numbers on disk from the start on, ascending. */
  #numbers: number[] = [];
  readonly #window = new ReadWindow();
  #handle: DiskFile | undefined;
  #active: ActiveFile | undefined;
  #torn: TornTail | undefined;
  #cleanEnd = false;
  #replayedCommits = 0;
  #replayedBytes = 0;
  /** Highest commit that some header calls durable. */
  #proven = 0;
  #marks: Mark[] = [];

  constructor(options: RecoveryOptions) {
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#fold = options.fold;
    this.#from = options.from;
    this.#end = {
      file: (options.from?.file ?? 1) - 1,
      position: Number.POSITIVE_INFINITY,
      batchRows: 0,
      lastCommit: options.from?.commit ?? 0,
      lastChecksum: options.from?.checksum ?? 0,
      incarnation: 0,
    };
  }

  async run(): Promise<Recovered> {
    try {
      await this.#listFiles();
      let prepared: ActiveFile | undefined;
      for (const file of this.#numbers) {
        prepared = await this.#replayFile(file);
        if (this.#torn !== undefined || prepared !== undefined) break;
      }
      await this.#makeDurable();
      return { end: this.#end, active: this.#active, prepared, report: this.#report() };
    } catch (error) {
      await this.#window.settle();
      await this.#handle?.close();
      await this.#active?.handle.close();
      throw error;
    }
  }

  #report(): RecoveryReport {
    return {
      files: this.#files,
      replayedCommits: this.#replayedCommits,
      replayedBytes: this.#replayedBytes,
      cleanEnd: this.#cleanEnd,
      torn: this.#torn,
    };
  }

  async #listFiles(): Promise<void> {
    const directory = journalDirectory(this.#directory);
    const first = this.#end.file + 1;
    let all: number[];
    try {
      await this.#disk.makeDirectory(directory);
      await this.#disk.syncDirectory(this.#directory);
      // A process that was killed may have created a file and not come to the sync.
      await this.#disk.syncDirectory(directory);
      all = numberedFiles(await this.#disk.list(directory), 'journal');
    } catch (error) {
      throw writeFailed(directory, error);
    }
    this.#numbers = all.filter((number) => number >= first);
    if (this.#numbers.length === 0 && this.#from === undefined && all.length === 0) return;
    for (const [index, number] of this.#numbers.entries()) {
      if (number !== first + index) throw this.#missingFile(first + index, `file ${number} exists`);
    }
    if (this.#numbers.length === 0) {
      throw this.#missingFile(first, this.#from === undefined ? 'other files exist' : 'the checkpoint ends before it');
    }
  }

  #missingFile(file: number, evidence: string): MillraceError {
    const path = journalPath(this.#directory, file);
    return corrupt(path, 0, this.#end.lastCommit + 1, 'the file is missing', `It was there once: ${evidence}.`);
  }

  /** @returns the file when it holds nothing yet: it stands ready as the next one. */
  async #replayFile(file: number): Promise<ActiveFile | undefined> {
    const path = journalPath(this.#directory, file);
    const handle = await this.#read('open', path, () => this.#disk.open(path, 'readwrite'));
    this.#handle = handle;
    const sizeBytes = await this.#read('read', path, () => handle.size());
    const first = Buffer.alloc(FILE_HEADER_BYTES);
    const count = await this.#read('read', path, () => handle.read(first, 0));
    const outcome = decodeFileHeader(first.subarray(0, count));
    if (outcome.kind === 'unsupported') throw unsupportedFormat(path, outcome.version);
    const problem = outcome.kind === 'bad' ? outcome.problem : this.#checkFileHeader(file, outcome.header);
    if (problem !== undefined || outcome.kind === 'bad') {
      if (sizeBytes > 0 || file !== this.#numbers.at(-1)) await this.#cut(file, 0, sizeBytes, problem ?? '');
      this.#handle = undefined;
      return emptyFile(file, path, handle);
    }
    this.#proven = Math.max(this.#proven, outcome.header.durableCommit);
    await this.#replayCommits(file, path, handle, outcome.header, sizeBytes);
    await this.#active?.handle.close();
    this.#active = this.#asActive(file, path, handle, outcome.header);
    this.#handle = undefined;
    return undefined;
  }

  #checkFileHeader(file: number, header: FileHeader): string | undefined {
    const end = this.#end;
    if (header.file !== file) return `the header names file ${header.file}`;
    if (header.firstCommit !== end.lastCommit + 1) {
      return `the file begins with commit ${header.firstCommit} where ${end.lastCommit + 1} follows`;
    }
    if (header.previousChecksum === end.lastChecksum) return undefined;
    return `chain broken: the file continues ${hex(header.previousChecksum)}, the commit before has ${hex(end.lastChecksum)}`;
  }

  async #replayCommits(
    file: number,
    path: string,
    handle: DiskFile,
    header: FileHeader,
    sizeBytes: number,
  ): Promise<void> {
    const end = this.#end;
    end.file = file;
    end.incarnation = header.incarnation;
    end.position = FILE_HEADER_BYTES;
    end.batchRows = 0;
    const cursor = new CommitCursor(handle, header, sizeBytes, this.#window);
    for (;;) {
      const step = cursor.next();
      if (step === 'more') await this.#read('read', path, () => cursor.fill());
      else if (step === 'commit') this.#apply(cursor, path);
      else {
        if (step === 'bad') await this.#cut(file, cursor.position, sizeBytes, cursor.problem);
        await this.#window.settle();
        return;
      }
    }
  }

  #apply(cursor: CommitCursor, path: string): void {
    const end = this.#end;
    const { header, position } = cursor;
    this.#proven = Math.max(this.#proven, header.durableCommit);
    this.#mark(header.commit, position);
    try {
      cursor.replay(this.#fold);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new MillraceError(
        'JOURNAL_CORRUPT',
        `Commit ${header.commit} at position ${position} of ${path} does not follow from the state before it: ${reason}. ` +
          'Nothing was changed. The checkpoint or the journal is not of this history; restore both from one backup.',
        { details: { path, position, commit: header.commit }, cause: error },
      );
    }
    end.position = position + cursor.sizeBytes;
    end.batchRows += cursor.countBatchRows();
    end.lastCommit = header.commit;
    end.lastChecksum = header.checksum;
    this.#cleanEnd = header.entryCount === 0;
    this.#replayedCommits += 1;
    this.#replayedBytes += cursor.sizeBytes;
  }

  #mark(commit: CommitNumber, position: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && last.file === this.#end.file && position - last.position < MARK_BYTES) return;
    // A mark is of use while it is the last at or before the first commit that is not proven.
    const second = this.#marks[1];
    if (second !== undefined && second.commit <= this.#proven + 1) this.#marks.shift();
    this.#marks.push({ commit, file: this.#end.file, position });
  }

  /** Cuts what follows, unless something behind it proves that it was acknowledged. */
  async #cut(file: number, position: number, sizeBytes: number, problem: string): Promise<void> {
    const path = journalPath(this.#directory, file);
    const commit = this.#end.lastCommit + 1;
    const later = this.#numbers.filter((number) => number > file);
    const places = [{ file, position }, ...later.map((number) => ({ file: number, position: 0 }))];
    const proof = await this.#read('read', path, () => findProof(this.#disk, this.#directory, places, commit));
    if (proof !== undefined) {
      const where = `at position ${proof.position} of ${journalPath(this.#directory, proof.file)}`;
      throw corrupt(path, position, commit, problem, `It was acknowledged: ${proof.what} ${where} says so.`);
    }
    let bytes = sizeBytes - position;
    try {
      for (const number of later.toReversed()) bytes += await this.#remove(number);
      await (this.#handle as DiskFile).truncate(position);
      await (this.#handle as DiskFile).sync();
    } catch (error) {
      throw writeFailed(path, error);
    }
    this.#torn = { file, position, commit, problem, bytes };
  }

  /** Newest first and one by one, so that a crash in between leaves no gap in the numbers. */
  async #remove(file: number): Promise<number> {
    const path = journalPath(this.#directory, file);
    const handle = await this.#disk.open(path, 'read');
    const sizeBytes = await handle.size();
    await handle.close();
    await this.#disk.remove(path);
    await this.#disk.syncDirectory(journalDirectory(this.#directory));
    return sizeBytes;
  }

  #asActive(file: number, path: string, handle: DiskFile, header: FileHeader): ActiveFile {
    const end = this.#end;
    const active: ActiveFile = {
      ...emptyFile(file, path, handle),
      firstCommit: header.firstCommit,
      writtenBytes: end.position,
      lastCommit: end.lastCommit,
      lastChecksum: end.lastChecksum,
    };
    this.#files.push({
      file,
      sizeBytes: end.position,
      firstCommit: header.firstCommit,
      lastCommit: end.lastCommit,
      lastChecksum: end.lastChecksum,
    });
    return active;
  }

  /**
   * Replayed commits become visible, so they must be durable. Those that nothing proves to be so are written again
   * before the sync: after a failed sync the kernel may keep pages that read well, count as clean, and are not on disk.
   */
  async #makeDurable(): Promise<void> {
    const firstUnproven = this.#proven + 1;
    if (firstUnproven > this.#end.lastCommit) return;
    const mark = this.#marks.findLast((candidate) => candidate.commit <= firstUnproven) ?? this.#marks[0];
    if (mark === undefined) return;
    for (const { file, sizeBytes } of this.#files) {
      if (file < mark.file) continue;
      await this.#rewrite(file, file === mark.file ? mark.position : FILE_HEADER_BYTES, sizeBytes);
    }
  }

  async #rewrite(file: number, from: number, sizeBytes: number): Promise<void> {
    const path = journalPath(this.#directory, file);
    try {
      const active = this.#active;
      const handle = active?.file === file ? active.handle : await this.#disk.open(path, 'readwrite');
      for (const start of from === FILE_HEADER_BYTES ? [0] : [from]) await this.#rewriteRange(handle, start, sizeBytes);
      await handle.sync();
      if (handle !== active?.handle) await handle.close();
    } catch (error) {
      throw writeFailed(path, error);
    }
  }

  async #rewriteRange(handle: DiskFile, from: number, end: number): Promise<void> {
    const memory = Buffer.allocUnsafeSlow(Math.min(REWRITE_BYTES, end - from));
    for (let at = from; at < end; ) {
      const block = memory.subarray(0, Math.min(memory.length, end - at));
      const count = await handle.read(block, at);
      if (count < block.length) throw Object.assign(new Error('short read'), { code: 'EIO' });
      await handle.write([block], at);
      at += count;
    }
  }

  async #read<T>(action: string, path: string, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw error instanceof MillraceError ? error : ioFailed(action, path, error);
    }
  }
}
