/**
 * Time, passed in: nothing above this file calls Date.now or setTimeout by itself, so tests move time by hand
 * (`test/kit/manual-clock.ts`).
 */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For durations and timeouts. */
  monotonic(): number;
  /** Calls back once after `delayMs`. The timer does not keep the process alive. */
  schedule(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  /** Safe to call twice and after the timer fired. */
  cancel(): void;
}

/** One object for each of thousands, where a closure would be three. */
class SystemTimer implements Timer {
  readonly #handle: ReturnType<typeof setTimeout>;

  constructor(handle: ReturnType<typeof setTimeout>) {
    this.#handle = handle;
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

/** The real time; its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    // Browsers have plain numbers for timers, and no process to keep alive.
    if (typeof handle === 'object') handle.unref();
    return new SystemTimer(handle);
  },
};

/** The same, but its timers keep the process alive: for programs whose only business is what they wait for. */
export const waitingClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic(),
  schedule(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return new SystemTimer(handle);
  },
};
