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

/** The real time; its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    // Browsers have plain numbers for timers, and no process to keep alive.
    if (typeof handle === 'object') handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** The same, but its timers keep the process alive: for programs whose only business is what they wait for. */
export const waitingClock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic(),
  schedule(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
