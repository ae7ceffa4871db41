import { MillraceError } from '../../base/errors.ts';
import type { MemoryBudget } from '../../wire/frame-reader.ts';
import type { KafkaMetrics } from './metrics.ts';

/** One limit for the memory in which frames arrive, over all connections. Those that found no room are told in turn. */
export class LandingBudget implements MemoryBudget {
  readonly #maxBytes: number;
  readonly #metrics: KafkaMetrics;
  #frameBytes = 0;
  #restBytes = 0;
  readonly #waiting = new Set<() => void>();

  /** @param maxBytes for the buffers of large frames, and the same again for everything else. */
  constructor(maxBytes: number, metrics: KafkaMetrics) {
    this.#maxBytes = maxBytes;
    this.#metrics = metrics;
  }

  takeFrame(bytes: number): boolean {
    if (this.#frameBytes > 0 && this.#frameBytes + bytes > this.#maxBytes) return false;
    this.#frameBytes += bytes;
    this.#metrics.landingBytes += bytes;
    return true;
  }

  giveFrame(bytes: number): void {
    this.#frameBytes -= bytes;
    this.#metrics.landingBytes -= bytes;
    if (this.#waiting.size === 0) return;
    const callbacks = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
  }

  takeRest(bytes: number): void {
    if (this.#restBytes + bytes > this.#maxBytes) {
      throw new MillraceError(
        'BROKER_OVERLOADED',
        `Unfinished requests of all connections hold ${this.#restBytes} bytes; no more can be kept.`,
        { details: { heldBytes: this.#restBytes, maxBytes: this.#maxBytes } },
      );
    }
    this.#restBytes += bytes;
    this.#metrics.landingBytes += bytes;
  }

  giveRest(bytes: number): void {
    this.#restBytes -= bytes;
    this.#metrics.landingBytes -= bytes;
  }

  /** Calls back once, when the buffer of a large frame was given back. The same callback waits only once. */
  onRoom(callback: () => void): void {
    this.#waiting.add(callback);
  }

  forget(callback: () => void): void {
    this.#waiting.delete(callback);
  }
}
