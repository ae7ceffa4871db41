/**
 * Counts durations in fixed buckets, four to a factor of ten from 50 µs to 10 s: fine enough for a p99, and adding one
 * costs a short loop and no memory.
 */

/** Upper ends in seconds, inclusive; what is slower counts in none of them. Published in metrics: never change. */
export const LATENCY_BUCKETS_SECONDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

const BUCKETS_MS = LATENCY_BUCKETS_SECONDS.map((seconds) => seconds * 1000);

export class LatencyHistogram {
  /** By bucket, not cumulated; the last is for everything slower. */
  readonly counts = new Float64Array(BUCKETS_MS.length + 1);
  count = 0;
  sumMs = 0;

  addMs(duration: number): void {
    let bucket = 0;
    while (bucket < BUCKETS_MS.length && duration > (BUCKETS_MS[bucket] as number)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.count += 1;
    this.sumMs += duration;
  }
}
