/**
 * The journal on a local disk: many transactions per commit, one write and one sync for all of them.
 *
 * When a commit is closed and written:
 * - at the end of the event-loop turn in which its first entry was staged, or at once past MAX_COMMIT_BYTES;
 * - not while a write runs: what is staged meanwhile goes out together when it ends;
 * - with `sync: always`, not while a sync runs either, when it is small and nobody waits for `written`: it would wait
 *   for the next sync anyway, and so one write and one sync serve all who came meanwhile. Large ones are written
 *   beside the running sync.
 *
 * State: running ──close()──► closing ──► closed; running ──failure──► stopped ──close()──► closed.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { asMillraceError, assert, MillraceError } from '../base/errors.ts';
import { FLAG_CLEAN_END } from './commit.ts';
import { CommitWriter } from './commit-writer.ts';
import type { Disk, DiskLock } from './disk.ts';
import type {
  CommitMemory,
  CommitNumber,
  Fold,
  Journal,
  JournalFile,
  JournalObserver,
  JournalStatus,
  SyncPolicy,
  Transaction,
} from './journal.ts';
import { type ClosedCommit, OpenCommit } from './open-commit.ts';
import { type Recovered, type RecoveryReport, type ReplayStart, recover } from './recovery.ts';
import { SettleQueue, settleOne } from './settle-queue.ts';

export interface LocalJournalOptions {
  /** The data directory; journal files are in `journal/` below it. Created where absent. */
  readonly directory: string;
  readonly disk: Disk;
  readonly fold: Fold;
  readonly clock: Clock;
  readonly pool: BufferPool;
  readonly memory: CommitMemory;
  readonly observer: JournalObserver;
  readonly sync: SyncPolicy;
  /** With `sync: interval` only: longest time between a write and its sync. Default 1000. */
  readonly syncIntervalMs?: number;
  /** A file takes no new commit from this size on. Default 128 MiB. */
  readonly fileBytes?: number;
  /** A file takes no new commit from this many runs of batches on: bounds the index of the active file. Default 500,000. */
  readonly fileEntries?: number;
  /** Staged and not yet published bytes beyond which transactions are refused. Default 64 MiB. */
  readonly maxStagedBytes?: number;
  /** Where replay begins: after the checkpoint that the fold was loaded from. Undefined: from the first file. */
  readonly from?: ReplayStart | undefined;
  /** Uniform in [0, 1), like Math.random. Names incarnations of files; need not be unpredictable. */
  readonly random: () => number;
  /** Writes up to this size block the thread. Default 64 KiB. */
  readonly maxBlockingWriteBytes?: number;
  /** Syncs after writes up to this size block the thread while the disk is quick. Default 0: none. */
  readonly maxBlockingSyncBytes?: number;
  /** From this size on a commit is written while a sync runs. Default 64 KiB. */
  readonly overlapBytes?: number;
  /** The directory's lock, when the caller holds it already and releases it after `close`. */
  readonly lock?: DiskLock | undefined;
}

/** Enough to amortize a sync (1 MB takes 0.7 ms, 100 KB half of it), little enough to bound recovery's window. */
const MAX_COMMIT_BYTES = 4 * 1024 * 1024;
const MAX_COMMIT_ENTRIES = 16 * 1024;

/** Written transactions between two syncs from which on the next sync waits for more. */
const PACE_FROM_TRANSACTIONS = 16;
/** How long: readers see records so much later, and 200 syncs a second are left. */
const PACE_SYNC_MS = 5;

/** Transactions that wait for a degree; those without entries count in no other limit. */
const MAX_WAITING = 256 * 1024;

