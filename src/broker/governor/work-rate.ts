/** How fast work gets done: its amount over the last seconds, from samples of a counter that only grows. */

/** Rounds of sealing come and go; over so long they even out. */
const WINDOW_MS = 15_000;

interface Sample {
  readonly at: number;
  readonly total: number;
}

export class WorkRate {
  /** Oldest first; the first one is as old as the window, or older. */
  readonly #samples: Sample[] = [];

  /**
   * @param total of the counter.
   * @param now monotonic, milliseconds; never less than before.
   */
  sample(total: number, now: number): void {
    this.#samples.push({ at: now, total });
    while (this.#samples.length > 2 && (this.#samples[1] as Sample).at <= now - WINDOW_MS) this.#samples.shift();
  }

  /** A second; 0 before there are two samples. */
  get perSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return ((last.total - first.total) * 1000) / (last.at - first.at);
  }

  /** What was measured is of another time. */
  forget(): void {
    this.#samples.length = 0;
  }
}
