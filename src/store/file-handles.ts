/**
 * Open files for reading, by path: opened on first use, the least recently used closed beyond a limit, never while a
 * read runs on it.
 */
import { MillraceError } from '../base/errors.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { Disk, DiskFile } from '../journal/disk.ts';

interface Handle {
  readonly file: Promise<DiskFile>;
  users: number;
}

/**
 * Reads at once. The thread pool also runs the journal's fdatasync, which must always find a free thread, or a consumer
 * that catches up would delay every acknowledgement.
 */
const MAX_CONCURRENT_READS = 3;

export class FileHandles {
  readonly #disk: Disk;
  readonly #maxOpen: number;
  readonly #handles = new Map<string, Handle>();
  readonly #reads = new Semaphore(MAX_CONCURRENT_READS);
  /** Bytes read from disk since the start; for the metrics. */
  bytesRead = 0;

  constructor(disk: Disk, maxOpen = 128) {
    this.#disk = disk;
    this.#maxOpen = maxOpen;
  }

  /**
   * Fills `into` from `position`.
   *
   * @throws STORE_IO where the system refuses; STORE_CORRUPT where the file ends before `into` is full.
   */
  async read(path: string, into: Uint8Array, position: number): Promise<void> {
    await this.#reads.run(async () => {
      const handle = this.#use(path);
      try {
        const count = await (await handle.file).read(into, position);
        this.bytesRead += count;
        if (count < into.length) throw endsEarly(path, position + count, position + into.length);
      } catch (error) {
        if (error instanceof MillraceError) throw error;
        throw new MillraceError('STORE_IO', `Reading ${path} at ${position} failed: ${String(error)}.`, {
          details: { path, position, sizeBytes: into.length },
          cause: error,
        });
      } finally {
        handle.users -= 1;
      }
    });
  }

  async close(): Promise<void> {
    const open = [...this.#handles.values()];
    this.#handles.clear();
    for (const handle of open) await handle.file.then((file) => file.close()).catch(() => undefined);
  }

  #use(path: string): Handle {
    const known = this.#handles.get(path);
    const handle = known ?? { file: this.#disk.open(path, 'read'), users: 0 };
    // A failed open is not remembered: the file may be there the next time.
    if (known === undefined) handle.file.catch(() => this.#handles.delete(path));
    this.#handles.delete(path);
    this.#handles.set(path, handle);
    handle.users += 1;
    if (this.#handles.size > this.#maxOpen) this.#closeIdle();
    return handle;
  }

  #closeIdle(): void {
    for (const [path, handle] of this.#handles) {
      if (handle.users > 0) continue;
      this.#handles.delete(path);
      handle.file.then((file) => file.close()).catch(() => undefined);
      return;
    }
  }
}

function endsEarly(path: string, end: number, wanted: number): MillraceError {
  return new MillraceError('STORE_CORRUPT', `${path} ends at ${end}; bytes up to ${wanted} should be there.`, {
    details: { path, end, wanted },
  });
}
