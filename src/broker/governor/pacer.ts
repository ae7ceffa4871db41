/**
 * Spreads bytes evenly at a rate that may change at any time: each use is due when what was used before it has had its time.
 * Unlike a quota (`../quotas/byte-rate.ts`), which lets a second's worth through at once, so that nobody stops and goes.
 */

/** Shorter waits are left out: a timer for each would cost more than it evens out. What a timer was late is made up for up to here. */
const BURST_MS = 10;
/** Longest wait at a time, and the most that is remembered: shorter than clients wait for an answer. */
const MAX_PAUSE_MS = 5_000;

export class Pacer {
  /** When what was used so far has had its time; monotonic milliseconds. */
  #paidAt = 0;

  /**
   * Takes note of bytes that were used.
   *
   * @param bytesPerSecond infinite: nobody waits, and what is owed is forgotten.
   * @param now monotonic, milliseconds.
   * @returns milliseconds that whoever used them shall wait; 0: none.
   */
  use(bytes: number, bytesPerSecond: number, now: number): number {
    if (!Number.isFinite(bytesPerSecond)) {
      this.#paidAt = now;
      return 0;
    }
    this.#paidAt = Math.min(
      Math.max(this.#paidAt, now - BURST_MS) + (bytes * 1000) / bytesPerSecond,
      now + MAX_PAUSE_MS,
    );
    const waitMs = this.#paidAt - now;
    return waitMs > BURST_MS ? Math.ceil(waitMs) : 0;
  }
}
