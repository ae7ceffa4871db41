/** One deadline for each open transaction: a producer that dies must not hold back readers for ever. */
import type { Clock } from '../../base/clock.ts';
import { type Deadline, Deadlines } from '../groups/deadlines.ts';
import type { TransactionRecord } from './transactions-state.ts';

/** The journal refused the abort: how long until it is tried again. */
const RETRY_MS = 1_000;

interface Watched {
  /** Tells one transaction of an id from the next. */
  readonly startedAt: number;
  readonly deadline: Deadline;
}

export class TransactionTimeouts {
  readonly deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #expired: (transactionalId: string, startedAt: number) => void;
  readonly #watched = new Map<string, Watched>();

  constructor(clock: Clock, expired: (transactionalId: string, startedAt: number) => void) {
    this.#clock = clock;
    this.#expired = expired;
    this.deadlines = new Deadlines(clock);
  }

  get size(): number {
    return this.#watched.size;
  }

  /** After every change of an id; `record` as it is now. */
  watch(transactionalId: string, record: TransactionRecord | undefined): void {
    const watched = this.#watched.get(transactionalId);
    const startedAt = record?.phase === 'ongoing' ? record.startedAt : -1;
    if (watched !== undefined && watched.startedAt === startedAt) return;
    watched?.deadline.cancel();
    this.#watched.delete(transactionalId);
    if (record === undefined || startedAt < 0) return;
    const deadline = this.deadlines.create(() => this.#expired(transactionalId, startedAt));
    this.#watched.set(transactionalId, { startedAt, deadline });
    // After a restart part of the time is over. The wall clock may have jumped: never longer than the whole.
    const leftMs = startedAt + record.timeoutMs - this.#clock.now();
    deadline.set(Math.min(Math.max(leftMs, 0), record.timeoutMs));
  }

  retry(transactionalId: string): void {
    this.#watched.get(transactionalId)?.deadline.set(RETRY_MS);
  }

  stop(): void {
    this.deadlines.stop();
    this.#watched.clear();
  }
}
