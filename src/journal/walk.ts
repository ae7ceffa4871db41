/**
 * Reads all journal files from outside of a running journal: every commit, and every problem with its place, going on
 * behind it. Takes no lock and changes nothing, so it may run beside a broker; the newest file may then end in the
 * middle of a commit. `verify.ts` and `dump.ts` stand on it.
 */

import { type Row } from './commit.ts';
import { CommitCursor } from './commit-cursor.ts';
import type { Disk, DiskFile } from './disk.ts';
import { findProof } from './durability-proof.ts';
import { decodeFileHeader, FILE_HEADER_BYTES, type FileHeader, hex } from './file-header.ts';
import { findCommit } from './header-scan.ts';
import type { CommitNumber } from './journal.ts';
import { ioFailed } from './journal-errors.ts';
import { journalDirectory, journalPath, numberedFiles } from './paths.ts';
import { ReadWindow } from './read-window.ts';

export interface WalkedFile {
  readonly kind: 'file';
  readonly file: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly header: FileHeader;
}

export interface WalkedCommit {
  readonly kind: 'commit';
  readonly file: number;
  readonly position: number;
  readonly sizeBytes: number;
  readonly commit: CommitNumber;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly durableCommit: CommitNumber;
  readonly cleanEnd: boolean;
  readonly entryCount: number;
  /** Only where asked for. */
  readonly rows: readonly Row[];
}

export interface WalkedProblem {
  readonly kind: 'problem';
  readonly file: number;
  readonly path: string;
  readonly position: number;
  /** The commit that should stand there. */
  readonly commit: CommitNumber;
  readonly problem: string;
  /**
   * `torn`: an unfinished write, or one going on; the next start cuts it off and nothing acknowledged is lost.
   * `corrupt`: data that was acknowledged is damaged or missing; the next start refuses.
   */
  readonly severity: 'torn' | 'corrupt';
}

export type WalkedItem = WalkedFile | WalkedCommit | WalkedProblem;

export interface WalkOptions {
  readonly disk: Disk;
  /** The data directory. */
  readonly directory: string;
  /** First file to read; default the oldest. */
  readonly fromFile?: number;
  readonly withRows?: boolean;
  readonly signal?: AbortSignal;
}

/** Where the next file must go on; undefined before the first, which is taken at its word. */
interface Chain {
  nextCommit: CommitNumber;
  checksum: number;
}

/** @throws MillraceError JOURNAL_IO when a file cannot be read; the reason of `signal`. */
export async function* walkJournal(options: WalkOptions): AsyncGenerator<WalkedItem, void, undefined> {
  const { disk, directory } = options;
  const all = numberedFiles(await disk.list(journalDirectory(directory)), 'journal');
  const files = all.filter((file) => file >= (options.fromFile ?? 1));
  const window = new ReadWindow();
  let chain: Chain | undefined;
  let expectedFile = files[0] ?? 1;
  for (const file of files) {
    for (; expectedFile < file; expectedFile++) {
      yield problemAt(directory, expectedFile, 0, chain?.nextCommit ?? 1, 'the file is missing', 'corrupt');
      chain = undefined;
    }
    expectedFile = file + 1;
    const path = journalPath(directory, file);
    let handle: DiskFile | undefined;
    try {
      handle = await disk.open(path, 'read');
      chain = yield* walkFile(options, handle, window, file, files, chain);
    } catch (error) {
      if (error === options.signal?.reason) throw error;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw ioFailed('read', path, error);
      // A broker has removed it meanwhile; what was shown of it was there.
      chain = undefined;
    } finally {
      await window.settle();
      await handle?.close();
    }
  }
}

async function* walkFile(
  options: WalkOptions,
  handle: DiskFile,
  window: ReadWindow,
  file: number,
  files: readonly number[],
  chain: Chain | undefined,
): AsyncGenerator<WalkedItem, Chain | undefined, undefined> {
  const { disk, directory } = options;
  const sizeBytes = await handle.size();
  const later = files.filter((other) => other > file);
  // Stands ready as the next file.
  if (sizeBytes === 0 && later.length === 0) return chain;
  const first = Buffer.alloc(FILE_HEADER_BYTES);
  const outcome = decodeFileHeader(first.subarray(0, await handle.read(first, 0)));
  const problem = async (position: number, commit: CommitNumber, text: string): Promise<WalkedProblem> => {
    const places = [{ file, position }, ...later.map((other) => ({ file: other, position: 0 }))];
    const proof = await findProof(disk, directory, places, commit);
    return problemAt(directory, file, position, commit, text, proof === undefined ? 'torn' : 'corrupt');
  };
  if (outcome.kind !== 'header') {
    const text = outcome.kind === 'bad' ? outcome.problem : `format version ${outcome.version} is not known`;
    yield await problem(0, chain?.nextCommit ?? 1, text);
    return undefined;
  }
  const { header } = outcome;
  yield { kind: 'file', file, path: journalPath(directory, file), sizeBytes, header };
  const fault = headerFault(file, header, chain);
  if (fault !== undefined) yield await problem(0, chain?.nextCommit ?? 1, fault);
  const cursor = new CommitCursor(handle, header, sizeBytes, window);
  for (;;) {
    const step = cursor.next();
    if (step === 'more') {
      options.signal?.throwIfAborted();
      await cursor.fill();
    } else if (step === 'commit') {
      yield walkedCommit(file, cursor, options.withRows === true);
    } else {
      if (step === 'end') return { nextCommit: cursor.expectedCommit, checksum: cursor.previousChecksum };
      yield await problem(cursor.position, cursor.expectedCommit, cursor.problem);
      const expected = cursor.expectedCommit;
      const next = await findCommit(
        handle,
        sizeBytes,
        cursor.position + 1,
        (found) => found.incarnation === header.incarnation && found.commit > expected,
      );
      // Without any later commit here, the next file is taken at its word.
      if (next === undefined) return undefined;
      cursor.skipTo(next.position, next.header);
    }
  }
}

function walkedCommit(file: number, cursor: CommitCursor, withRows: boolean): WalkedCommit {
  const { header } = cursor;
  return {
    kind: 'commit',
    file,
    position: cursor.position,
    sizeBytes: cursor.sizeBytes,
    commit: header.commit,
    createdAt: header.createdAt,
    durableCommit: header.durableCommit,
    cleanEnd: header.entryCount === 0,
    entryCount: header.entryCount,
    rows: withRows ? cursor.rows() : [],
  };
}

function headerFault(file: number, header: FileHeader, chain: Chain | undefined): string | undefined {
  if (header.file !== file) return `the header names file ${header.file}`;
  if (chain === undefined) return undefined;
  if (header.firstCommit !== chain.nextCommit) {
    return `the file begins with commit ${header.firstCommit} where ${chain.nextCommit} follows`;
  }
  if (header.previousChecksum === chain.checksum) return undefined;
  return `chain broken: continues ${hex(header.previousChecksum)}, the commit before has ${hex(chain.checksum)}`;
}

function problemAt(
  directory: string,
  file: number,
  position: number,
  commit: CommitNumber,
  problem: string,
  severity: 'torn' | 'corrupt',
): WalkedProblem {
  return { kind: 'problem', file, path: journalPath(directory, file), position, commit, problem, severity };
}
