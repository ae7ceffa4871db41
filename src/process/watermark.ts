/**
 * How far event time has come in a source of several partitions: as far as in the slowest of them. A partition that nothing
 * was read from counts as not begun, until it has been silent for `idleMs`; then the others go on without it.
 */

interface Progress {
  maxTimestamp: number;
  /** Monotonic milliseconds: when it was added, or last gave something. */
  activeMs: number;
}

export interface WatermarkOptions {
  /** How much later than its time a record may come, measured in event time. */
  readonly outOfOrdernessMs: number;
  readonly idleMs: number;
}

export class Watermark {
  readonly #options: WatermarkOptions;
  readonly #partitions = new Map<string, Progress>();
  #watermarkMs = Number.NEGATIVE_INFINITY;

  constructor(options: WatermarkOptions) {
    this.#options = options;
  }

  /** The partition takes part. One that does already begins anew. */
  add(partition: string, nowMs: number): void {
    this.#partitions.set(partition, { maxTimestamp: Number.NEGATIVE_INFINITY, activeMs: nowMs });
  }

  remove(partition: string): void {
    this.#partitions.delete(partition);
  }

  seen(partition: string, timestamp: number, nowMs: number): void {
    const progress = this.#partitions.get(partition);
    if (progress === undefined) {
      this.#partitions.set(partition, { maxTimestamp: timestamp, activeMs: nowMs });
      return;
    }
    progress.activeMs = nowMs;
    if (timestamp > progress.maxTimestamp) progress.maxTimestamp = timestamp;
  }

  /** Never goes back. */
  at(nowMs: number): number {
    let slowest = Number.POSITIVE_INFINITY;
    for (const { maxTimestamp, activeMs } of this.#partitions.values())
      if (nowMs - activeMs < this.#options.idleMs) slowest = Math.min(slowest, maxTimestamp);
    const reached = slowest - this.#options.outOfOrdernessMs;
    if (Number.isFinite(reached) && reached > this.#watermarkMs) this.#watermarkMs = reached;
    return this.#watermarkMs;
  }

  /** Milliseconds until a partition that holds up the others counts as silent; undefined where none does. */
  nextIdleMs(nowMs: number): number | undefined {
    let nextMs: number | undefined;
    for (const { activeMs } of this.#partitions.values()) {
      const leftMs = activeMs + this.#options.idleMs - nowMs;
      if (leftMs > 0 && (nextMs === undefined || leftMs < nextMs)) nextMs = leftMs;
    }
    return nextMs;
  }
}
