/** Lets loops sleep until something happens, and never lose a wake-up that comes before the sleep. */
import { abortable } from './abort.ts';

export class Wake {
  #next = Promise.withResolvers<void>();

  /** Take it before looking at the state; what happens from then on resolves it. */
  get ticket(): Promise<void> {
    return this.#next.promise;
  }

  /** Wakes all who sleep. */
  all(): void {
    const now = this.#next;
    this.#next = Promise.withResolvers<void>();
    now.resolve();
  }

  /** Sleeps until `ready` holds. @throws MillraceError CLIENT_ABORTED. */
  async until(ready: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!ready()) await abortable(this.ticket, signal);
  }
}
