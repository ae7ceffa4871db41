/**
 * A clock that stands still until the test moves it. Timers fire inside `advance`, in order of their time, each seeing
 * its own due time as the present.
 */
import type { Clock, Timer } from '../../src/base/clock.ts';

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();

  /** @param startMs wall clock at the start; milliseconds since 1970. */
  constructor(startMs = 1_700_000_000_000) {
    this.#wallMs = startMs;
  }

  /** Timers that have not fired: a test that ends expects none. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const pending = { dueMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /** Moves both clocks on and fires what falls due, also timers that the callbacks set. */
  advance(durationMs: number): void {
    const endMs = this.#monotonicMs + durationMs;
    for (let next = this.#earliest(endMs); next !== undefined; next = this.#earliest(endMs)) {
      this.#pending.delete(next);
      this.#moveTo(Math.max(next.dueMs, this.#monotonicMs));
      next.callback();
    }
    this.#moveTo(endMs);
  }

  /** Only the wall clock, as when somebody sets it. */
  jump(durationMs: number): void {
    this.#wallMs += durationMs;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #earliest(endMs: number): Pending | undefined {
    let earliest: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueMs > endMs) continue;
      if (earliest === undefined || pending.dueMs < earliest.dueMs) earliest = pending;
      else if (pending.dueMs === earliest.dueMs && pending.order < earliest.order) earliest = pending;
    }
    return earliest;
  }
}
