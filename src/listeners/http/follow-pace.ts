import type { HttpSettings } from './settings.ts';

export type PaceSettings = Pick<
  HttpSettings,
  'followPaceMs' | 'denseFollowPaceMs' | 'followPieceBytes' | 'denseFollowPieceBytes'
>;

/**
 * How far the pieces of a follower are apart, and how large they are, by how close records come: where each piece is dozens of them
 * anyway, half as many pieces cost half as much; where records answer one another, each waits for the one before.
 * A record that comes after silence goes out at once.
 */
export class FollowPace {
  readonly #settings: PaceSettings;
  #records = 0;
  #isDense = false;
  /** When the interval began in which these records came. */
  #beganAt = Number.NEGATIVE_INFINITY;
  /** When the last piece was sent, on a monotonic clock, as all times here. */
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(settings: PaceSettings) {
    this.#settings = settings;
  }

  sent(recordCount: number, now: number): void {
    this.#records += recordCount;
    this.#sentAt = now;
  }

  /** Begins the next interval, with the last piece. @returns whether the one before was dense: the next piece need not be waited for then. */
  next(): boolean {
    // Who was woken up for nothing has learned nothing.
    if (this.#records === 0) return this.#isDense;
    this.#isDense = this.#records >= this.#sentAt - this.#beganAt;
    this.#records = 0;
    this.#beganAt = this.#sentAt;
    return this.#isDense;
  }

  /** Milliseconds until the next piece may be sent; none or less: now. */
  waitMs(now: number): number {
    const { followPaceMs, denseFollowPaceMs } = this.#settings;
    return this.#sentAt + (this.#isDense ? denseFollowPaceMs : followPaceMs) - now;
  }

  /** Of the next piece, at most. */
  get pieceBytes(): number {
    const { followPieceBytes, denseFollowPieceBytes } = this.#settings;
    return this.#isDense ? denseFollowPieceBytes : followPieceBytes;
  }
}
