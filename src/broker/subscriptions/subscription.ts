/**
 * Topics by glob, read together in the order of commits, topics created later included: a walk over the journal that
 * stops at the entries that are wanted.
 *
 * ```
 *   commit 7 [food.eggs 0-3][cars 9]   commit 8 [offsets]   commit 9 [food.ham 5]
 *             └ wanted       skipped            skipped               └ wanted
 * ```
 * What it costs grows with the entries of the journal, not with the topics that match: one subscriber over ten thousand
 * topics reads what one consumer of the journal would.
 *
 * Read-committed subscribers wait in front of an open transaction of a wanted topic until it ends, as long as its timeout
 * at most: behind it, order would not hold.
 */
import { setImmediate } from 'node:timers/promises';
import { MillraceError } from '../../base/errors.ts';
import type { CommitNumber } from '../../journal/journal.ts';
import type { CommitStep } from '../../store/commit-source.ts';
import type { HistoryReader } from '../../store/history-reader.ts';
import type { Partition } from '../../store/partition.ts';
import type { AbortedTransaction } from '../../store/transaction-index.ts';
import type { Topic } from '../topic.ts';
import type { Cursor } from './cursor.ts';
import type { TopicFilter } from './topic-filter.ts';

/** Entries looked at in one turn of the event loop: less than a millisecond. */
const ENTRIES_PER_TURN = 5_000;

const NONE_ABORTED: readonly AbortedTransaction[] = [];

/**
 * Batches of one partition in one commit. Borrowed until the next call of the subscription, which may use the object again: where records
 * come one at a time there is one for each.
 */
export interface CommitRun {
  readonly topic: Topic;
  readonly partition: Partition;
  readonly commit: CommitNumber;
  /** Number of the entry in its commit. */
  readonly entry: number;
  /** Memory with the batches in it, whole and verbatim. */
  readonly memory: Uint8Array;
  /** Where they begin in `memory`. */
  readonly start: number;
  readonly sizeBytes: number;
  /** First offset that is to be read: behind what the cursor has seen, and what was deleted. */
  readonly firstOffset: number;
  /** Exclusive: records behind it, which a compacted batch may hold too, are another entry's. */
  readonly endOffset: number;
  /** Of those that overlap the batches; the reader drops their records. */
  readonly abortedTransactions: readonly AbortedTransaction[];
}

/** The batches of a run: a view. */
export function runBytes({ memory, start, sizeBytes }: CommitRun): Uint8Array {
  return memory.subarray(start, start + sizeBytes);
}

/**
 * - `run`: entries that are wanted.
 * - `end`: nothing more is published.
 * - `held`: the next entry is part of an open transaction.
 */
export type SubscriptionStep =
  | { readonly kind: 'run'; readonly run: CommitRun }
  | { readonly kind: 'end' }
  | { readonly kind: 'held' };

const END: SubscriptionStep = { kind: 'end' };
const HELD: SubscriptionStep = { kind: 'held' };

const NO_MEMORY: Uint8Array = new Uint8Array(0);

/** Everything is set before it is given out. */
class OwnRun implements CommitRun {
  topic!: Topic;
  partition!: Partition;
  commit: CommitNumber = 0;
  entry = 0;
  memory = NO_MEMORY;
  start = 0;
  sizeBytes = 0;
  firstOffset = 0;
  endOffset = 0;
  abortedTransactions = NONE_ABORTED;
}

/** What all subscriptions of a broker have in common. */
export interface SubscriptionSurroundings {
  readonly partitionOf: (number: number) => Partition | undefined;
  readonly publishedCommit: () => CommitNumber;
}

export interface SubscriptionOptions {
  readonly reader: HistoryReader;
  readonly filter: TopicFilter;
  readonly readCommitted: boolean;
  /** Undefined: from the oldest commit that is there. */
  readonly start: Cursor | undefined;
}

export class Subscription {
  readonly #surroundings: SubscriptionSurroundings;
  readonly #options: SubscriptionOptions;
  /** Last commit that was seen whole. */
  #seen: CommitNumber = 0;
  /** Next entry of the reader's commit; undefined between commits. */
  #entry: number | undefined;
  /** Where the cursor stands inside the first commit. */
  #inside: { readonly commit: CommitNumber; readonly entry: number; readonly offset: number } | undefined;
  #placed = false;
  /** Entries passed since the event loop had its turn. */
  #passed = 0;
  /** What was waited for, until it is used. */
  #moved: CommitStep | undefined;
  #body: Uint8Array | undefined;
  /** The last one; none while nothing is read, since thousands wait. */
  #runStep: { readonly kind: 'run'; readonly run: OwnRun } | undefined;
  /** Newest commit that was published when the reader moved to its commit. */
  #upTo: CommitNumber = 0;

  constructor(surroundings: SubscriptionSurroundings, options: SubscriptionOptions) {
    this.#surroundings = surroundings;
    this.#options = options;
  }

