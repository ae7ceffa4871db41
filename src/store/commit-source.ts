import type { CommitNumber } from '../journal/journal.ts';

/**
 * - `commit`: the next one; `rowCount`, `row` and `body` show it.
 * - `end`: it is newer than what may be read.
 * - `gone`: the file that held it was removed.
 */
export type CommitStep = 'commit' | 'end' | 'gone';

/** Batches of one partition in a commit. Other entries, and what is gone, have no offsets: `offsetCount` is 0. */
export interface CommitRow {
  readonly partition: number;
  readonly baseOffset: number;
  readonly offsetCount: number;
}

/**
 * Commits in the order in which they were written, over all partitions. One source serves one caller, one call at a time.
 * What it hands out is borrowed until the next call.
 *
 * ```
 *   seek(commit) ──► next(upTo) ──commit──► rowCount, row ──► body() ...
 *                        │                      ▲               │
 *                        └─end: no more         └── next(upTo) ─┘
 * ```
 */
export interface CommitSource {
  /** The commit that `next` moved to. */
  readonly commit: CommitNumber;
  /** Entries of the current commit. */
  readonly rowCount: number;

  /**
   * Goes to the place before a commit, which may be one that is not written yet.
   *
   * @param upTo newest commit that readers may see.
   * @returns false where the commit is not kept any more.
   * @throws STORE_IO, STORE_CORRUPT, STORE_CLOSED; so do `next` and `body`.
   */
  seek(commit: CommitNumber, upTo: CommitNumber): Promise<boolean>;

  /** Moves to the next commit; in the same call where it is in memory, since a subscriber moves with every commit. */
  next(upTo: CommitNumber): CommitStep | Promise<CommitStep>;

  /** Entry `index` of the current commit. Entries are asked for in ascending order. Valid until the next call. */
  row(index: number): CommitRow;

  /**
   * Memory with the whole batches of the row that `row` gave last, in the same call where they are in memory. They are `bodyBytes` from
   * `bodyStart` on, which say so until the next call: a view of its own for each row would cost more than the row. None where they were
   * deleted meanwhile.
   */
  body(upTo: CommitNumber): Uint8Array | Promise<Uint8Array>;
  readonly bodyStart: number;
  readonly bodyBytes: number;

  /** Gives all memory back. The source can go on after it. */
  release(): void;
}
