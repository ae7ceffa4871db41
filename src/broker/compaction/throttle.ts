/** Holds a steady rate in bytes a second over a long job: who is ahead of it waits. */
import type { Clock } from '../../base/clock.ts';

/** Waits shorter than this are put off: timers are coarser. */
const MIN_WAIT_MS = 20;

export class Throttle {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #begunAt: number;
  #spentBytes = 0;

  /** @param bytesPerSecond 0: no limit. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#begunAt = clock.monotonic();
  }

  /** Resolves when so many bytes, read or written, fit the rate. */
  async spend(sizeBytes: number): Promise<void> {
    if (this.#bytesPerSecond <= 0) return;
    this.#spentBytes += sizeBytes;
    const now = this.#clock.monotonic();
    const dueAt = this.#begunAt + (this.#spentBytes / this.#bytesPerSecond) * 1000;
    // What was not used is gone: else a pause would be followed by a burst.
    if (dueAt < now - 1000) this.#begunAt += now - 1000 - dueAt;
    if (dueAt - now < MIN_WAIT_MS) return;
    await new Promise<void>((resolve) => {
      this.#clock.schedule(dueAt - now, resolve);
    });
  }
}