export class LocalJournal implements Journal {
  /** What the start found: for the log, and for whoever keeps track of files. */
  readonly recovery: RecoveryReport;
  readonly #clock: Clock;
  readonly #fold: Fold;
  readonly #memory: CommitMemory;
  readonly #observer: JournalObserver;
  readonly #sync: SyncPolicy;
  readonly #syncIntervalMs: number;
  readonly #maxStagedBytes: number;
  readonly #overlapBytes: number;
  readonly #lock: DiskLock | undefined;
  readonly #open: OpenCommit;
  readonly #writer: CommitWriter;
  readonly #writtenQueue = new SettleQueue();
  readonly #durableQueue = new SettleQueue();
  /** Closed, not yet published; oldest first. */
  #unpublished: ClosedCommit[] = [];
  /** Bytes of the closed and unpublished commits. */
  #closedBytes = 0;
  /** Of the last commit that was closed. */
  #lastFile: number;
  #publishedCommit: CommitNumber;
  #state: 'running' | 'stopped' | 'closing' | 'closed' = 'running';
  #error: MillraceError | undefined;
  #building = false;
  #flushScheduled = false;
  /** Somebody waits for `written`: the open commit does not wait for a sync. */
  #hurried = false;
  #syncTimer: Timer | undefined;
  /** Transactions of degree `written` so far, and when the last sync began. */
  #writtenAsked = 0;
  #writtenAtSync = 0;
  #relief: (() => void)[] = [];
  /** Resolves when all that waited at a stop have been told. */
  #refused: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /**
   * Takes the lock, replays into the fold and starts. The fold holds the checkpoint's state when this is called.
   *
   * @throws MillraceError JOURNAL_LOCKED; JOURNAL_CORRUPT, JOURNAL_FORMAT_UNSUPPORTED (nothing was changed);
   *   JOURNAL_IO, JOURNAL_NO_SPACE. Source: docs/formats.md, recovery.
   */
  static async open(options: LocalJournalOptions): Promise<LocalJournal> {
    const ownLock = options.lock === undefined ? await options.disk.lockDirectory(options.directory) : undefined;
    try {
      const recovered = await recover(options);
      options.fold.published(recovered.end.lastCommit);
      return new LocalJournal(options, recovered, ownLock);
    } catch (error) {
      await ownLock?.release();
      throw error;
    }
  }

