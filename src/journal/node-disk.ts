/**
 * The Disk over node:fs. Callback functions on file descriptors: a FileHandle costs a few microseconds more per call,
 * which a lone durable append would notice.
 */
import * as fs from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asBuffer } from '../base/bytes.ts';
import { lockDirectory } from './directory-lock.ts';
import type { Disk, DiskFile, DiskLock, DiskSpace } from './disk.ts';
import { makeDirectories } from './make-directories.ts';

/**
 * A file that goes is cut by so much at a time: to free 64 MiB takes a disk up to 50 ms, in which no other file is synced, the
 * journal's least of all. A multiple of pages, so that a read beside it never sees the end of one as zeros.
 */
const CUT_BYTES = 4 * 1024 * 1024;
/** IOV_MAX of Linux and macOS: more pieces in one call are refused with EINVAL. */
export const MAX_PIECES = 1024;

const OPEN_FLAGS = { create: 'wx+', readwrite: 'r+', read: 'r' } as const;

/**
 * The real disk, through node:fs. `list` and `space` block: a thread of the pool that allocates memory, as no other call here has it do,
 * takes over the heap that an ended worker has left in the allocator, and with it megabytes that it never uses and nobody else gets.
 */
export class NodeDisk implements Disk {
  open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile> {
    return new Promise((resolve, reject) => {
      fs.open(path, OPEN_FLAGS[mode], 0o640, (error, descriptor) => {
        if (error === null) resolve(new NodeDiskFile(descriptor, path));
        else reject(error);
      });
    });
  }

  async list(directory: string): Promise<string[]> {
    try {
      return fs.readdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  makeDirectory(path: string): Promise<void> {
    return makeDirectories(path);
  }

  rename(from: string, to: string): Promise<void> {
    return rename(from, to);
  }

  /** Its room is free when it resolves, unless somebody else has a name of the file. */
  async remove(path: string): Promise<void> {
    // Windows does not say how many names a file has once it has none.
    const descriptor = process.platform === 'win32' ? undefined : await openLarge(path);
    try {
      await rm(path, { force: true });
      if (descriptor !== undefined) await this.#free(path, descriptor);
    } finally {
      if (descriptor !== undefined) await call((done) => fs.close(descriptor, done)).catch(() => undefined);
    }
  }

  /** Of a file whose name is gone. Never rejects: what cannot be cut is freed at once, when it is closed. */
  async #free(path: string, descriptor: number): Promise<void> {
    try {
      // A power loss must not bring back a part of it.
      await this.syncDirectory(dirname(path));
      await freeInSteps(descriptor);
    } catch {
      // Who removes files syncs their directory, and hears of it.
    }
  }

  async syncDirectory(path: string): Promise<void> {
    // Windows has no handle on a directory to sync; NTFS journals its metadata.
    if (process.platform === 'win32') return;
    const descriptor = await new Promise<number>((resolve, reject) => {
      fs.open(path, 'r', (error, opened) => (error === null ? resolve(opened) : reject(error)));
    });
    try {
      await call((done) => fs.fsync(descriptor, done));
    } finally {
      await call((done) => fs.close(descriptor, done));
    }
  }

  async space(path: string): Promise<DiskSpace> {
    const { bsize, blocks, bavail } = fs.statfsSync(path);
    return { totalBytes: blocks * bsize, usableBytes: bavail * bsize };
  }

  lockDirectory(path: string): Promise<DiskLock> {
    return lockDirectory(path);
  }
}

class NodeDiskFile implements DiskFile {
  readonly #descriptor: number;
  readonly #path: string;
  #closed = false;

  constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    this.#path = path;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const count = await new Promise<number>((resolve, reject) => {
        fs.read(this.#descriptor, into, filled, into.length - filled, position + filled, (error, bytesRead) => {
          if (error === null) resolve(bytesRead);
          else reject(error);
        });
      });
      if (count === 0) {
        this.#refuseRemoved(await statsOf(this.#descriptor));
        break;
      }
      filled += count;
    }
    return filled;
  }

  readNow(into: Uint8Array, position: number): number {
    let filled = 0;
    while (filled < into.length) {
      const count = fs.readSync(this.#descriptor, into, filled, into.length - filled, position + filled);
      if (count === 0) {
        this.#refuseRemoved(fs.fstatSync(this.#descriptor));
        break;
      }
      filled += count;
    }
    return filled;
  }

  write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (rest: readonly Uint8Array[], at: number): void => {
        if (rest.length === 0) {
          resolve();
          return;
        }
        const part = rest.length > MAX_PIECES ? rest.slice(0, MAX_PIECES) : rest;
        fs.writev(this.#descriptor, part, at, (error, written) => {
          if (error !== null) reject(error);
          else if (written === 0) reject(this.#nothingWritten());
          else step(unwritten(rest, written), at + written);
        });
      };
      step(pieces, position);
    });
  }

  writeSync(pieces: readonly Uint8Array[], position: number): void {
    let rest = pieces;
    let at = position;
    while (rest.length > 0) {
      const first = rest[0] as Uint8Array;
      // The common small commit is one piece: write costs less than writev.
      const written =
        rest.length === 1
          ? fs.writeSync(this.#descriptor, first, 0, first.length, at)
          : fs.writevSync(this.#descriptor, rest.length > MAX_PIECES ? rest.slice(0, MAX_PIECES) : rest, at);
      if (written === 0) throw this.#nothingWritten();
      rest = unwritten(rest, written);
      at += written;
    }
  }

  sync(): Promise<void> {
    return call((done) => fs.fdatasync(this.#descriptor, done));
  }

  syncNow(): void {
    fs.fdatasyncSync(this.#descriptor);
  }

  truncate(sizeBytes: number): Promise<void> {
    return call((done) => fs.ftruncate(this.#descriptor, sizeBytes, done));
  }

  async size(): Promise<number> {
    const stats = await statsOf(this.#descriptor);
    this.#refuseRemoved(stats);
    return stats.size;
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return call((done) => fs.close(this.#descriptor, done));
  }

  /** @throws ENOENT, as if it had been opened a moment later: how long a file still is that is being removed says nothing. */
  #refuseRemoved({ nlink, ino }: fs.Stats): void {
    // There are file systems that do not count names.
    if (nlink > 0 || fs.statSync(this.#path, { throwIfNoEntry: false })?.ino === ino) return;
    throw Object.assign(new Error(`${this.#path} was removed while it was open`), { code: 'ENOENT' });
  }

  #nothingWritten(): NodeJS.ErrnoException {
    return Object.assign(new Error(`write of ${this.#path} took no bytes`), { code: 'EIO' });
  }
}

/** @returns undefined where it is not there, is freed in one step, or cannot be written to. */
async function openLarge(path: string): Promise<number | undefined> {
  const descriptor = await new Promise<number | undefined>((resolve) => {
    fs.open(path, 'r+', (error, opened) => resolve(error === null ? opened : undefined));
  });
  if (descriptor === undefined) return undefined;
  const stats = await statsOf(descriptor).catch(() => undefined);
  // With a name to lose: there are file systems that do not count them.
  if (stats?.isFile() === true && stats.nlink === 1 && stats.size > CUT_BYTES) return descriptor;
  await call((done) => fs.close(descriptor, done));
  return undefined;
}

/** Who reads it meanwhile hears that it is not there. */
async function freeInSteps(descriptor: number): Promise<void> {
  const stats = await statsOf(descriptor);
  // A copy of the directory may be made of links.
  if (stats.nlink > 0) return;
  for (let rest = stats.size; rest > 0; ) {
    rest = Math.floor((rest - 1) / CUT_BYTES) * CUT_BYTES;
    await call((done) => fs.ftruncate(descriptor, rest, done));
  }
}

function statsOf(descriptor: number): Promise<fs.Stats> {
  return new Promise((resolve, reject) => {
    fs.fstat(descriptor, (error, stats) => (error === null ? resolve(stats) : reject(error)));
  });
}

function call(start: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

/** What is left of the pieces after a write that took only `written` bytes. */
export function unwritten(pieces: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let left = written;
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i] as Uint8Array;
    if (left < piece.length) {
      return left === 0 && i === 0 ? pieces : [asBuffer(piece).subarray(left), ...pieces.slice(i + 1)];
    }
    left -= piece.length;
  }
  return [];
}
