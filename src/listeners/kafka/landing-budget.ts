import { MillraceError } from '../../base/errors.ts';
import type { MemoryBudget } from '../../wire/frame-reader.ts';
import type { KafkaMetrics } from './metrics.ts';

/** What was received already may pass the limit by so much before connections are closed. */
const OVERDRAFT_FACTOR = 2;

/** One limit for the memory in which frames arrive, over all connections. Those that found no room are told in turn. */
export class LandingBudget implements MemoryBudget {
  readonly #maxBytes: number;
  readonly #metrics: KafkaMetrics;
  readonly #waiting = new Set<() => void>();

  constructor(maxBytes: number, metrics: KafkaMetrics) {
    this.#maxBytes = maxBytes;
    this.#metrics = metrics;
  }

  tryTake(bytes: number): boolean {
    const taken = this.#metrics.landingBytes;
    if (taken > 0 && taken + bytes > this.#maxBytes) return false;
    this.#metrics.landingBytes = taken + bytes;
    return true;
  }

  mustTake(bytes: number): void {
    const taken = this.#metrics.landingBytes;
    if (taken + bytes > this.#maxBytes * OVERDRAFT_FACTOR) {
      throw new MillraceError(
        'BROKER_OVERLOADED',
        `Unfinished requests of all connections hold ${taken} bytes; no more can be kept.`,
        { details: { takenBytes: taken, maxBytes: this.#maxBytes } },
      );
    }
    this.#metrics.landingBytes = taken + bytes;
  }

  give(bytes: number): void {
    if (bytes === 0) return;
    this.#metrics.landingBytes -= bytes;
    if (this.#waiting.size === 0) return;
    const callbacks = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
  }

  /** Calls back once, when something was given back. The same callback waits only once. */
  onRoom(callback: () => void): void {
    this.#waiting.add(callback);
  }

  forget(callback: () => void): void {
    this.#waiting.delete(callback);
  }
}
