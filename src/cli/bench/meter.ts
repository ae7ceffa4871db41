/**
 * What one side of a run did inside the measured window. Clients count all the time; the scenario opens the window after
 * the warm-up and closes it before the clients stop, so that neither start nor end is in the figures.
 */
import { Histogram, type HistogramState } from './histogram.ts';

/** Plain form that crosses a process border; sums of several generators. */
export interface MeterState {
  readonly requests: number;
  readonly records: number;
  /** Batch bytes as stored: record overhead and batch headers included, request framing not. */
  readonly bytes: number;
  readonly latency: HistogramState;
}

export class Meter {
  readonly latency = new Histogram();
  #open = false;
  #requests = 0;
  #records = 0;
  #bytes = 0;
  /** Records since the clients began, warm-up included: the progress check. */
  #totalRecords = 0;

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get totalRecords(): number {
    return this.#totalRecords;
  }

  open(): void {
    this.#requests = 0;
    this.#records = 0;
    this.#bytes = 0;
    this.latency.reset();
    this.#open = true;
  }

  close(): void {
    this.#open = false;
  }

  add(requests: number, records: number, bytes: number): void {
    this.#totalRecords += records;
    if (!this.#open) return;
    this.#requests += requests;
    this.#records += records;
    this.#bytes += bytes;
  }

  recordLatency(millis: number): void {
    if (this.#open) this.latency.recordMillis(millis);
  }

  toState(): MeterState {
    const { latency } = this;
    return { requests: this.#requests, records: this.#records, bytes: this.#bytes, latency: latency.toState() };
  }
}
