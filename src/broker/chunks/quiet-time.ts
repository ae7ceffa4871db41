/**
 * When a round of sealing may begin. It reads and writes everything once more, and whoever produces or consumes meanwhile
 * would share the disk and the cores with it; nothing is lost by doing it later but the room that two copies of small
 * topics take. So it waits for some quiet seconds, unless too much has piled up.
 */
import type { Clock, Timer } from '../../base/clock.ts';

const LOOK_MS = 1_000;
/** Share of a look in which the event loop worked: above it the broker is busy. */
const BUSY = 0.2;
/** So many looks in a row must find the broker idle: a pause between two loads is not quiet yet. */
const QUIET_LOOKS = 5;

export class QuietTime {
  readonly #clock: Clock;
  readonly #load: (() => number) | undefined;
  #timer: Timer | undefined;

  /** @param load of the event loop since the last call, 0 to 1; undefined: it is always quiet. */
  constructor(clock: Clock, load: (() => number) | undefined) {
    this.#clock = clock;
    this.#load = load;
  }

  /** Calls back once it is quiet, or `enough` says that it cannot wait any more, perhaps at once; at once where quiet is not measured. */
  wait(enough: () => boolean, callback: () => void): void {
    this.end();
    if (this.#load === undefined || enough()) {
      callback();
      return;
    }
    let quiet = 0;
    this.#watch((busy) => {
      quiet = busy ? 0 : quiet + 1;
      if (quiet < QUIET_LOOKS && !enough()) return true;
      callback();
      return false;
    });
  }

  /** Tells whether the broker is busy, about once a second, until `end`. */
  report(tell: (busy: boolean) => void): void {
    if (this.#load === undefined) return;
    this.#watch((busy) => {
      tell(busy);
      return true;
    });
  }

  /** Nothing is called back any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #watch(look: (busy: boolean) => boolean): void {
    this.end();
    this.#load?.();
    const next = (): void => {
      this.#timer = this.#clock.schedule(LOOK_MS, () => {
        if (look((this.#load?.() ?? 0) > BUSY)) next();
      });
    };
    next();
  }
}
