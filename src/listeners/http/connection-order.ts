/**
 * Keeps the order of what one connection sends ahead: staging a request may take several turns of the event loop (its
 * topic is created, or it has many records), and what came behind it on the same connection must not overtake.
 */
import type { Socket } from 'node:net';

export class ConnectionOrder {
  readonly #last = new WeakMap<Socket, Promise<unknown>>();

  /** Runs the stage when those before it on this connection have ended, well or not; at once where there is none. */
  async run<T>(socket: Socket, stage: () => Promise<T>): Promise<T> {
    const before = this.#last.get(socket);
    const current = before === undefined ? stage() : before.then(stage, stage);
    this.#last.set(socket, current);
    try {
      return await current;
    } finally {
      if (this.#last.get(socket) === current) this.#last.delete(socket);
    }
  }
}