  /** Everything up to here was given out, or not wanted. To go on from, also where no record came for long. */
  get seen(): Cursor {
    return { commit: this.#seen };
  }

  /** Finds its place in the journal; `next` does it otherwise. @throws as `next`. */
  async begin(): Promise<void> {
    if (!this.#placed) await this.#place();
  }

  /**
   * The next entry that is wanted, in the same call where it is in memory. What the one before gave is invalid from the
   * call on.
   *
   * @throws BROKER_CURSOR_EXPIRED, BROKER_CURSOR_INVALID (it lies ahead of the journal), STORE_CORRUPT, STORE_IO,
   *   STORE_CLOSED.
   */
  next(): SubscriptionStep | Promise<SubscriptionStep> {
    const now = this.#tryNext();
    return now instanceof Promise ? this.#nextAfter(now) : now;
  }

  async #nextAfter(first: Promise<void>): Promise<SubscriptionStep> {
    for (let wait = first; ; ) {
      await wait;
      const now = this.#tryNext();
      if (!(now instanceof Promise)) return now;
      wait = now;
    }
  }

  /** A promise: to be called again when it is resolved. */
  #tryNext(): SubscriptionStep | Promise<void> {
    if (!this.#placed) return this.#place();
    const { reader } = this.#options;
    for (;;) {
      if (this.#entry === undefined) {
        if (this.#passed >= ENTRIES_PER_TURN) return this.#giveTurn();
        this.#upTo = this.#surroundings.publishedCommit();
        const step = this.#moved ?? reader.next(this.#upTo);
        if (step instanceof Promise) return this.#move(step);
        this.#moved = undefined;
        if (step === 'end') return END;
        if (step === 'gone') return this.#expired();
        this.#entry = 0;
      }
      const step = this.#inCommit();
      if (step !== undefined) return step;
      this.#seen = reader.commit;
      this.#entry = undefined;
    }
  }

  async #move(step: Promise<CommitStep>): Promise<void> {
    this.#moved = await step;
  }

  async #readBody(body: Promise<Uint8Array>): Promise<void> {
    this.#body = await body;
  }

  async #expired(): Promise<never> {
    throw expired(this.#seen + 1, await this.#options.reader.firstCommit());
  }

  /** The run that `next` gave last was read up to an offset, exclusive: the rest of it comes again, if there is one. */
  reread({ commit, entry }: CommitRun, nextOffset: number): void {
    this.#inside = { commit, entry, offset: nextOffset - 1 };
    this.#entry = entry;
  }

  /** Gives memory back while nothing is read. `next` goes on from where it was. */
  rest(): void {
    this.#runStep = undefined;
    this.#options.reader.release();
  }

  /** Undefined: the commit has no more that is wanted. */
  #inCommit(): SubscriptionStep | Promise<void> | undefined {
    const { reader, filter } = this.#options;
    const from = this.#entry ?? 0;
    // Of the first entry, which may not be wanted any more.
    const awaited = this.#body;
    this.#body = undefined;
    for (let entry = from; entry < reader.rowCount; entry++) {
      this.#entry = entry;
      this.#passed += 1;
      const row = reader.row(entry);
      if (row.offsetCount === 0) continue;
      const topic = filter.wanted(row.partition);
      const partition = topic === undefined ? undefined : this.#surroundings.partitionOf(row.partition);
      if (topic === undefined || partition === undefined) continue;
      const firstOffset = Math.max(this.#firstOffset(entry, row.baseOffset), partition.logStartOffset);
      const endOffset = row.baseOffset + row.offsetCount;
      if (firstOffset >= endOffset) continue;
      if (this.#options.readCommitted && endOffset > partition.lastStableOffset) return HELD;
      const abortedTransactions = partition.transactions?.abortedIn(row.baseOffset, endOffset) ?? NONE_ABORTED;
      const memory = (entry === from ? awaited : undefined) ?? reader.body(this.#upTo);
      if (memory instanceof Promise) return this.#readBody(memory);
      this.#entry = entry + 1;
      const { commit, bodyStart: start, bodyBytes: sizeBytes } = reader;
      if (sizeBytes === 0) continue;
      this.#runStep ??= { kind: 'run', run: new OwnRun() };
      const { run } = this.#runStep;
      run.topic = topic;
      run.partition = partition;
      run.commit = commit;
      run.entry = entry;
      run.memory = memory;
      run.start = start;
      run.sizeBytes = sizeBytes;
      run.firstOffset = firstOffset;
      run.endOffset = endOffset;
      run.abortedTransactions = abortedTransactions;
      return this.#runStep;
    }
    return undefined;
  }

  /** Behind what the cursor has seen of the entry. */
  #firstOffset(entry: number, baseOffset: number): number {
    const inside = this.#inside;
    if (inside === undefined || inside.commit !== this.#options.reader.commit || entry > inside.entry)
      return baseOffset;
    return entry < inside.entry ? Number.POSITIVE_INFINITY : inside.offset + 1;
  }

  async #place(): Promise<void> {
    const { reader, start } = this.#options;
    const upTo = this.#surroundings.publishedCommit();
    const { commit, entry, offset } = start ?? { commit: (await reader.firstCommit()) - 1 };
    if (commit > upTo) throw aheadOf(commit, upTo);
    if (entry !== undefined && offset !== undefined) this.#inside = { commit, entry, offset };
    const first = entry === undefined ? commit + 1 : commit;
    if (!(await reader.seek(first, upTo))) throw expired(first, await reader.firstCommit());
    this.#seen = first - 1;
    this.#placed = true;
  }

  async #giveTurn(): Promise<void> {
    this.#passed = 0;
    await setImmediate();
  }
}

function expired(commit: CommitNumber, firstCommit: CommitNumber): MillraceError {
  return new MillraceError(
    'BROKER_CURSOR_EXPIRED',
    `Commit ${commit}, where the cursor goes on, is not kept any more: the oldest is ${firstCommit}. What lies between ` +
      `was deleted. Go on with cursor=${firstCommit - 1} or cursor=earliest.`,
    { details: { commit, firstCommit } },
  );
}

function aheadOf(commit: CommitNumber, publishedCommit: CommitNumber): MillraceError {
  return new MillraceError(
    'BROKER_CURSOR_INVALID',
    `The cursor says commit ${commit}, but the journal ends with ${publishedCommit}. Is it of another broker?`,
    { details: { commit, publishedCommit } },
  );
}
