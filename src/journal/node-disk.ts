/**
 * The Disk over node:fs. Callback functions on file descriptors: a FileHandle costs a few microseconds more per call,
 * which a lone durable append would notice.
 */
import * as fs from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { asBuffer } from '../base/bytes.ts';
import { lockDirectory } from './directory-lock.ts';
import type { Disk, DiskFile, DiskLock, DiskSpace } from './disk.ts';
import { makeDirectories } from './make-directories.ts';

/** IOV_MAX of Linux and macOS: more pieces in one call are refused with EINVAL. */
const MAX_PIECES = 1024;

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

  remove(path: string): Promise<void> {
    return rm(path, { force: true });
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
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  readNow(into: Uint8Array, position: number): number {
    let filled = 0;
    while (filled < into.length) {
      const count = fs.readSync(this.#descriptor, into, filled, into.length - filled, position + filled);
      if (count === 0) break;
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

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#descriptor, (error, stats) => (error === null ? resolve(stats.size) : reject(error)));
    });
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return call((done) => fs.close(this.#descriptor, done));
  }

  #nothingWritten(): NodeJS.ErrnoException {
    return Object.assign(new Error(`write of ${this.#path} took no bytes`), { code: 'EIO' });
  }
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
