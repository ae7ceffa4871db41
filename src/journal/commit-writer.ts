/**
 * Hands closed commits to the disk: writes strictly in order and one at a time, at most one sync in flight, a roll
 * where the next commit belongs to another file.
 *
 * ```
 *  submit ──► queue ──► write ──► written ──► sync pass ──► durable
 *                │ other file: take next file      │ old files first, then the active one
 * ```
 *
 * Writes go on while a sync runs. A sync pass makes durable what was written before it began. On a quick disk the sync
 * after a small write blocks (`sync-times.ts`), and `durable` comes before `submit` returns.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { type ActiveFile, describe, emptyFile, NextFile } from './active-file.ts';
import type { Disk } from './disk.ts';
import { encodeFileHeader } from './file-header.ts';
import type { CommitNumber, JournalFile, SyncPolicy } from './journal.ts';
import { ioFailed, syncFailed, writeFailed } from './journal-errors.ts';
import type { ClosedCommit } from './open-commit.ts';
import { journalPath } from './paths.ts';
import { SyncTimes } from './sync-times.ts';

export interface WriterHooks {
  /** Asked before a sync that follows a write by itself: milliseconds that it may wait. */
  syncDelayMs(): number;
  /** Whether anybody waits for what is written to be synced. */
  isAwaited(): boolean;
  syncBegins(): void;
  /** Every commit up to this one was handed to the system. */
  written(commit: CommitNumber): void;
  /** Every commit up to this one survives a power loss. `blocking`: `submit` is still on the stack. */
  durable(commit: CommitNumber, blocking: boolean): void;
  rolled(closed: JournalFile): void;
  /** Nothing more is written. `durable` commits stay so; all others are refused with the error. */
  failed(error: MillraceError): void;
}

/** Queued commits are merged into one write up to this size. */
const MAX_WRITE_BYTES = 8 * 1024 * 1024;
const MAX_WRITE_PIECES = 1000;

/** Closed files that wait for their sync, before the writer waits for it too. Only without sync per commit. */
const MAX_UNSYNCED_FILES = 2;

/**
 * The same where nobody is promised a sync, so that a burst runs at the speed of memory and not of the disk: so many files
 * wait for each other, for so long. They are synced nevertheless, since a checkpoint must not be ahead of its journal.
 */
const MAX_LAZY_FILES = 8;
const LAZY_SYNC_MS = 2000;

export class CommitWriter {
  readonly #hooks: WriterHooks;
  readonly #clock: Clock;
  readonly #next: NextFile;
  readonly #directory: string;
  /** Sync after each write, as soon as no other sync runs. */
  readonly #syncAlways: boolean;
  /** No sync but that of closed files, which can wait. */
  readonly #lazy: boolean;
  readonly #maxBlockingWriteBytes: number;
  readonly #maxBlockingSyncBytes: number;
  readonly #syncTimes: SyncTimes;
  #active: ActiveFile;
  /** Rolled, not yet durable; oldest first. */
  #closing: ActiveFile[] = [];
  #queue: ClosedCommit[] = [];
  #writing = false;
  #syncing = false;
  #writtenCommit: CommitNumber;
  #durableCommit: CommitNumber;
  #error: MillraceError | undefined;
  /** A sync that waits its delay; never while one runs. */
  #paced: Timer | undefined;
  /** Resolvers that wait for the end of the running write or sync. */
  #idleWaiters: (() => void)[] = [];

