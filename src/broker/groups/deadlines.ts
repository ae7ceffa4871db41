/**
 * All timeouts of all groups on one timer: a heap of deadlines.
 *
 * Heartbeats move deadlines far more often than these fire, always later. So moving one later only writes its new
 * time; its place in the heap is put right when the old time comes. A heartbeat costs no heap step and no timer.
 */
import type { Clock, Timer } from '../../base/clock.ts';

const NONE = Number.POSITIVE_INFINITY;
/** What a timer of the platform can hold; one that fires early finds nothing due and is set again. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** One timeout that can be set again and again. Owned by whoever made it; made by `Deadlines.create`. */
export class Deadline {
  readonly #queue: Deadlines;
  /** Called once per expiry, never from inside `set` or `cancel`. May set this or any other deadline. */
  readonly expired: () => void;
  /** When it is due, in monotonic milliseconds; Infinity: not set. */
  dueAt = NONE;
  /** Belongs to the queue: the time it is sorted by, at most `dueAt`, and the place in the heap (-1: not in it). */
  keyAt = NONE;
  index = -1;

  constructor(queue: Deadlines, expired: () => void) {
    this.#queue = queue;
    this.expired = expired;
  }

  get isSet(): boolean {
    return this.dueAt !== NONE;
  }

  /** Due in `delayMs` from now; replaces what was set before. */
  set(delayMs: number): void {
    this.#queue.schedule(this, delayMs);
  }

  cancel(): void {
    this.#queue.remove(this);
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #heap: Deadline[] = [];
  #timer: Timer | undefined;
  #timerAt = NONE;
  #firing = false;
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Deadlines that are set. */
  get size(): number {
    return this.#heap.length;
  }

  create(expired: () => void): Deadline {
    return new Deadline(this, expired);
  }

  /** Nothing fires after this. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#heap.length = 0;
  }

  /** For `Deadline.set`. */
  schedule(deadline: Deadline, delayMs: number): void {
    if (this.#stopped) return;
    deadline.dueAt = this.#clock.monotonic() + delayMs;
    if (deadline.index >= 0 && deadline.dueAt >= deadline.keyAt) return;
    deadline.keyAt = deadline.dueAt;
    if (deadline.index < 0) {
      deadline.index = this.#heap.length;
      this.#heap.push(deadline);
    }
    this.#rise(deadline);
    this.#arm();
  }

  /** For `Deadline.cancel`. The timer stays: firing for nothing is cheaper than moving it at each cancel. */
  remove(deadline: Deadline): void {
    deadline.dueAt = NONE;
    if (deadline.index < 0 || this.#stopped) return;
    const last = this.#heap.pop() as Deadline;
    if (last !== deadline) {
      this.#place(last, deadline.index);
      this.#rise(last);
      this.#sink(last);
    }
    deadline.index = -1;
    deadline.keyAt = NONE;
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || this.#firing || this.#stopped || first.keyAt >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = first.keyAt;
    const delayMs = Math.min(Math.max(0, first.keyAt - this.#clock.monotonic()), LONGEST_TIMER_MS);
    this.#timer = this.#clock.schedule(delayMs, () => this.#fire());
  }

  #fire(): void {
    this.#timerAt = NONE;
    this.#firing = true;
    try {
      const now = this.#clock.monotonic();
      for (let first = this.#heap[0]; first !== undefined && first.keyAt <= now; first = this.#heap[0]) {
        if (first.dueAt > now) {
          first.keyAt = first.dueAt;
          this.#sink(first);
        } else {
          this.remove(first);
          first.expired();
        }
      }
    } finally {
      this.#firing = false;
      this.#arm();
    }
  }

  #rise(deadline: Deadline): void {
    while (deadline.index > 0) {
      const parent = this.#heap[(deadline.index - 1) >> 1] as Deadline;
      if (parent.keyAt <= deadline.keyAt) return;
      this.#swap(parent, deadline);
    }
  }

  #sink(deadline: Deadline): void {
    for (;;) {
      const left = this.#heap[deadline.index * 2 + 1];
      const right = this.#heap[deadline.index * 2 + 2];
      const child = right !== undefined && left !== undefined && right.keyAt < left.keyAt ? right : left;
      if (child === undefined || child.keyAt >= deadline.keyAt) return;
      this.#swap(deadline, child);
    }
  }

  #swap(upper: Deadline, lower: Deadline): void {
    const index = upper.index;
    this.#place(upper, lower.index);
    this.#place(lower, index);
  }

  #place(deadline: Deadline, index: number): void {
    this.#heap[index] = deadline;
    deadline.index = index;
  }
}
