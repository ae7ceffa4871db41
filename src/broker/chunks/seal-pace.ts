/**
 * Slows a round of sealing down while the broker is busy: after each step it rests three times as long as the step took.
 */
import type { Clock } from '../../base/clock.ts';

const REST_FACTOR = 3;
/** A step may have waited for a slow disk: it must not be paid for with minutes. */
const MAX_REST_MS = 2_000;

export class SealPace {
  readonly #clock: Clock;
  #since = 0;
  /** Set from outside, at any time. */
  busy = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A step begins. */
  begin(): void {
    this.#since = this.#clock.monotonic();
  }

  /** A step ended, and the next one begins when this resolves. */
  async rest(): Promise<void> {
    const tookMs = this.#clock.monotonic() - this.#since;
    if (this.busy && tookMs > 0) {
      await new Promise<void>((resolve) => {
        this.#clock.schedule(Math.min(tookMs * REST_FACTOR, MAX_REST_MS), resolve);
      });
    }
    this.begin();
  }
}
