/**
 * Which journal file holds which commits. Files of the running journal are known from its recovery and its rolls; older
 * ones, which a checkpoint made unnecessary to replay, by their headers, read when somebody first asks for them.
 */
import { MillraceError } from '../base/errors.ts';
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
    if (last !== undefined) this.#files = this.#files.filter(({ file }) => file > last);
  }

  /** Reads the headers of files before those that are known, once. @throws STORE_IO, STORE_CORRUPT. */
  async loadOlder(): Promise<void> {
    this.#older ??= this.#readOlder().catch((error: unknown) => {
      this.#older = undefined;
      throw error;
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
    for (const file of numberedFiles(names, 'journal')) if (file < known) older.push(await this.#readHeader(file));
    // Files may have been closed or removed meanwhile; those that are known by now are not older.
    const first = this.#files[0]?.file ?? Number.POSITIVE_INFINITY;
    this.#files = [...older.filter(({ file }) => file < first), ...this.#files];
  }

  async #readHeader(file: number): Promise<MappedFile> {
    const path = journalPath(this.#directory, file);
    const bytes = new Uint8Array(FILE_HEADER_BYTES);
    const handle = await this.#disk.open(path, 'read');
    try {
      const outcome = decodeFileHeader(bytes.subarray(0, await handle.read(bytes, 0)));
      if (outcome.kind === 'header') return { file, firstCommit: outcome.header.firstCommit };
      const problem = outcome.kind === 'bad' ? outcome.problem : `format version ${outcome.version}`;
      throw new MillraceError('STORE_CORRUPT', `${path}, position 0: ${problem}. Run 'millrace journal verify'.`, {
        details: { path, position: 0 },
      });
    } finally {
      await handle.close();
    }
  }
}
