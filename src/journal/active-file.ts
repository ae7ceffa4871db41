/**
 * One journal file that takes commits, or has taken its last and waits to be synced.
 */
import { MillraceError } from '../base/errors.ts';
import type { Disk, DiskFile } from './disk.ts';
import type { CommitNumber, JournalFile } from './journal.ts';
import { journalDirectory, journalPath } from './paths.ts';

export interface ActiveFile {
  readonly file: number;
  readonly path: string;
  readonly handle: DiskFile;
  /** Undefined until the header is decided with the first commit. */
  firstCommit: CommitNumber | undefined;
  /** Bytes handed to the system; where the next commit goes. */
  writtenBytes: number;
  lastCommit: CommitNumber;
  lastChecksum: number;
  /** Something was written since the last sync began. */
  dirty: boolean;
}

export function describe(active: ActiveFile): JournalFile {
  return {
    file: active.file,
    sizeBytes: active.writtenBytes,
    firstCommit: active.firstCommit ?? active.lastCommit + 1,
    lastCommit: active.lastCommit,
    lastChecksum: active.lastChecksum,
  };
}

/**
 * Creates the files ahead of need: empty, with the directory synced, so that rolling waits for nothing. The header
 * goes in with the first commit, in the same write.
 */
export class NextFile {
  readonly #disk: Disk;
  readonly #directory: string;
  #prepared: { readonly file: number; readonly created: Promise<ActiveFile> } | undefined;

  constructor(disk: Disk, directory: string, existing: ActiveFile | undefined) {
    this.#disk = disk;
    this.#directory = directory;
    if (existing !== undefined) this.#prepared = { file: existing.file, created: Promise.resolve(existing) };
  }

  /** Begins to create the file in the background; a failure shows when it is taken. */
  prepare(file: number): void {
    if (this.#prepared !== undefined) return;
    const created = this.#create(file);
    created.catch(() => {});
    this.#prepared = { file, created };
  }

  /** The file, its directory entry durable. A failed preparation is tried once more: space may have been freed. */
  async take(file: number): Promise<ActiveFile> {
    this.prepare(file);
    const prepared = this.#prepared as { file: number; created: Promise<ActiveFile> };
    this.#prepared = undefined;
    try {
      return await prepared.created;
    } catch {
      return await this.#create(file);
    }
  }

  /** Closes what was prepared in vain. The empty file stays: the next start takes it. */
  async close(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared === undefined) return;
    const created = await prepared.created.catch(() => undefined);
    await created?.handle.close();
  }

  async #create(file: number): Promise<ActiveFile> {
    const path = journalPath(this.#directory, file);
    const handle = await createOrAdopt(this.#disk, path);
    try {
      await this.#disk.syncDirectory(journalDirectory(this.#directory));
    } catch (error) {
      await handle.close();
      throw error;
    }
    return emptyFile(file, path, handle);
  }
}

/** An attempt that failed half way leaves an empty file; anything else under this name must not be overwritten. */
async function createOrAdopt(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, 'create');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const handle = await disk.open(path, 'readwrite');
  const sizeBytes = await handle.size();
  if (sizeBytes === 0) return handle;
  await handle.close();
  throw new MillraceError(
    'JOURNAL_IO',
    `Next journal file ${path} already exists with ${sizeBytes} bytes. Who wrote it?`,
    {
      details: { path, sizeBytes },
    },
  );
}

export function emptyFile(file: number, path: string, handle: DiskFile): ActiveFile {
  return { file, path, handle, firstCommit: undefined, writtenBytes: 0, lastCommit: 0, lastChecksum: 0, dirty: false };
}
