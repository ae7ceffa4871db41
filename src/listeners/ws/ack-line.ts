/**
 * Cumulative acknowledgements: the peer numbers its produces, upwards; an acknowledgement says "all up to this one". They
 * may settle in another order than they were sent; the line moves over those that have.
 */
import { MillraceError } from '../../base/errors.ts';

interface Pending {
  readonly id: number;
  settled: boolean;
}

export class AckLine {
  /** In order of their ids. */
  #pending: Pending[] = [];
  #lastId = -1;
  #upTo = -1;
  #announced = -1;

  /** Produces that are not acknowledged. */
  get size(): number {
    return this.#pending.length;
  }

  /** @returns what to call when the produce is settled, well or not. @throws HTTP_REQUEST_INVALID for an id that does not grow. */
  add(id: number): () => void {
    if (id <= this.#lastId) {
      throw new MillraceError(
        'HTTP_REQUEST_INVALID',
        `Produce ${id} came after ${this.#lastId}: ids must grow, since one acknowledgement stands for all up to its id.`,
        { details: { id, lastId: this.#lastId } },
      );
    }
    this.#lastId = id;
    const pending = { id, settled: false };
    this.#pending.push(pending);
    return () => {
      pending.settled = true;
      this.#move();
    };
  }

  /** The id to acknowledge now, once; undefined when there is nothing new. */
  take(): number | undefined {
    if (this.#upTo === this.#announced) return undefined;
    this.#announced = this.#upTo;
    return this.#upTo;
  }

  #move(): void {
    let count = 0;
    for (const { id, settled } of this.#pending) {
      if (!settled) break;
      this.#upTo = id;
      count += 1;
    }
    if (count > 0) this.#pending.splice(0, count);
  }
}
