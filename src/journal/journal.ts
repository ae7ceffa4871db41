/**
 * The journal: the one ordered sequence of commits, and the one way to change anything: `transact`.
 *
 * ```
 *  transact(t) ── t.build(builder) ──► open commit ──► closed, written ──► synced
 *                    │ fold (head)          │ 'admitted'     │ 'written'      │ 'durable'   ──► t.settled()
 * ```
 *
 * A transaction's `build` is a pure function over the head state (everything staged so far, durable or not). It either
 * stages nothing (a rejection, or a plain read) or stages entries whose offsets and outcomes are physical, so that a
 * replay applies them and never decides. An implementation may call `build` again on a newer head (the cluster's does,
 * after losing a slot), so it must have no effect but through the builder and its own result fields.
 *
 * A transaction that stages nothing still settles only when everything its `build` could see has reached its degree:
 * no answer ever tells of something that a crash takes back.
 */
import type { Lease } from '../base/buffer-pool.ts';
import type { MillraceError } from '../base/errors.ts';

/**
 * How far a commit has come when a transaction settles.
 * - `admitted`: accepted into the open commit (Kafka acks=0).
 * - `written`: handed to the operating system (acks=1); survives our crash, not a power loss.
 * - `durable`: on stable storage (acks=all), as far as `journal.sync` asks for it.
 */
export type Degree = 'admitted' | 'written' | 'durable';

/**
 * When commits are synced.
 * - `always`: before anything is acknowledged as durable or shown to readers. The default.
 * - `interval`: every `syncIntervalMs`; `durable` then means written, a power loss may take the last interval.
 * - `never`: the operating system decides; same meaning of `durable`.
 */
export type SyncPolicy = 'always' | 'interval' | 'never';

/** Numbers commits of one lane from 1, without gaps. */
export type CommitNumber = number;

export interface Transaction {
  readonly degree: Degree;
  build(commit: CommitBuilder): void;
  /**
   * Called exactly once, never from inside `transact`'s `build`, in the order of transact calls per degree.
   * With an error, JOURNAL_SYNC_FAILED or JOURNAL_IO say that it is unknown whether the entries survive a restart;
   * every other code says that nothing was staged.
   */
  settled(error: MillraceError | undefined): void;
}

/** What `build` stages into. Valid only during the call. */
export interface CommitBuilder {
  /** Number of the commit that the entries will be part of. */
  readonly commit: CommitNumber;
  /**
   * Stages a run of consecutive RecordBatch v2 batches of one partition, offsets and leader epoch already in place.
   *
   * @param partition the partition's number in the lane (u32).
   * @param baseOffset offset of the first record; the fold asserts that it is the partition's end.
   * @param offsetCount offsets the run covers, so baseOffset + offsetCount is the new end.
   * @param bytes the batches back to back. Borrowed: copied unless `lease` is given.
   * @param lease owner of the memory that `bytes` lies in; the journal retains it instead of copying when the run is
   *   large enough for that to pay.
   */
  batches(partition: number, baseOffset: number, offsetCount: number, bytes: Uint8Array, lease?: Lease): void;
  /** Stages a state command. `body` is borrowed and copied. @throws JOURNAL_COMMAND_TOO_LARGE past 16 MiB. */
  command(type: number, body: Uint8Array): void;
}

/** Entries as the fold sees them: the same calls, in the same order, live and in replay. */
export interface Fold {
  /** `bytes` are borrowed for the call; `location` says where they (will) stand in the journal. */
  batches(run: BatchRun): void;
  command(type: number, body: Uint8Array, commit: CommitNumber): void;
  /**
   * Every commit up to this number is as durable as `journal.sync` asks for: readers may see it.
   * Live only, once per advance; a replay publishes once at its end.
   */
  published(commit: CommitNumber): void;
}

/** Reused between calls: copy what is kept. */
export interface BatchRun {
  partition: number;
  baseOffset: number;
  offsetCount: number;
  bytes: Uint8Array;
  file: number;
  position: number;
  commit: CommitNumber;
  /** `createdAt` of the commit, milliseconds: fixed when the commit opens, so that live and replay see the same. */
  committedAt: number;
}

/** Keeps the most recent bytes of the journal, so that readers of the tail never touch the disk. */
export interface CommitMemory {
  /**
   * Takes over a verbatim image of the journal at `file`/`position`; the pieces come in journal order, gapless within a
   * file, before the bytes are published. `bytes` lies inside `lease.bytes`; no body straddles two pieces. `lease` is
   * held by the memory from here on (already retained for it).
   */
  hold(file: number, position: number, bytes: Uint8Array, lease: Lease): void;
}

/** What rolls, syncs and failures tell the rest of the broker. Called outside of any transaction. */
export interface JournalObserver {
  /** `commit` is the first one of this file; it is closed, and neither written nor published. */
  begun?(file: number, commit: CommitNumber): void;
  /** `closed` holds its last commit and is durable; a new file is active. */
  rolled?(closed: JournalFile): void;
  /** The journal refuses everything from now on; what is published stays readable. */
  stopped?(error: MillraceError): void;
}

export interface JournalFile {
  readonly file: number;
  readonly sizeBytes: number;
  readonly firstCommit: CommitNumber;
  /** Inclusive; firstCommit - 1 when the file is empty. */
  readonly lastCommit: CommitNumber;
  /** Checksum of the last commit: where the chain goes on in the next file. A checkpoint keeps it. */
  readonly lastChecksum: number;
}

export interface JournalStatus {
  readonly state: 'running' | 'stopped' | 'closed';
  readonly error: MillraceError | undefined;
  readonly headCommit: CommitNumber;
  readonly writtenCommit: CommitNumber;
  readonly publishedCommit: CommitNumber;
  readonly stagedBytes: number;
}

export interface Journal {
  /**
   * Runs the transaction on the head state. `build` runs inside this call (local journal) or later.
   *
   * Where the journal does not take entries (stopped, closed, or more than `maxStagedBytes` wait for the disk) the
   * transaction settles with JOURNAL_STOPPED, JOURNAL_CLOSED or JOURNAL_OVERLOADED and `build` is not called.
   * Order: transactions are built in call order, and settle in call order per degree; only such a refusal settles at
   * once, inside this call, ahead of those that wait. A `settled` may call `transact`; a `build` must not.
   */
  transact(transaction: Transaction): void;
  status(): JournalStatus;
  /** True while staged bytes exceed the soft limit: listeners stop reading sockets. */
  readonly congested: boolean;
  /**
   * Calls back once: when `congested` ends, or the journal stops or closes; soon, where it is not congested now.
   * Who pauses again registers again.
   */
  onRelief(callback: () => void): void;
  /** Stops intake, writes and syncs what was staged, settles it, marks the clean end. Safe to call twice. */
  close(): Promise<void>;
}

/** Promise form of `transact` for everything that is not the hot path. Resolves with what `build` returns. */
export function transactOnce<T>(
  journal: Journal,
  build: (commit: CommitBuilder) => T,
  degree: Degree = 'durable',
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let result: { value: T } | undefined;
    let failure: { error: unknown } | undefined;
    journal.transact({
      degree,
      build(commit) {
        try {
          result = { value: build(commit) };
          failure = undefined;
        } catch (error) {
          // A rejection: settle still waits until what it was decided on is durable.
          failure = { error };
        }
      },
      settled(error) {
        if (error !== undefined) reject(error);
        else if (failure !== undefined) reject(failure.error);
        else resolve((result as { value: T }).value);
      },
    });
  });
}
