/**
 * Keeps the disk within its bound when producers are faster than sealing and tiering: they are slowed down to the rate at which
 * data leaves, measured, and the more so the fuller the disk is.
 *
 * ```
 *  rate
 *   ∞ ─────────────┐            what cannot leave the disk yet: journal, chunks that are written or not in the store
 *  2 × drain       └──╲
 *  drain                ─╲─     producers settle where as much comes as leaves
 *  least                    ╲────────
 *      0     0.75 L    L    1.1 L       1.2 L: what the disk may have      (L: tier.local.bytes)
 * ```
 * It never stops anybody: the least rate goes on, and while the store is away there is no limit at all, since a store that is
 * down must not slow writes; then the disk fills up to its watermark (`../disk-guard.ts`). Nothing runs by a timer: everything is
 * worked out when a listener asks, so without writes it costs nothing.
 */
import type { Clock } from '../../base/clock.ts';
import { SLOW_FROM_SHARE, SLOW_TO_SHARE, TIGHT_SHARE } from './local-bound.ts';
import { Pacer } from './pacer.ts';
import { WorkRate } from './work-rate.ts';

/** How often the disk is looked at while somebody writes. */
const LOOK_MS = 100;
/** Beginning of the zone: so many times what leaves may come. */
const MAX_GAIN = 2;
/** A chunk that would have to leave the disk again before is not worth being written there. */
const MIN_STAY_MS = 3 * 60 * 1000;

export interface GovernorOptions {
  readonly clock: Clock;
  /** What is kept locally. */
  readonly localBytes: number;
  /** Nobody is slowed down below this, a second, however little leaves. */
  readonly minBytesPerSecond: number;
  /** Bytes on the disk that cannot leave it yet, a round of sealing counted as if it had written everything. */
  readonly heldBytes: () => number;
  /** Bytes that producers have written since the start. */
  readonly writtenBytes: () => number;
  /** Bytes that were made free to leave since the start. */
  readonly drainedBytes: () => number;
  /** False: nobody is slowed down now, since it would not help, or must not be. */
  readonly engaged: () => boolean;
}

export class Governor {
  /** Waits told, and their milliseconds, for the metrics. */
  readonly counters = { throttles: 0, throttleMs: 0 };
  readonly #options: GovernorOptions;
  readonly #drain = new WorkRate();
  readonly #come = new WorkRate();
  readonly #pacer = new Pacer();
  /** Of the last look; monotonic milliseconds. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Of what was written, so much is accounted for. */
  #paced = 0;
  /** Bytes a second that producers may write together; infinite: no limit. As of the last look. */
  rate = Number.POSITIVE_INFINITY;

  constructor(options: GovernorOptions) {
    this.#options = options;
  }

  /** Bytes a second that leave, as of the last look. */
  get drainRate(): number {
    return this.#drain.perSecond;
  }

  /** Hot path: asked after each write. @returns milliseconds that who has just written shall wait before the next write. */
  waitMs(): number {
    const { clock, writtenBytes } = this.#options;
    const now = clock.monotonic();
    this.#lookIfDue(now);
    const written = writtenBytes();
    const waitMs = this.#pacer.use(written - this.#paced, this.rate, now);
    this.#paced = written;
    if (waitMs > 0) {
      this.counters.throttles += 1;
      this.counters.throttleMs += waitMs;
    }
    return waitMs;
  }

  /**
   * What is in the journal should not be written to the disk once more: so much cannot leave it already, or so fast does it come
   * that it would leave within minutes.
   */
  get isTight(): boolean {
    const { clock, localBytes, heldBytes, engaged } = this.#options;
    this.#lookIfDue(clock.monotonic());
    if (this.#come.perSecond * MIN_STAY_MS >= localBytes * 1000) return true;
    return engaged() && heldBytes() >= TIGHT_SHARE * localBytes;
  }

  /** Whoever writes next may have to wait. */
  get slows(): boolean {
    this.#lookIfDue(this.#options.clock.monotonic());
    return Number.isFinite(this.rate);
  }

  #lookIfDue(now: number): void {
    if (now - this.#lookedAt >= LOOK_MS) this.#look(now);
  }

  #look(now: number): void {
    const { heldBytes, writtenBytes, drainedBytes, engaged } = this.#options;
    // After a pause what was measured before says nothing.
    if (now - this.#lookedAt >= 100 * LOOK_MS) {
      this.#drain.forget();
      this.#come.forget();
    }
    this.#lookedAt = now;
    this.#drain.sample(drainedBytes(), now);
    this.#come.sample(writtenBytes(), now);
    this.rate = engaged() ? this.#rateAt(heldBytes()) : Number.POSITIVE_INFINITY;
  }

  #rateAt(heldBytes: number): number {
    const { localBytes, minBytesPerSecond } = this.#options;
    const from = SLOW_FROM_SHARE * localBytes;
    const to = SLOW_TO_SHARE * localBytes;
    if (heldBytes < from) return Number.POSITIVE_INFINITY;
    const gain = (MAX_GAIN * Math.max(0, to - heldBytes)) / (to - from);
    return Math.max(minBytesPerSecond, gain * this.#drain.perSecond);
  }
}