  constructor(options: {
    disk: Disk;
    directory: string;
    hooks: WriterHooks;
    clock: Clock;
    sync: SyncPolicy;
    /** Blocking the loop for the copy is cheaper than a trip through the thread pool up to about here. */
    maxBlockingWriteBytes: number;
    /** Likewise for the sync after a write of so many bytes, while the disk is quick. */
    maxBlockingSyncBytes: number;
    active: ActiveFile | undefined;
    prepared: ActiveFile | undefined;
    lastFile: number;
    lastCommit: CommitNumber;
  }) {
    this.#hooks = options.hooks;
    this.#clock = options.clock;
    this.#directory = options.directory;
    this.#syncAlways = options.sync === 'always';
    this.#lazy = options.sync === 'never';
    this.#maxBlockingWriteBytes = options.maxBlockingWriteBytes;
    this.#maxBlockingSyncBytes = options.maxBlockingSyncBytes;
    this.#syncTimes = new SyncTimes(options.clock);
    this.#next = new NextFile(options.disk, options.directory, options.prepared);
    this.#active = options.active ?? noFile(options.lastFile, options.lastCommit);
    this.#writtenCommit = options.lastCommit;
    this.#durableCommit = options.lastCommit;
  }

  get writtenCommit(): CommitNumber {
    return this.#writtenCommit;
  }

  get durableCommit(): CommitNumber {
    return this.#durableCommit;
  }

  get writing(): boolean {
    return this.#writing;
  }

  get syncing(): boolean {
    return this.#syncing;
  }

  submit(commit: ClosedCommit): void {
    this.#queue.push(commit);
    this.#pump();
  }

  /** Begins a sync of all that is written, unless one runs or nothing asks for it. */
  sync(): void {
    this.#startSync(true);
  }

  /** Resolves once everything submitted is written and, where `durable`, synced; or the writer has failed. */
  async drain(durable: boolean): Promise<void> {
    for (;;) {
      if (this.#error === undefined && durable && !this.#writing && this.#queue.length === 0) this.#startSync(true);
      if (!this.#writing && !this.#syncing && (this.#queue.length === 0 || this.#error !== undefined)) return;
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
  }

  /** Closes the files. Call `drain` before. */
  async close(): Promise<void> {
    await this.drain(false);
    this.#paced?.cancel();
    this.#releaseQueue();
    const files = [...this.#closing, this.#active];
    await this.#next.close();
    for (const file of files) await file.handle.close();
  }

  #pump(): void {
    while (!this.#writing && this.#queue.length > 0 && this.#error === undefined) {
      const first = this.#queue[0] as ClosedCommit;
      if (first.file !== this.#active.file) {
        this.#writing = true;
        void this.#roll(first);
        return;
      }
      this.#writeBatch(this.#takeBatch());
    }
  }

  /** Commits at the head of the queue that go into one write: same file, bounded. */
  #takeBatch(): ClosedCommit[] {
    let bytes = 0;
    let pieces = 0;
    let count = 0;
    for (const commit of this.#queue) {
      bytes += commit.sizeBytes;
      pieces += commit.pieces.length;
      if (count > 0 && (commit.file !== this.#active.file || bytes > MAX_WRITE_BYTES || pieces > MAX_WRITE_PIECES))
        break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #writeBatch(batch: readonly ClosedCommit[]): void {
    const active = this.#active;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    if (active.firstCommit === undefined) {
      const header = this.#beginFile(active, batch[0] as ClosedCommit);
      pieces.push(header);
      bytes += header.length;
    }
    for (const commit of batch) {
      bytes += commit.sizeBytes;
      for (const piece of commit.pieces) pieces.push(piece.bytes);
    }
    const position = active.writtenBytes;
    active.dirty = true;
    if (bytes <= this.#maxBlockingWriteBytes) {
      try {
        active.handle.writeSync(pieces, position);
      } catch (error) {
        this.#writing = true;
        void this.#writeFailure(batch, error);
        return;
      }
      this.#wrote(batch, bytes);
      return;
    }
    this.#writing = true;
    void this.#writeAside(batch, pieces, bytes);
  }

  async #writeAside(batch: readonly ClosedCommit[], pieces: readonly Uint8Array[], bytes: number): Promise<void> {
    try {
      await this.#active.handle.write(pieces, this.#active.writtenBytes);
    } catch (error) {
      await this.#writeFailure(batch, error);
      return;
    }
    this.#writing = false;
    this.#wrote(batch, bytes);
    this.#pump();
    this.#wake();
  }

  #beginFile(active: ActiveFile, first: ClosedCommit): Uint8Array {
    active.firstCommit = first.commit;
    active.lastCommit = first.commit - 1;
    active.lastChecksum = first.previousChecksum;
    return encodeFileHeader({
      lane: 0,
      file: active.file,
      incarnation: first.incarnation,
      firstCommit: first.commit,
      createdAt: first.createdAt,
      previousChecksum: first.previousChecksum,
      durableCommit: this.#durableCommit,
    });
  }

  #wrote(batch: readonly ClosedCommit[], bytes: number): void {
    const active = this.#active;
    const last = batch.at(-1) as ClosedCommit;
    active.writtenBytes += bytes;
    // Again, since a sync that began during the write has taken the mark with it and may have missed the bytes.
    active.dirty = true;
    active.lastCommit = last.commit;
    active.lastChecksum = last.checksum;
    this.#writtenCommit = last.commit;
    releasePieces(batch);
    if (last.halfFull) this.#next.prepare(active.file + 1);
    if (bytes > this.#maxBlockingSyncBytes || !this.#syncTimes.quick || !this.#mayBlock(active)) {
      this.#syncSoon();
      this.#hooks.written(last.commit);
      return;
    }
    this.#hooks.written(last.commit);
    // Whoever heard of the write may have submitted more.
    if (this.#mayBlock(active)) this.#syncNow(active);
    else this.#syncSoon();
  }

  #mayBlock(active: ActiveFile): boolean {
    const idle = !this.#syncing && !this.#writing && this.#active === active && this.#closing.length === 0;
    const can = this.#syncAlways && active.handle.syncNow !== undefined;
    return can && idle && this.#error === undefined && this.#hooks.isAwaited();
  }

  #syncNow(active: ActiveFile): void {
    this.#paced?.cancel();
    this.#paced = undefined;
    active.dirty = false;
    this.#hooks.syncBegins();
    const startedAt = this.#clock.monotonic();
    try {
      active.handle.syncNow?.();
    } catch (error) {
      this.#fail(syncFailed(active.path, error));
      return;
    }
    this.#syncTimes.add(this.#clock.monotonic() - startedAt, true);
    this.#durableCommit = this.#writtenCommit;
    this.#hooks.durable(this.#durableCommit, true);
  }

