/**
 * Decides whether a sync may block the thread. On a quick disk the way through the thread pool and back costs as much as the
 * sync itself, so that a few producers who wait for each other's syncs are served a third faster without it. On a slow
 * or busy disk everybody else would wait too: there each sync goes aside.
 */
import type { Clock } from '../base/clock.ts';

/** A disk is quick while a sync usually takes less; milliseconds, the way through the pool included. */
const QUICK_MS = 1;
/** A blocking sync that takes longer sends those of the next second aside. */
const SLOW_MS = 4;
const ASIDE_MS = 1000;
/** Weight of the newest sync in the average. */
const WEIGHT = 1 / 16;

export class SyncTimes {
  readonly #clock: Clock;
  /** Milliseconds, moving average; undefined before the first sync. */
  #usualMs: number | undefined;
  /** On the clock's monotonic scale. */
  #asideUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get quick(): boolean {
    return this.#usualMs !== undefined && this.#usualMs < QUICK_MS && this.#clock.monotonic() >= this.#asideUntil;
  }

  /** @param ms how long a sync took. */
  add(ms: number, blocking: boolean): void {
    this.#usualMs = this.#usualMs === undefined ? ms : this.#usualMs + (ms - this.#usualMs) * WEIGHT;
    if (blocking && ms > SLOW_MS) this.#asideUntil = this.#clock.monotonic() + ASIDE_MS;
  }
}
