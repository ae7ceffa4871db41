/** Tells who waits for the journal to go on, whatever the topic. One call for each advance, however many commits. */
export class CommitWatch {
  readonly #waiting = new Set<() => void>();

  /** Calls back once, when the next commit is published. @returns takes the call back. */
  once(callback: () => void): () => void {
    // A function of its own: the same callback may wait twice.
    const call = (): void => callback();
    this.#waiting.add(call);
    return () => this.#waiting.delete(call);
  }

  published(): void {
    if (this.#waiting.size === 0) return;
    const calls = [...this.#waiting];
    this.#waiting.clear();
    for (const call of calls) call();
  }
}
