/** Records as an async iterable. What `for await` costs beyond a record that is at hand already is one promise. */

export class RecordLoop<R> implements AsyncGenerator<R, void, undefined> {
  readonly #atHand: () => R | undefined;
  readonly #next: () => Promise<R | undefined>;
  #isOver = false;

  /** @param atHand undefined where `next` has to be asked. @param next undefined at the end. */
  constructor(atHand: () => R | undefined, next: () => Promise<R | undefined>) {
    this.#atHand = atHand;
    this.#next = next;
  }

  next(): Promise<IteratorResult<R, void>> {
    if (this.#isOver) return Promise.resolve(OVER);
    const value = this.#atHand();
    return value === undefined ? this.#wait() : Promise.resolve({ done: false, value });
  }

  async return(): Promise<IteratorResult<R, void>> {
    this.#isOver = true;
    return OVER;
  }

  async throw(error: unknown): Promise<IteratorResult<R, void>> {
    this.#isOver = true;
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
  }

  /** A failure ends the loop. */
  async #wait(): Promise<IteratorResult<R, void>> {
    let value: R | undefined;
    try {
      value = await this.#next();
    } finally {
      this.#isOver ||= value === undefined;
    }
    return value === undefined ? OVER : { done: false, value };
  }
}

const OVER: IteratorReturnResult<undefined> = { done: true, value: undefined };