  async #roll(first: ClosedCommit): Promise<void> {
    try {
      const maxFiles = this.#lazy ? MAX_LAZY_FILES : MAX_UNSYNCED_FILES;
      while (this.#closing.length >= maxFiles && this.#error === undefined) await this.#syncEnd();
      const next = await this.#next.take(first.file);
      if (this.#active.firstCommit !== undefined) this.#closing.push(this.#active);
      this.#active = next;
    } catch (error) {
      await this.#stopAfterWrite(writeFailed(journalPath(this.#directory, first.file), error));
      return;
    }
    this.#writing = false;
    this.#syncClosing();
    this.#pump();
    this.#wake();
  }

  #syncClosing(): void {
    if (!this.#lazy || this.#closing.length >= MAX_LAZY_FILES) this.#startSync(this.#syncAlways);
    else if (!this.#syncing) this.#paced ??= this.#clock.schedule(LAZY_SYNC_MS, () => this.#startSync(false));
  }

  /** With sync after each write: begins one, at once or a little later, where it then takes more writes along. */
  #syncSoon(): void {
    if (!this.#syncAlways || this.#syncing) return;
    const delayMs = this.#hooks.syncDelayMs();
    if (delayMs <= 0) this.#startSync(true);
    else this.#paced ??= this.#clock.schedule(delayMs, () => this.#startSync(true));
  }

  #startSync(withActive: boolean): void {
    if (this.#syncing || this.#error !== undefined) return;
    this.#paced?.cancel();
    this.#paced = undefined;
    if (this.#closing.length === 0 && !(withActive && this.#active.dirty)) return;
    this.#syncing = true;
    this.#hooks.syncBegins();
    void this.#syncPass(withActive);
  }

  async #syncPass(withActive: boolean): Promise<void> {
    const closing = this.#closing;
    this.#closing = [];
    const active = withActive && this.#active.dirty ? this.#active : undefined;
    // Now and not when its turn comes: what is written in between is beyond `reached` and asks for another pass.
    if (active !== undefined) active.dirty = false;
    const reached = withActive ? this.#writtenCommit : (closing.at(-1) as ActiveFile).lastCommit;
    const startedAt = this.#clock.monotonic();
    let path = '';
    try {
      for (const file of closing) {
        path = file.path;
        await file.handle.sync();
      }
      if (active !== undefined) {
        path = active.path;
        await active.handle.sync();
      }
    } catch (error) {
      this.#syncing = false;
      this.#closing = [...closing, ...this.#closing];
      this.#fail(syncFailed(path, error));
      return;
    }
    this.#syncing = false;
    this.#syncTimes.add(this.#clock.monotonic() - startedAt, false);
    this.#durableCommit = Math.max(this.#durableCommit, reached);
    this.#hooks.durable(this.#durableCommit, false);
    for (const file of closing) this.#hooks.rolled(describe(file));
    // More may have been written, or rolled, while the sync ran.
    if (this.#closing.length > 0) this.#syncClosing();
    else this.#syncSoon();
    this.#wake();
    for (const file of closing) await file.handle.close().catch(() => {});
  }

  /**
   * A write failed. What was written before it still counts, so it is synced; the remains of the failed write are cut
   * off, so that a refusal for lack of space means that nothing of it is there after a restart.
   */
  async #writeFailure(batch: readonly ClosedCommit[], cause: unknown): Promise<void> {
    await this.#stopAfterWrite(writeFailed(this.#active.path, cause), batch);
  }

  async #stopAfterWrite(error: MillraceError, batch: readonly ClosedCommit[] = []): Promise<void> {
    while (this.#syncing) await this.#syncEnd();
    releasePieces(batch);
    if (this.#error === undefined) {
      const outcome = await this.#cutAndSync(error);
      this.#writing = false;
      this.#fail(outcome);
      return;
    }
    this.#writing = false;
    this.#wake();
  }

  /** @returns the error to refuse with: the given one where the file is known to end before the failed write. */
  async #cutAndSync(error: MillraceError): Promise<MillraceError> {
    const active = this.#active;
    const reached = this.#writtenCommit;
    try {
      for (const file of this.#closing) await file.handle.sync();
      await active.handle.truncate(active.writtenBytes);
      await active.handle.sync();
    } catch (second) {
      return ioFailed('write', active.path, new AggregateError([error, second], error.message, { cause: error.cause }));
    }
    this.#durableCommit = reached;
    this.#hooks.durable(reached, false);
    return error;
  }

  #fail(error: MillraceError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#releaseQueue();
    this.#hooks.failed(error);
    this.#wake();
  }

  #releaseQueue(): void {
    releasePieces(this.#queue);
    this.#queue = [];
  }

  async #syncEnd(): Promise<void> {
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  #wake(): void {
    if (this.#idleWaiters.length === 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}

function releasePieces(batch: readonly ClosedCommit[]): void {
  for (const commit of batch) for (const piece of commit.pieces) piece.lease.release();
}

/** Stands for the file before the first one. */
function noFile(file: number, lastCommit: CommitNumber): ActiveFile {
  const handle = {
    read: () => Promise.resolve(0),
    write: () => Promise.reject(new MillraceError('INTERNAL', 'no journal file is open')),
    writeSync: () => {
      throw new MillraceError('INTERNAL', 'no journal file is open');
    },
    sync: () => Promise.resolve(),
    truncate: () => Promise.resolve(),
    size: () => Promise.resolve(0),
    close: () => Promise.resolve(),
  };
  const none = emptyFile(file, '', handle);
  none.lastCommit = lastCommit;
  return none;
}
