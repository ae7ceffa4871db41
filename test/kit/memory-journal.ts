/**
 * A journal in memory with the semantics of the real one: build and fold inside `transact`, settle when durable. The
 * test decides when that is, so "stored before answered" can be seen: in manual mode nothing settles before `flush`.
 *
 * What it leaves out: commits are never split or coalesced, and nothing is ever torn.
 */
import type { MillraceError } from '../../src/base/errors.ts';
import type { BatchRun, CommitBuilder, Fold, Journal, JournalStatus, Transaction } from '../../src/journal/journal.ts';

export type MemoryEntry =
  | { readonly kind: 'command'; readonly commit: number; readonly type: number; readonly body: Uint8Array }
  | { readonly kind: 'batches'; readonly commit: number; readonly run: BatchRun };

export class MemoryJournal implements Journal {
  /** 'auto': everything is durable at once. 'manual': when `flush` is called. */
  mode: 'auto' | 'manual';
  /** Set: transactions are refused with it and `build` is not called, as by an overloaded or stopped journal. */
  refusal: MillraceError | undefined;
  congested = false;
  readonly #fold: Fold;
  readonly #entries: MemoryEntry[];
  readonly #waiting: Transaction[] = [];
  #durableEntries: number;
  #head: number;
  #published: number;
  #building = false;
  #closed = false;

  /** @param survivors what an earlier journal's `crash` left; folded at once. */
  constructor(fold: Fold, mode: 'auto' | 'manual' = 'auto', survivors: readonly MemoryEntry[] = []) {
    this.mode = mode;
    this.#fold = fold;
    this.#entries = [...survivors];
    for (const entry of survivors) {
      if (entry.kind === 'command') fold.command(entry.type, entry.body, entry.commit);
      else fold.batches(entry.run);
    }
    this.#durableEntries = survivors.length;
    this.#head = survivors.at(-1)?.commit ?? 0;
    this.#published = this.#head;
    fold.published(this.#published);
  }

  /** Transactions that have been built and not settled. */
  get waiting(): number {
    return this.#waiting.length;
  }

  transact(transaction: Transaction): void {
    if (this.#building) throw new Error('transact was called from inside build');
    if (this.#closed) throw new Error('transact was called after close');
    if (this.refusal !== undefined) return transaction.settled(this.refusal);
    const before = this.#entries.length;
    this.#building = true;
    try {
      transaction.build(this.#builder(this.#head + 1));
    } finally {
      this.#building = false;
    }
    if (this.#entries.length > before) this.#head += 1;
    if (transaction.degree !== 'durable') return transaction.settled(undefined);
    if (this.#entries.length === this.#durableEntries && this.#waiting.length === 0)
      return transaction.settled(undefined);
    this.#waiting.push(transaction);
    if (this.mode === 'auto') this.flush();
  }

  /** Makes everything staged durable, publishes it and settles those who wait, in order. */
  flush(): void {
    this.#durableEntries = this.#entries.length;
    if (this.#head > this.#published) {
      this.#published = this.#head;
      this.#fold.published(this.#published);
    }
    for (const transaction of this.#waiting.splice(0)) transaction.settled(undefined);
  }

  /** Settles those who wait with an error, as a failed sync does; what they staged stays in the head and may survive. */
  fail(error: MillraceError): void {
    for (const transaction of this.#waiting.splice(0)) transaction.settled(error);
  }

  /**
   * What a restart after a crash finds. This journal must not be used afterwards.
   * @param unsynced how many of the entries that were not durable survive nevertheless; the durable ones all do.
   */
  crash(unsynced = 0): MemoryEntry[] {
    this.#closed = true;
    this.#waiting.length = 0;
    return this.#entries.slice(0, this.#durableEntries + unsynced);
  }

  /** Entries that a crash now would leave to chance. */
  get unsyncedEntries(): number {
    return this.#entries.length - this.#durableEntries;
  }

  status(): JournalStatus {
    const state = this.#closed ? 'closed' : 'running';
    const commits = { headCommit: this.#head, writtenCommit: this.#head, publishedCommit: this.#published };
    return { state, error: this.refusal, ...commits, stagedBytes: 0 };
  }

  onRelief(callback: () => void): void {
    if (!this.congested) callback();
  }

  async close(): Promise<void> {
    this.flush();
    this.#closed = true;
  }

  #builder(commit: number): CommitBuilder {
    return {
      commit,
      batches: (partition, baseOffset, offsetCount, bytes) => {
        const copy = new Uint8Array(bytes);
        const place = { file: 1, position: this.#entries.length, commit, committedAt: 0 };
        const run: BatchRun = { partition, baseOffset, offsetCount, bytes: copy, ...place };
        this.#entries.push({ kind: 'batches', commit, run });
        this.#fold.batches(run);
      },
      command: (type, body) => {
        const copy = new Uint8Array(body);
        this.#entries.push({ kind: 'command', commit, type, body: copy });
        this.#fold.command(type, copy, commit);
      },
    };
  }
}
