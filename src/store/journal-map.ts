/**
 * Which journal file holds which commits. Files of the running journal are known from its recovery and its rolls; older
 * ones, which a checkpoint made unnecessary to replay, by their headers, read when somebody first asks for them.
 */
import { asMillraceError, MillraceError } from '../base/errors.ts';
import type { Disk } from '../journal/disk.ts';
import { decodeFileHeader, FILE_HEADER_BYTES } from '../journal/file-header.ts';
import type { CommitNumber, JournalFile } from '../journal/journal.ts';
import { journalDirectory, journalPath, numberedFiles } from '../journal/paths.ts';

/** A file and the number of its first commit; it ends where the next file begins. */
export interface MappedFile {
  readonly file: number;
  readonly firstCommit: CommitNumber;
}

export class JournalMap {
  readonly #disk: Disk;
  readonly #directory: string;
  /** In order, without gaps. */
  #files: MappedFile[] = [];
  /** Files go from the oldest on: the last that is gone; 0: none is known to be. */
  #lastRemoved = 0;
  #older: Promise<void> | undefined;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Files that were replayed, the active one last. */
  recovered(files: readonly JournalFile[]): void {
    this.#files = files.map(({ file, firstCommit }) => ({ file, firstCommit }));
  }

  /** The first commit of a file: before anybody can ask for it. */
  begun(file: number, firstCommit: CommitNumber): void {
    this.#files.push({ file, firstCommit });
  }

  removed(files: readonly number[]): void {
    const last = files.at(-1);
    if (last === undefined) return;
    this.#lastRemoved = Math.max(this.#lastRemoved, last);
    this.#files = this.#files.filter(({ file }) => file > last);
  }

  /** Reads the headers of files before those that are known, once. @throws STORE_IO, STORE_CORRUPT. */
  async loadOlder(): Promise<void> {
    this.#older ??= this.#readOlder().catch((error: unknown) => {
      this.#older = undefined;
      throw asMillraceError(error, 'STORE_IO');
    });
    await this.#older;
  }

  /** Oldest commit that can be read; 1 where nothing was removed or written yet. Complete after `loadOlder`. */
  get firstCommit(): CommitNumber {
    return this.#files[0]?.firstCommit ?? 1;
  }

  /** The file with the commit, or with the place where it will be. Undefined: it is gone. */
  locate(commit: CommitNumber): MappedFile | undefined {
    let low = 0;
    let high = this.#files.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#files[middle] as MappedFile).firstCommit <= commit) low = middle + 1;
      else high = middle;
    }
    return this.#files[low - 1];
  }

  async #readOlder(): Promise<void> {
    const names = await this.#disk.list(journalDirectory(this.#directory));
    const known = this.#files[0]?.file ?? Number.POSITIVE_INFINITY;
    const older: MappedFile[] = [];
    for (const file of numberedFiles(names, 'journal')) {
      if (file >= known) break;
      const mapped = await this.#readHeader(file);
      if (mapped !== undefined) older.push(mapped);
    }
    // Files may have been closed or removed meanwhile; those that are known by now are not older.
    const first = this.#files[0]?.file ?? Number.POSITIVE_INFINITY;
    const kept = older.filter(({ file }) => file < first && file > this.#lastRemoved);
    this.#files = [...kept, ...this.#files];
  }

  /** @returns undefined: the file is gone. */
  async #readHeader(file: number): Promise<MappedFile | undefined> {
    const path = journalPath(this.#directory, file);
    const bytes = new Uint8Array(FILE_HEADER_BYTES);
    let count: number;
    try {
      count = await readStart(this.#disk, path, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(path, error);
      // The checkpoint worker removes files and says so a moment later.
      this.removed([file]);
      return undefined;
    }
    const outcome = decodeFileHeader(bytes.subarray(0, count));
    if (outcome.kind === 'header') return { file, firstCommit: outcome.header.firstCommit };
    const problem = outcome.kind === 'bad' ? outcome.problem : `format version ${outcome.version}`;
    throw new MillraceError('STORE_CORRUPT', `${path}, position 0: ${problem}. Run 'millrace journal verify'.`, {
      details: { path, position: 0 },
    });
  }
}

async function readStart(disk: Disk, path: string, into: Uint8Array): Promise<number> {
  const handle = await disk.open(path, 'read');
  try {
    return await handle.read(into, 0);
  } finally {
    await handle.close();
  }
}

function unreadable(path: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause;
  return new MillraceError('STORE_IO', `Reading ${path} at 0 failed: ${String(cause)}.`, {
    details: { path, position: 0 },
    cause,
  });
}
