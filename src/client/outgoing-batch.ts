/** Records of one partition that travel together, and what became of them. One promise for all, so receipts cost little. */
import type { Offsets } from './backend.ts';
import type { EncodedRecord } from './record.ts';

export class OutgoingBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: EncodedRecord[] = [];
  /** Monotonic milliseconds: when linger is over. */
  readonly dueMs: number;
  sizeBytes = 0;
  /** True once somebody asked for a receipt: then a failure is theirs, and flush need not report it. */
  observed = false;
  #settled: PromiseWithResolvers<Offsets> | undefined;
  #outcome: Offsets | Error | undefined;

  constructor(topic: string, partition: number, dueMs: number) {
    this.topic = topic;
    this.partition = partition;
    this.dueMs = dueMs;
  }

  add(record: EncodedRecord, sizeBytes: number): void {
    this.sizeBytes += sizeBytes;
    this.records.push(record);
  }

  /** The offsets, once written. The promise is made when somebody asks. */
  outcome(): Promise<Offsets> {
    this.observed = true;
    if (this.#settled === undefined) {
      this.#settled = Promise.withResolvers<Offsets>();
      this.#pass();
    }
    return this.#settled.promise;
  }

  settle(outcome: Offsets | Error): void {
    this.#outcome = outcome;
    this.#pass();
  }

  #pass(): void {
    if (this.#settled === undefined || this.#outcome === undefined) return;
    if (this.#outcome instanceof Error) this.#settled.reject(this.#outcome);
    else this.#settled.resolve(this.#outcome);
  }
}
