/**
 * Between staging and durability: which partitions a commit extended, and how far, and which it deleted. When the
 * journal says a commit is published, high watermarks move and waiting readers are told: never earlier, since they
 * answer clients and may begin transactions of their own, which nothing inside a fold may do.
 *
 * A first-in-first-out queue in parallel arrays; consecutive appends to one partition in one commit are one entry.
 */
import type { CommitNumber } from '../journal/journal.ts';
import type { Partition } from './partition.ts';

/** In place of an end offset: the partition is gone; its log start has moved. */
const GONE = -1;
const TRIMMED = -2;

/** Entries cut off the front at once, so that a shift is paid rarely. */
const COMPACT_AFTER = 1024;

export class Publisher {
  #commits: number[] = [];
  #partitions: Partition[] = [];
  #ends: number[] = [];
  #bytes: number[] = [];
  #first = 0;

  get pending(): number {
    return this.#commits.length - this.#first;
  }

  staged(commit: CommitNumber, partition: Partition, endOffset: number, sizeBytes: number): void {
    const last = this.#commits.length - 1;
    if (
      last >= this.#first &&
      this.#partitions[last] === partition &&
      this.#commits[last] === commit &&
      (this.#ends[last] as number) >= 0
    ) {
      this.#ends[last] = endOffset;
      (this.#bytes[last] as number) += sizeBytes;
      return;
    }
    this.#commits.push(commit);
    this.#partitions.push(partition);
    this.#ends.push(endOffset);
    this.#bytes.push(sizeBytes);
  }

  stagedDeletion(commit: CommitNumber, partition: Partition): void {
    this.#commits.push(commit);
    this.#partitions.push(partition);
    this.#ends.push(GONE);
    this.#bytes.push(0);
  }

  /** The log start has moved; only who waits is told, since it is in force at once. */
  stagedTrim(commit: CommitNumber, partition: Partition): void {
    this.#commits.push(commit);
    this.#partitions.push(partition);
    this.#ends.push(TRIMMED);
    this.#bytes.push(0);
  }

  /** Every commit up to `commit` may be seen. */
  publish(commit: CommitNumber): void {
    const from = this.#first;
    let at = from;
    let waited = false;
    for (; at < this.#commits.length && (this.#commits[at] as number) <= commit; at++) {
      const partition = this.#partitions[at] as Partition;
      const end = this.#ends[at] as number;
      if (end >= 0) partition.highWatermark = end;
      if (partition.waiters !== undefined) waited = true;
    }
    this.#first = at;
    // Copies, since whoever is told may stage, and with it move the arrays.
    const partitions = waited ? this.#partitions.slice(from, at) : [];
    const ends = waited ? this.#ends.slice(from, at) : [];
    const bytes = waited ? this.#bytes.slice(from, at) : [];
    this.#compact();
    // Second pass: a reader of several partitions must find all of a commit when it is told of any.
    for (const [i, partition] of partitions.entries()) tell(partition, ends[i] as number, bytes[i] as number);
  }

  #compact(): void {
    if (this.#first === this.#commits.length) {
      if (this.#first > COMPACT_AFTER) {
        this.#commits = [];
        this.#partitions = [];
        this.#ends = [];
        this.#bytes = [];
      } else {
        this.#commits.length = 0;
        this.#partitions.length = 0;
        this.#ends.length = 0;
        this.#bytes.length = 0;
      }
      this.#first = 0;
    } else if (this.#first > COMPACT_AFTER && this.#first * 2 > this.#commits.length) {
      this.#commits = this.#commits.slice(this.#first);
      this.#partitions = this.#partitions.slice(this.#first);
      this.#ends = this.#ends.slice(this.#first);
      this.#bytes = this.#bytes.slice(this.#first);
      this.#first = 0;
    }
  }
}

/** A waiter may leave, or come back with its next wait, while it is told: only those of now are told. */
function tell(partition: Partition, end: number, bytes: number): void {
  if (partition.waiters === undefined) return;
  for (const waiter of [...partition.waiters]) {
    try {
      if (end === GONE) waiter.gone(partition);
      else if (end === TRIMMED) waiter.trimmed(partition);
      else waiter.advanced(partition, bytes);
    } catch (thrown) {
      // A defect of the waiter's owner: it surfaces as an uncaught exception, and must not stop the journal.
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }
}