  private constructor(options: LocalJournalOptions, recovered: Recovered, lock: DiskLock | undefined) {
    this.#clock = options.clock;
    this.#fold = options.fold;
    this.#memory = options.memory;
    this.#observer = options.observer;
    this.#sync = options.sync;
    this.#syncIntervalMs = options.syncIntervalMs ?? 1000;
    this.#maxStagedBytes = options.maxStagedBytes ?? 64 * 1024 * 1024;
    this.#overlapBytes = options.overlapBytes ?? 64 * 1024;
    this.#lock = lock;
    this.recovery = recovered.report;
    this.#publishedCommit = recovered.end.lastCommit;
    this.#lastFile = recovered.active === undefined ? 0 : recovered.end.file;
    this.#open = new OpenCommit(options.fold, options.pool, recovered.end, {
      fileBytes: options.fileBytes ?? 128 * 1024 * 1024,
      fileEntries: options.fileEntries ?? 500_000,
      newIncarnation: () => Math.floor(options.random() * Number.MAX_SAFE_INTEGER),
      now: () => options.clock.now(),
    });
    this.#writer = new CommitWriter({
      disk: options.disk,
      directory: options.directory,
      sync: options.sync,
      maxBlockingWriteBytes: options.maxBlockingWriteBytes ?? 64 * 1024,
      maxBlockingSyncBytes: options.maxBlockingSyncBytes ?? 0,
      active: recovered.active,
      prepared: recovered.prepared,
      lastFile: recovered.end.file,
      lastCommit: recovered.end.lastCommit,
      clock: options.clock,
      hooks: {
        syncDelayMs: () => this.#syncDelayMs(),
        isAwaited: () => this.#durableQueue.length > 0,
        syncBegins: () => {
          this.#writtenAtSync = this.#writtenAsked;
        },
        written: (commit) => this.#onWritten(commit),
        durable: (commit, blocking) => this.#onDurable(commit, blocking),
        rolled: (file) => this.#onRolled(file),
        failed: (error) => this.#stop(error),
      },
    });
  }

  get #stagedBytes(): number {
    return this.#closedBytes + this.#open.sizeBytes;
  }

  get congested(): boolean {
    return this.#stagedBytes > this.#maxStagedBytes / 2;
  }

  transact(transaction: Transaction): void {
    assert(!this.#building, 'transact was called from inside a build');
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      settleOne(transaction, refusal);
      return;
    }
    const open = this.#open;
    open.beginTransaction();
    this.#building = true;
    try {
      transaction.build(open);
    } catch (error) {
      this.#building = false;
      this.#buildFailed(transaction, error);
      return;
    }
    this.#building = false;
    if (open.broken !== undefined) {
      this.#buildFailed(transaction, open.broken);
      return;
    }
    this.#enqueue(transaction);
    if (open.sizeBytes >= MAX_COMMIT_BYTES || open.entryCount >= MAX_COMMIT_ENTRIES) this.#closeOpen(0);
    else if (open.staged) this.#scheduleFlush();
  }

  status(): JournalStatus {
    return {
      state: this.#state === 'closing' ? 'closed' : this.#state,
      error: this.#error,
      headCommit: this.#open.commit - (this.#open.entryCount > 0 ? 0 : 1),
      writtenCommit: this.#writer.writtenCommit,
      publishedCommit: this.#publishedCommit,
      stagedBytes: this.#stagedBytes,
    };
  }

  /** The file that takes commits, and its size so far. File 0: nothing was ever written. */
  get activeFile(): { readonly file: number; readonly sizeBytes: number } {
    const { file, position } = this.#open.end;
    return { file, sizeBytes: position };
  }

  /**
   * The active file is closed before its time: the next commit that is begun goes to a new one. Nothing happens until
   * something is staged.
   */
  rollNext(): void {
    this.#open.rollNext();
  }

  onRelief(callback: () => void): void {
    this.#relief.push(callback);
    if (!this.congested || this.#state !== 'running') queueMicrotask(() => this.#relieve());
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #refusal(): MillraceError | undefined {
    if (this.#state === 'running') {
      const waiting = Math.max(this.#durableQueue.length, this.#writtenQueue.length);
      if (this.#stagedBytes <= this.#maxStagedBytes && waiting < MAX_WAITING) return undefined;
      return new MillraceError(
        'JOURNAL_OVERLOADED',
        `The journal has ${this.#stagedBytes} bytes and ${waiting} transactions waiting for the disk. Try again later.`,
        { details: { stagedBytes: this.#stagedBytes, waiting, maxStagedBytes: this.#maxStagedBytes } },
      );
    }
    if (this.#state === 'stopped') {
      return new MillraceError('JOURNAL_STOPPED', `The journal has stopped: ${this.#error?.message ?? ''}`, {
        cause: this.#error,
      });
    }
    return new MillraceError('JOURNAL_CLOSED', 'The journal is closed.');
  }

  #enqueue(transaction: Transaction): void {
    const commit = this.#open.commit - (this.#open.entryCount > 0 ? 0 : 1);
    switch (transaction.degree) {
      case 'admitted':
        settleOne(transaction, undefined);
        return;
      case 'written':
        if (commit <= this.#writer.writtenCommit && this.#writtenQueue.length === 0) {
          settleOne(transaction, undefined);
          return;
        }
        this.#writtenQueue.push(transaction, commit);
        this.#writtenAsked += 1;
        if (this.#open.entryCount > 0) this.#hurried = true;
        return;
      case 'durable':
        if (commit <= this.#publishedCommit && this.#durableQueue.length === 0) settleOne(transaction, undefined);
        else this.#durableQueue.push(transaction, commit);
        return;
      default:
        transaction.degree satisfies never;
    }
  }

  /** A build is not meant to throw: rejections are results. With entries staged, head state and journal differ now. */
  #buildFailed(transaction: Transaction, thrown: unknown): void {
    const error = asMillraceError(thrown);
    if (!this.#open.staged) {
      this.#enqueue({
        degree: transaction.degree,
        build() {},
        settled: (later) => transaction.settled(later ?? error),
      });
      return;
    }
    const broken = new MillraceError(
      'INTERNAL',
      `Invariant broken: a transaction failed after it had staged entries: ${error.message}`,
      { cause: thrown },
    );
    this.#stop(broken);
    settleOne(transaction, broken);
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Closes the open commit, unless waiting makes it cheaper for all. */
  #flush(): void {
    const open = this.#open;
    if (open.entryCount === 0 || this.#state === 'stopped' || this.#writer.writing) return;
    const waits =
      this.#sync === 'always' && this.#writer.syncing && !this.#hurried && open.sizeBytes < this.#overlapBytes;
    if (!waits) this.#closeOpen(0);
  }

  #closeOpen(flags: number): void {
    this.#hurried = false;
    const closed = this.#open.close(flags, this.#writer.durableCommit);
    if (closed.file !== this.#lastFile) {
      this.#lastFile = closed.file;
      this.#observer.begun?.(closed.file, closed.commit);
    }
    this.#unpublished.push(closed);
    this.#closedBytes += closed.sizeBytes;
    let position = closed.position;
    for (const { bytes, lease } of closed.pieces) {
      this.#memory.hold(closed.file, position, bytes, lease.retain());
      position += bytes.length;
    }
    this.#writer.submit(closed);
  }

  /**
   * A sync that somebody waits for begins at once. Where only `written` is asked for, and often, syncs back to back would
   * hold up the writes beside them (each waits for the file's lock) and serve nobody but readers.
   */
  #syncDelayMs(): number {
    const busy = this.#writtenAsked - this.#writtenAtSync >= PACE_FROM_TRANSACTIONS;
    return busy && this.#durableQueue.length === 0 ? PACE_SYNC_MS : 0;
  }

  #onWritten(commit: CommitNumber): void {
    if (this.#sync !== 'always') {
      this.#publish(commit);
      if (this.#sync === 'interval') this.#scheduleSync();
    }
    this.#writtenQueue.settle(commit, undefined);
    if (this.#sync !== 'always') this.#durableQueue.settle(commit, undefined);
    // What came during the write, or from the callbacks above. Not at once: a caller that appends again from `settled`
    // would write commits of one record, ever deeper in the stack.
    if (this.#open.entryCount > 0) this.#scheduleFlush();
  }

  #onDurable(commit: CommitNumber, blocking: boolean): void {
    if (this.#sync === 'interval' && this.#writer.writtenCommit > commit) this.#scheduleSync();
    if (this.#sync !== 'always') return;
    // First the next write and sync, then the answers: they are sent while the disk works. A sync that blocked was the
    // work; what came meanwhile waits for its turn of the loop, or syncs would nest and answers wait for all of them.
    if (!blocking) this.#flush();
    this.#publish(commit);
    this.#durableQueue.settle(commit, undefined);
    if (blocking && this.#open.entryCount > 0) this.#scheduleFlush();
  }

  #publish(commit: CommitNumber): void {
    const wasCongested = this.congested;
    let count = 0;
    for (const closed of this.#unpublished) {
      if (closed.commit > commit) break;
      this.#closedBytes -= closed.sizeBytes;
      count += 1;
    }
    if (count === 0) return;
    this.#unpublished.splice(0, count);
    this.#publishedCommit = commit;
    try {
      this.#fold.published(commit);
    } catch (error) {
      this.#stop(
        new MillraceError('INTERNAL', 'Invariant broken: the fold refused a published commit', { cause: error }),
      );
    }
    if (wasCongested) this.#relieve();
  }

  #relieve(): void {
    if (this.#relief.length === 0 || (this.congested && this.#state === 'running')) return;
    const callbacks = this.#relief;
    this.#relief = [];
    for (const callback of callbacks) callback();
  }

  #scheduleSync(): void {
    this.#syncTimer ??= this.#clock.schedule(this.#syncIntervalMs, () => {
      this.#syncTimer = undefined;
      this.#writer.sync();
    });
  }

  #onRolled(file: JournalFile): void {
    this.#observer.rolled?.(file);
  }

  #stop(error: MillraceError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    if (this.#state === 'running') this.#state = 'stopped';
    this.#open.discard();
    this.#syncTimer?.cancel();
    this.#observer.stopped?.(error);
    this.#refused = this.#refuseWaiting(error);
  }

  /** Closed commits may still be on their way after a broken invariant: they settle by themselves first. */
  async #refuseWaiting(error: MillraceError): Promise<void> {
    await this.#writer.drain(this.#sync === 'always');
    this.#unpublished = [];
    this.#closedBytes = 0;
    this.#writtenQueue.settle(Number.POSITIVE_INFINITY, error);
    this.#durableQueue.settle(Number.POSITIVE_INFINITY, error);
    this.#relieve();
  }

  async #close(): Promise<void> {
    const running = this.#state === 'running';
    if (running) {
      this.#state = 'closing';
      await this.#finish();
    }
    await this.#refused;
    this.#syncTimer?.cancel();
    await this.#writer.close();
    this.#open.discard();
    this.#state = 'closed';
    this.#relieve();
    await this.#lock?.release();
  }

  /** Writes and syncs what is staged, then the clean-end commit. A failure on the way is kept in `status`. */
  async #finish(): Promise<void> {
    await this.#writer.drain(false);
    if (this.#open.entryCount > 0 && this.#error === undefined) this.#closeOpen(0);
    await this.#writer.drain(true);
    if (this.#error !== undefined) return;
    this.#closeOpen(FLAG_CLEAN_END);
    await this.#writer.drain(true);
  }
}
