/**
 * Open files for reading, by path: opened on first use, the least recently used closed beyond a limit, never while a
 * read runs on it.
 */
import type { BufferPool, Lease } from '../base/buffer-pool.ts';
import { MillraceError } from '../base/errors.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { Disk, DiskFile } from '../journal/disk.ts';

interface Handle {
  readonly file: Promise<DiskFile>;
  users: number;
  /** Not in the map any more; the last user closes it. */
  forgotten: boolean;
}

/**
 * Reads at once. The thread pool also runs the journal's fdatasync, which must always find a free thread, or a consumer
 * that catches up would delay every acknowledgement.
 */
const MAX_CONCURRENT_READS = 3;
/**
 * A large read is done in parts at the same time, where nobody else reads: from a cold disk three of them bring 1.5 times what one does.
 * They begin at such positions, so that no block of a compressed file is opened for two of them.
 */
const PART_ALIGNMENT = 128 * 1024;
const MIN_PART_BYTES = 2 * PART_ALIGNMENT;

export class FileHandles {
  readonly #disk: Disk;
  readonly #maxOpen: number;
  readonly #handles = new Map<string, Handle>();
  readonly #reads = new Semaphore(MAX_CONCURRENT_READS);
  #running = 0;
  #closed = false;
  readonly #drained: (() => void)[] = [];
  /** Bytes read from disk since the start; for the metrics. */
  bytesRead = 0;

  constructor(disk: Disk, maxOpen = 128) {
    this.#disk = disk;
    this.#maxOpen = maxOpen;
  }

  /**
   * Fills `into` from `position`.
   *
   * @throws STORE_IO where the system refuses; STORE_CORRUPT where the file ends before `into` is full; STORE_CLOSED.
   */
  async read(path: string, into: Uint8Array, position: number): Promise<void> {
    await this.#reads.run(() => this.#fillInParts(path, into, position));
  }

