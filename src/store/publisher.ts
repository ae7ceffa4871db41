/**
 * Between staging and durability: which partitions a commit extended, and how far. When the journal says a commit is
 * published, high watermarks move and waiting readers are told.
 *
 * A first-in-first-out queue in parallel arrays; consecutive appends to one partition in one commit are one entry.
 */
import type { CommitNumber } from '../journal/journal.ts';
import type { Partition } from './partition.ts';

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
    if (last >= this.#first && this.#partitions[last] === partition && this.#commits[last] === commit) {
      this.#ends[last] = endOffset;
      (this.#bytes[last] as number) += sizeBytes;
      return;
    }
    this.#commits.push(commit);
    this.#partitions.push(partition);
    this.#ends.push(endOffset);
    this.#bytes.push(sizeBytes);
  }

  /** Every commit up to `commit` may be seen. */
  publish(commit: CommitNumber): void {
    const from = this.#first;
    let at = from;
    let waited = false;
    for (; at < this.#commits.length && (this.#commits[at] as number) <= commit; at++) {
      const partition = this.#partitions[at] as Partition;
      partition.highWatermark = this.#ends[at] as number;
      if (partition.waiters !== undefined) waited = true;
    }
    this.#first = at;
    // Second pass: a reader of several partitions must find all of a commit when it is told of any.
    if (waited) this.#tell(from, at);
    this.#compact();
  }

  #tell(from: number, to: number): void {
    // What is told may publish nothing more, but it may stage; entries are only ever pushed behind `to`.
    for (let i = from; i < to; i++) {
      const partition = this.#partitions[i] as Partition;
      const waiters = partition.waiters;
      if (waiters === undefined) continue;
      // A waiter may leave, or come back with its next wait, while it is told: only those of now are told.
      for (const waiter of [...waiters]) waiter.advanced(partition, this.#bytes[i] as number);
    }
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
