/** A disk over another one: what it does not say differently, the one below does. */
import type { Disk, DiskFile, DiskLock, DiskSpace } from './disk.ts';

export abstract class DiskOver implements Disk {
  readonly inner: Disk;

  constructor(inner: Disk) {
    this.inner = inner;
  }

  abstract open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile>;

  list(directory: string): Promise<string[]> {
    return this.inner.list(directory);
  }

  makeDirectory(path: string): Promise<void> {
    return this.inner.makeDirectory(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.inner.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return this.inner.remove(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.inner.syncDirectory(path);
  }

  space(path: string): Promise<DiskSpace> {
    return this.inner.space(path);
  }

  lockDirectory(path: string): Promise<DiskLock> {
    return this.inner.lockDirectory(path);
  }
}