  /** Reads into memory from the pool, taken when the read's turn has come: reads that wait hold none. As `read`. */
  async readLease(pool: BufferPool, path: string, sizeBytes: number, position: number, inParts = true): Promise<Lease> {
    return await this.#reads.run(async () => {
      const lease = pool.acquire(sizeBytes);
      try {
        const into = lease.bytes.subarray(0, sizeBytes);
        await (inParts ? this.#fillInParts(path, into, position) : this.#fill(path, into, position));
        return lease;
      } catch (error) {
        lease.release();
        throw error;
      }
    });
  }

  /** As `readLease`, but a file that ends earlier is no error: `count` says how many bytes there are. */
  async readUpTo(
    pool: BufferPool,
    path: string,
    maxBytes: number,
    position: number,
  ): Promise<{ readonly lease: Lease; readonly count: number }> {
    return await this.#reads.run(() =>
      this.#with(path, position, async (file) => {
        const lease = pool.acquire(maxBytes);
        try {
          const count = await file.read(lease.bytes.subarray(0, maxBytes), position);
          this.bytesRead += count;
          return { lease, count };
        } catch (error) {
          lease.release();
          throw error;
        }
      }),
    );
  }

  /** A whole file. As `read`. */
  async readWhole(path: string): Promise<Uint8Array> {
    return await this.#reads.run(() =>
      this.#with(path, 0, async (file) => {
        const bytes = new Uint8Array(await file.size());
        const count = await file.read(bytes, 0);
        this.bytesRead += count;
        return bytes.subarray(0, count);
      }),
    );
  }

  /** The last `sizeBytes` of a file, fewer where it is shorter, and its length. As `read`. */
  async readEnd(path: string, sizeBytes: number): Promise<{ readonly bytes: Uint8Array; readonly fileBytes: number }> {
    return await this.#reads.run(() =>
      this.#with(path, 0, async (file) => {
        const fileBytes = await file.size();
        const bytes = new Uint8Array(Math.min(sizeBytes, fileBytes));
        const count = await file.read(bytes, fileBytes - bytes.length);
        this.bytesRead += count;
        return { bytes: bytes.subarray(0, count), fileBytes };
      }),
    );
  }

  /** The file was replaced or removed: its handle is closed as soon as nobody reads through it. */
  forget(path: string): void {
    const handle = this.#handles.get(path);
    if (handle === undefined) return;
    this.#drop(path, handle);
    if (handle.users === 0) closeQuietly(handle);
  }

  /** Waits for the reads that run: a descriptor closed under a read may by then be another file's. Later ones are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#handles.values()];
    this.#handles.clear();
    if (this.#running > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
    for (const handle of open) await handle.file.then((file) => file.close()).catch(() => undefined);
  }

  /** In a place of `#reads`; what else of them is free helps. */
  async #fillInParts(path: string, into: Uint8Array, position: number): Promise<void> {
    if (into.length < 2 * MIN_PART_BYTES) return await this.#fill(path, into, position);
    const parts = partsOf(into, position).values();
    const work = async (): Promise<void> => {
      for (const part of parts) await this.#fill(path, part.into, part.position);
    };
    const all = [work()];
    while (all.length < MAX_CONCURRENT_READS) all.push(this.#reads.tryRun(work) ?? Promise.resolve());
    // All of them end before the memory is anybody else's.
    for (const end of await Promise.allSettled(all)) if (end.status === 'rejected') throw end.reason;
  }

  async #fill(path: string, into: Uint8Array, position: number): Promise<void> {
    await this.#with(path, position, async (file) => {
      const count = await file.read(into, position);
      this.bytesRead += count;
      if (count < into.length) throw endsEarly(path, position + count, position + into.length);
    });
  }

  async #with<T>(path: string, position: number, work: (file: DiskFile) => Promise<T>): Promise<T> {
    if (this.#closed) throw new MillraceError('STORE_CLOSED', `${path} is not read any more: the broker is closing.`);
    const handle = this.#use(path);
    this.#running += 1;
    try {
      return await work(await handle.file);
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      // It was removed: another one may have its name.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.#drop(path, handle);
      throw new MillraceError('STORE_IO', `Reading ${path} at ${position} failed: ${String(error)}.`, {
        details: { path, position },
        cause: error,
      });
    } finally {
      handle.users -= 1;
      if (handle.forgotten && handle.users === 0) closeQuietly(handle);
      this.#running -= 1;
      if (this.#running === 0) for (const resolve of this.#drained.splice(0)) resolve();
    }
  }

  #use(path: string): Handle {
    const known = this.#handles.get(path);
    const handle = known ?? { file: this.#disk.open(path, 'read'), users: 0, forgotten: false };
    // A failed open is not remembered: the file may be there the next time.
    if (known === undefined) {
      handle.file.catch(() => {
        if (this.#handles.get(path) === handle) this.#handles.delete(path);
      });
    }
    this.#handles.delete(path);
    this.#handles.set(path, handle);
    handle.users += 1;
    if (this.#handles.size > this.#maxOpen) this.#closeIdle();
    return handle;
  }

  #drop(path: string, handle: Handle): void {
    if (this.#handles.get(path) === handle) this.#handles.delete(path);
    handle.forgotten = true;
  }

  #closeIdle(): void {
    for (const [path, handle] of this.#handles) {
      if (handle.users > 0) continue;
      this.#handles.delete(path);
      closeQuietly(handle);
      return;
    }
  }
}

function partsOf(into: Uint8Array, position: number): { readonly into: Uint8Array; readonly position: number }[] {
  const end = position + into.length;
  const partBytes = Math.max(MIN_PART_BYTES, Math.ceil(into.length / MAX_CONCURRENT_READS));
  const parts = [];
  for (let from = position; from < end; ) {
    const aligned = Math.ceil((from + partBytes) / PART_ALIGNMENT) * PART_ALIGNMENT;
    const to = Math.min(end, aligned);
    parts.push({ into: into.subarray(from - position, to - position), position: from });
    from = to;
  }
  return parts;
}

/** The file that a read was for is not there (any more). */
export function isMissingFile(error: unknown): boolean {
  return error instanceof MillraceError && (error.cause as { code?: unknown } | undefined)?.code === 'ENOENT';
}

function closeQuietly(handle: Handle): void {
  handle.file.then((file) => file.close()).catch(() => undefined);
}

function endsEarly(path: string, end: number, wanted: number): MillraceError {
  return new MillraceError('STORE_CORRUPT', `${path} ends at ${end}; bytes up to ${wanted} should be there.`, {
    details: { path, end, wanted },
  });
}
