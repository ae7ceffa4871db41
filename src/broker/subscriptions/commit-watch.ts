/** Waits for the journal to go on. An object and not a closure, since thousands wait. */
export interface CommitWaiter {
  /** Called once. It may wait again in the call. */
  advanced(): void;
}

/** Tells who waits for the journal to go on, whatever the topic. One call for each advance, however many commits. */
export class CommitWatch {
  readonly #waiting = new Set<CommitWaiter>();

  /** Tells the waiter once, when the next commit is published. */
  wait(waiter: CommitWaiter): void {
    this.#waiting.add(waiter);
  }

  leave(waiter: CommitWaiter): void {
    this.#waiting.delete(waiter);
  }

  published(): void {
    if (this.#waiting.size === 0) return;
    const waiters = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiters) waiter.advanced();
  }
}
