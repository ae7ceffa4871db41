/**
 * Latencies in fixed buckets, so that recording one allocates nothing and a run of any length takes 14 KB.
 *
 * Values are whole microseconds. Up to 127 they are exact; above, each power of two is cut in 64 equal buckets, so a
 * value read back is at most 1.6 % above the one recorded (percentiles answer the bucket's upper end).
 */

const HALF_BITS = 6;
/** 2^31 µs is 36 minutes; later values count as that. */
const MAX_MICROS = 0x7fff_ffff;
const BUCKET_COUNT = bucketOf(MAX_MICROS) + 1;

function bucketOf(micros: number): number {
  const shift = Math.max(0, 31 - Math.clz32(micros) - HALF_BITS);
  return (shift << HALF_BITS) + (micros >>> shift);
}

/** Largest value that falls into the bucket. */
function bucketTop(bucket: number): number {
  const shift = Math.max(0, (bucket >>> HALF_BITS) - 1);
  const mantissa = bucket - (shift << HALF_BITS);
  return (mantissa + 1) * 2 ** shift - 1;
}

/** Plain form that crosses a process border: pairs of bucket and count, empty buckets left out. */
export interface HistogramState {
  readonly maxMicros: number;
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
}

export class Histogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  #count = 0;
  #maxMicros = 0;

  get count(): number {
    return this.#count;
  }

  /** The largest value recorded, exact. */
  get maxMicros(): number {
    return this.#maxMicros;
  }

  /** @param millis as performance.now() differences are; negative ones (clock granularity) count as 0. */
  recordMillis(millis: number): void {
    const micros = Math.min(MAX_MICROS, Math.max(0, Math.round(millis * 1000)));
    const bucket = bucketOf(micros);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count += 1;
    if (micros > this.#maxMicros) this.#maxMicros = micros;
  }

  /** @param quantile 0 to 1. @returns microseconds, at most 1.6 % too high; NaN when nothing was recorded. */
  quantileMicros(quantile: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(quantile * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= rank) return Math.min(bucketTop(bucket), this.#maxMicros);
    }
    return this.#maxMicros;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#maxMicros = 0;
  }

  merge(state: HistogramState): void {
    for (const [bucket, count] of state.buckets) {
      if (bucket < 0 || bucket >= BUCKET_COUNT) continue;
      this.#counts[bucket] = (this.#counts[bucket] as number) + count;
      this.#count += count;
    }
    this.#maxMicros = Math.max(this.#maxMicros, state.maxMicros);
  }

  toState(): HistogramState {
    const buckets: [number, number][] = [];
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const count = this.#counts[bucket] as number;
      if (count > 0) buckets.push([bucket, count]);
    }
    return { maxMicros: this.#maxMicros, buckets };
  }
}
