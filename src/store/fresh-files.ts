/**
 * Files that this process wrote, from batches it had checked, a short while ago. What is read from them comes from the page
 * cache, which is memory like the tail cache: it is not checked again, which would be a third of the cost of reading. What
 * may have been to the disk and back is: files from before the start, and those that are older than FRESH_MS.
 */
import type { Clock } from '../base/clock.ts';
import type { FileNumber } from './file-number.ts';

const FRESH_MS = 10 * 60 * 1000;

export class FreshFiles {
  readonly #clock: Clock;
  /** Until when, on the monotonic clock; oldest first. */
  readonly #until = new Map<FileNumber, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The file is begun: it stays fresh until it is closed, and a while longer. */
  begun(file: FileNumber): void {
    this.#until.set(file, Number.POSITIVE_INFINITY);
  }

  /** The file got its last byte. One that was not begun here, but before the start, stays what it is. */
  closed(file: FileNumber): void {
    if (this.#until.has(file)) this.written(file);
  }

  /** The file was written whole just now. */
  written(file: FileNumber): void {
    const now = this.#clock.monotonic();
    for (const [older, until] of this.#until) if (until <= now) this.#until.delete(older);
    this.#until.set(file, now + FRESH_MS);
  }

  has(file: FileNumber): boolean {
    const until = this.#until.get(file);
    return until !== undefined && until > this.#clock.monotonic();
  }
}
