/**
 * Transactions that wait for a commit to reach a degree, first in, first out. A ring that doubles: no allocation per
 * transaction, and settling is one pass.
 */
import type { MillraceError } from '../base/errors.ts';
import { filledArray } from '../base/filled-array.ts';
import type { CommitNumber, Transaction } from './journal.ts';

const FIRST_CAPACITY = 1024;

export class SettleQueue {
  #transactions: (Transaction | undefined)[] = filledArray<Transaction | undefined>(FIRST_CAPACITY, undefined);
  #commits: number[] = filledArray(FIRST_CAPACITY, 0);
  #mask = FIRST_CAPACITY - 1;
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param commit the transaction settles once this commit has reached the queue's degree. Never lower than before. */
  push(transaction: Transaction, commit: CommitNumber): void {
    if (this.#length > this.#mask) this.#grow();
    const slot = (this.#first + this.#length) & this.#mask;
    this.#transactions[slot] = transaction;
    this.#commits[slot] = commit;
    this.#length += 1;
  }

  /** Settles, in order, all that wait for a commit up to `reached`. `settled` may push to this queue. */
  settle(reached: CommitNumber, error: MillraceError | undefined): void {
    while (this.#length > 0) {
      const slot = this.#first;
      if ((this.#commits[slot] as number) > reached) return;
      const transaction = this.#transactions[slot] as Transaction;
      this.#transactions[slot] = undefined;
      this.#first = (slot + 1) & this.#mask;
      this.#length -= 1;
      settleOne(transaction, error);
    }
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const transactions = filledArray<Transaction | undefined>(capacity, undefined);
    const commits = filledArray(capacity, 0);
    for (let i = 0; i < this.#length; i++) {
      const slot = (this.#first + i) & this.#mask;
      transactions[i] = this.#transactions[slot];
      commits[i] = this.#commits[slot] as number;
    }
    this.#transactions = transactions;
    this.#commits = commits;
    this.#mask = capacity - 1;
    this.#first = 0;
  }
}

/** A `settled` that throws is a defect of its owner: it surfaces as an uncaught exception, and all others still settle. */
export function settleOne(transaction: Transaction, error: MillraceError | undefined): void {
  try {
    transaction.settled(error);
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}
