/** A bounded number of holders; the rest wait in line. */
export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(permits: number) {
    this.#free = permits;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs `work` when a place is free; gives the place back however it ends. First come, first served. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return await this.#hold(work);
  }

  /** As `run`, where a place is free now; undefined: there is none, and `work` is not run. */
  tryRun<T>(work: () => Promise<T>): Promise<T> | undefined {
    if (this.#free === 0) return undefined;
    this.#free -= 1;
    return this.#hold(work);
  }

  async #hold<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The place passes straight to the next in line, so nobody overtakes it.
      if (next !== undefined) next();
      else this.#free += 1;
    }
  }
}
