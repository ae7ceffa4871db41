/**
 * Keeps the order of what one connection sends ahead: staging a request may take several turns of the event loop (its
 * topic is created, or it has many records), and what came behind it on the same connection must not overtake.
 */
export class ConnectionOrder {
  readonly #last = new WeakMap<object, Promise<unknown>>();

  /** Whether nothing of this connection is being staged, so that what needs no turn may do without. */
  isIdle(connection: object): boolean {
    return !this.#last.has(connection);
  }

  /** Runs the stage when those before it on this connection have ended, well or not; at once where there is none. */
  async run<T>(connection: object, stage: () => Promise<T>): Promise<T> {
    const before = this.#last.get(connection);
    const current = before === undefined ? stage() : before.then(stage, stage);
    this.#last.set(connection, current);
    try {
      return await current;
    } finally {
      if (this.#last.get(connection) === current) this.#last.delete(connection);
    }
  }
}
