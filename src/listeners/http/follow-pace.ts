import type { HttpSettings } from './settings.ts';

export type PaceSettings = Pick<HttpSettings, 'followPaceMs' | 'denseFollowPaceMs'>;

/**
 * How far the pieces of a follower are apart, by how close records come: where each piece is dozens of them anyway, half as
 * many pieces cost half as much; where records answer one another, each waits for the one before.
 */
export class FollowPace {
  readonly #settings: PaceSettings;
  #records = 0;
  #isDense = false;
  /** When the interval began in which these records came. */
  #beganAt = Number.NEGATIVE_INFINITY;

  constructor(settings: PaceSettings) {
    this.#settings = settings;
  }

  sent(recordCount: number): void {
    this.#records += recordCount;
  }

  /** Milliseconds from the last piece to the next. */
  get paceMs(): number {
    return this.#isDense ? this.#settings.denseFollowPaceMs : this.#settings.followPaceMs;
  }

  /** Begins the next interval, with the last piece, at `sentAt` on a monotonic clock. @returns whether the one before was dense. */
  next(sentAt: number): boolean {
    this.#isDense = this.#records >= sentAt - this.#beganAt;
    this.#records = 0;
    this.#beganAt = sentAt;
    return this.#isDense;
  }
}
