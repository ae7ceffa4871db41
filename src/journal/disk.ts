/**
 * The file system as the journal and the store use it, so that tests replace it by one that loses, tears and refuses
 * (`test/kit/fake-disk.ts`). Paths are absolute or relative to the process, as in node:fs.
 *
 * Errors are those of node:fs (`code` ENOSPC, EIO, ENOENT...); the callers translate them.
 */
export interface Disk {
  /** Opens for reading and writing; `create` fails where the file exists. */
  open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile>;
  /** Names (not paths) in a directory, in no order; an absent directory is empty. */
  list(directory: string): Promise<string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /**
   * An absent file is no error. Who has it open, in this process or another, may hear from now on that it is not there (ENOENT): it is
   * cut in steps, so that syncs of other files do not wait until all of it is freed.
   */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in the directory survive a power loss. */
  syncDirectory(path: string): Promise<void>;
  /** Of the file system that holds the path, in bytes; -1 where it is not known. */
  space(path: string): Promise<DiskSpace>;
  /**
   * Takes the data directory for this process alone; the kernel gives it back when the process dies, however it dies.
   * @throws MillraceError JOURNAL_LOCKED, naming the holder, also for a second lock in the same process.
   */
  lockDirectory(path: string): Promise<DiskLock>;
}

export interface DiskSpace {
  readonly totalBytes: number;
  /** What this process may still use. */
  readonly usableBytes: number;
}

export interface DiskLock {
  /** Safe to call twice. */
  release(): Promise<void>;
}

export interface DiskFile {
  /** Reads up to `into.length` bytes; fewer only at the end of the file. @throws ENOENT where the file was removed meanwhile. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** The same, blocking: for worker threads, and few bytes that are in memory most likely. Absent where it cannot be had. */
  readNow?(into: Uint8Array, position: number): number;
  /** Writes all bytes of all pieces, back to back. Not durable before `sync`. */
  write(pieces: readonly Uint8Array[], position: number): Promise<void>;
  /** The same, blocking: cheaper than the thread pool below some tens of KiB. */
  writeSync(pieces: readonly Uint8Array[], position: number): void;
  /** fdatasync. What was written before the call began is durable when it resolves. */
  sync(): Promise<void>;
  /** The same, blocking; undefined where it cannot be had. */
  readonly syncNow?: (() => void) | undefined;
  truncate(sizeBytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}
