/** Where answers and streams take their records from: partitions of a topic, or a subscription over many topics. */
import type { Collector } from './collector.ts';
import type { Reading } from './reading.ts';

/**
 * - `read`: records, or at least positions, moved.
 * - `empty`: nothing is there yet; the wait, if any, is over.
 * - `ended`: the reading ended while waiting.
 */
export type ReadOutcome = 'read' | 'empty' | 'ended';

export interface RecordSource {
  /**
   * Gives rendered records to the collector, until it is full or this round has no more.
   *
   * @param maxBytes of batches read at once.
   * @throws what reading gives. Records before a fault were collected; the next round begins with the fault.
   */
  read(reading: Reading, maxBytes: number, collector: Collector): Promise<ReadOutcome>;
  /** Waits until another `read` may give something, at most `waitMs`. Holds no memory meanwhile. */
  wait(reading: Reading, waitMs: number): Promise<ReadOutcome>;
  /** Whether the last `read` came to the end of what is there. */
  readonly isCaughtUp: boolean;
  /** For sources whose next piece is that of every other one at the same place; undefined: this one's is its own. */
  readonly sharing?: Sharing | undefined;
  /** Where to go on, for who takes cursors; undefined where records say it themselves. */
  readonly cursor: string | undefined;
}

export interface Sharing {
  /** The place, and all that the rendered text depends on. */
  readonly key: string;
  readonly nextOffset: number;
  /** Whether nothing is readable behind it now. */
  readonly isAtEnd: boolean;
  /** The piece up to there was given out without reading it. */
  moveTo(nextOffset: number): void;
}
