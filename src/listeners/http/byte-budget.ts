/** A limit in bytes that many share. Taking either fails at once or waits in line; nothing is taken by halves. */

export interface BudgetTicket {
  /** Leaves the line; what was granted already stays granted. */
  cancel(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly granted: () => void;
}

export class ByteBudget {
  readonly limitBytes: number;
  readonly #line = new Set<Waiter>();
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /** False, taking nothing, where others hold too much. Something larger than the whole limit passes when it is alone. */
  tryTake(bytes: number): boolean {
    if (this.#line.size > 0 || !this.#fits(bytes)) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** Calls back when the bytes are granted, in the order of asking; perhaps at once. */
  take(bytes: number, granted: () => void): BudgetTicket {
    if (this.tryTake(bytes)) {
      granted();
      return { cancel: () => {} };
    }
    const waiter: Waiter = { bytes, granted };
    this.#line.add(waiter);
    return {
      cancel: () => {
        if (this.#line.delete(waiter)) this.#serve();
      },
    };
  }

  /** Takes whatever the limit says: for what is already in memory, so that others wait until it is gone. */
  force(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /** What was taken turns out to be that much more, as with `force`, or less. */
  change(bytes: number): void {
    if (bytes > 0) this.force(bytes);
    else if (bytes < 0) this.give(-bytes);
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
    this.#serve();
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.limitBytes;
  }

  #serve(): void {
    for (const waiter of this.#line) {
      if (!this.#fits(waiter.bytes)) return;
      this.#line.delete(waiter);
      this.#usedBytes += waiter.bytes;
      waiter.granted();
    }
  }
}
