/**
 * Signs of life for all that follow and get nothing: one timer, and nothing made anew for each of thousands that wait.
 * Who joins is asked every interval, spread over it as they joined.
 */
import type { Clock, Timer } from '../../base/clock.ts';

export interface Beating {
  /** Says that it lives, where it has nothing else to say. */
  beat(): void;
}

/** Who is due within so long is asked together. */
const TICK_MS = 20;

export class Heartbeats {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  /** With the time each is due, monotonic; since all have one interval, in order of it. */
  readonly #members = new Map<Beating, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  join(member: Beating): void {
    this.#members.set(member, this.#clock.monotonic() + this.#intervalMs);
    this.#timer ??= this.#clock.schedule(this.#intervalMs, () => this.#tick());
  }

  leave(member: Beating): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #tick(): void {
    const now = this.#clock.monotonic();
    let next = this.#intervalMs;
    for (const [member, dueAt] of this.#members) {
      next = dueAt - now;
      if (next > 0) break;
      this.#members.delete(member);
      this.#members.set(member, now + this.#intervalMs);
      member.beat();
    }
    this.#timer =
      this.#members.size === 0 ? undefined : this.#clock.schedule(Math.max(next, TICK_MS), () => this.#tick());
  }
}
