/**
 * Collects records into batches and sends them.
 *
 *   submit ─► lane of the partition: [batch full] [batch filling] ─► write, one batch of a lane on the way
 *
 * A batch leaves when it is full, when its linger is over, or when somebody flushes; while a lane's last batch is on the
 * way the next one fills, so batches grow by themselves under load. Where the writer keeps the order of calls by itself,
 * full batches of a lane follow each other without waiting. All that is ready leaves in one write. Order within a
 * partition is the order of `submit`. Bytes of records that are not yet answered are bounded.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { asMillraceError, MillraceError } from '../base/errors.ts';
import type { Offsets, Writer } from './backend.ts';
import { OutgoingBatch } from './outgoing-batch.ts';
import type { EncodedRecord } from './record.ts';
import { Wake } from './wake.ts';

export interface SenderLimits {
  readonly lingerMs: number;
  readonly maxBatchBytes: number;
  readonly maxBatchRecords: number;
  /** Bytes submitted and not yet answered. */
  readonly maxBufferedBytes: number;
  /** Writes on the way at the same time. */
  readonly maxInflight: number;
}

interface Lane {
  readonly topic: string;
  readonly partition: number;
  /** The last one may still fill. */
  readonly waiting: OutgoingBatch[];
  inflight: number;
}

export class Sender {
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #limits: SenderLimits;
  readonly #onBatchClosed: (topic: string) => void;
  readonly #lanes = new Map<string, Map<number, Lane>>();
  /** Records in a row are of one lane, more often than not. */
  #lastLane: Lane | undefined;
  /** Lanes with something waiting, oldest first. */
  readonly #ready = new Set<Lane>();
  /** Changes whenever room or quiet may have come. */
  readonly #changed = new Wake();
  #bufferedBytes = 0;
  #writes = 0;
  #pumpScheduled = false;
  #timer: Timer | undefined;
  /** Batches begun before this monotonic time count as due. */
  #flushing = 0;
  #unreported: { readonly first: MillraceError; readonly records: number } | undefined;

  constructor(writer: Writer, clock: Clock, limits: SenderLimits, onBatchClosed: (topic: string) => void) {
    this.#writer = writer;
    this.#clock = clock;
    this.#limits = limits;
    this.#onBatchClosed = onBatchClosed;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** True where a record of this size may be submitted now. One larger than the whole buffer is taken when it is empty. */
  hasRoom(sizeBytes: number): boolean {
    return this.#bufferedBytes === 0 || this.#bufferedBytes + sizeBytes <= this.#limits.maxBufferedBytes;
  }

  async untilRoom(sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#changed.until(() => this.hasRoom(sizeBytes), signal);
  }

  /** Takes the record; the caller has seen to it that there is room. @returns its batch, of which it is the last for now. */
  submit(topic: string, partition: number, record: EncodedRecord, sizeBytes: number): OutgoingBatch {
    const lane = this.#lane(topic, partition);
    let batch = lane.waiting[lane.waiting.length - 1];
    if (batch === undefined || !this.#fits(batch, sizeBytes)) {
      const full = batch;
      batch = new OutgoingBatch(topic, partition, this.#clock.monotonic() + this.#limits.lingerMs);
      lane.waiting.push(batch);
      this.#ready.add(lane);
      this.#schedule();
      if (full !== undefined) {
        this.#onBatchClosed(topic);
        // A program that submits without waiting would otherwise leave the other side idle until its buffer is full.
        this.#pump();
      }
    }
    batch.add(record, sizeBytes);
    this.#bufferedBytes += sizeBytes;
    if ((this.#limits.lingerMs > 0 || lane.inflight > 0) && !this.#fits(batch, 0)) this.#schedule();
    return batch;
  }

  /**
   * Sends what waits, without linger, and resolves when all of it is answered.
   * @throws the first failure of a record whose receipt nobody asked for, since the last flush.
   */
  async flush(signal?: AbortSignal): Promise<void> {
    this.#flushing += 1;
    this.#schedule();
    try {
      await this.#changed.until(() => this.#bufferedBytes === 0 && this.#writes === 0, signal);
    } finally {
      this.#flushing -= 1;
    }
    this.#reportFailures();
  }

  /** Fails everything that is not on the way. */
  abandon(error: MillraceError): void {
    this.#timer?.cancel();
    for (const lane of this.#ready) {
      for (const batch of lane.waiting.splice(0)) this.#settle(batch, error);
    }
    this.#ready.clear();
    for (const lanes of this.#lanes.values()) {
      for (const lane of lanes.values()) for (const batch of lane.waiting.splice(0)) this.#settle(batch, error);
    }
    this.#changed.all();
  }

  #reportFailures(): void {
    const failed = this.#unreported;
    this.#unreported = undefined;
    if (failed === undefined) return;
    throw new MillraceError(failed.first.code, `${failed.records} records were not written: ${failed.first.message}`, {
      details: { ...failed.first.details, failedRecords: failed.records },
      cause: failed.first,
    });
  }

  #lane(topic: string, partition: number): Lane {
    const last = this.#lastLane;
    if (last !== undefined && last.partition === partition && last.topic === topic) return last;
    let lanes = this.#lanes.get(topic);
    if (lanes === undefined) {
      lanes = new Map();
      this.#lanes.set(topic, lanes);
    }
    let lane = lanes.get(partition);
    if (lane === undefined) {
      lane = { topic, partition, waiting: [], inflight: 0 };
      lanes.set(partition, lane);
    }
    this.#lastLane = lane;
    return lane;
  }

  /** Whether the batch takes `sizeBytes` more (0: whether it takes anything more). */
  #fits(batch: OutgoingBatch, sizeBytes: number): boolean {
    return (
      batch.records.length < this.#limits.maxBatchRecords && batch.sizeBytes + sizeBytes < this.#limits.maxBatchBytes
    );
  }

  /** Records that are submitted in one go leave together. */
  #schedule(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#writes < this.#limits.maxInflight) {
      const batches = this.#takeDue();
      if (batches.length === 0) return;
      void this.#write(batches);
    }
  }

  /** Every ready lane's first batch, as far as it is due; sets the timer for the next that will be. */
  #takeDue(): OutgoingBatch[] {
    const nowMs = this.#clock.monotonic();
    const due: OutgoingBatch[] = [];
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#ready) {
      const batch = lane.waiting[0];
      if (batch === undefined) continue;
      const isFull = lane.waiting.length > 1 || !this.#fits(batch, 0);
      // What is not full yet grows while others are on the way.
      if (lane.inflight > 0 && !(isFull && this.#writer.ordered === true)) continue;
      const isDue = this.#flushing > 0 || isFull || batch.dueMs <= nowMs;
      if (!isDue) {
        earliestMs = Math.min(earliestMs, batch.dueMs);
        continue;
      }
      if (lane.waiting.length === 1) this.#onBatchClosed(lane.topic);
      lane.waiting.shift();
      lane.inflight += 1;
      if (lane.waiting.length === 0) this.#ready.delete(lane);
      due.push(batch);
    }
    this.#timer?.cancel();
    this.#timer = Number.isFinite(earliestMs)
      ? this.#clock.schedule(Math.max(0, earliestMs - nowMs), () => this.#pump())
      : undefined;
    return due;
  }

  /** Never rejects. */
  async #write(batches: OutgoingBatch[]): Promise<void> {
    this.#writes += 1;
    let outcomes: readonly (Offsets | Error)[];
    try {
      outcomes = await this.#writer.write(batches);
    } catch (error) {
      const failure = asMillraceError(error, 'CLIENT_NETWORK');
      outcomes = batches.map(() => failure);
    }
    this.#writes -= 1;
    for (const [index, batch] of batches.entries()) {
      const lane = this.#lane(batch.topic, batch.partition);
      lane.inflight -= 1;
      this.#settle(batch, outcomes[index] ?? new MillraceError('INTERNAL', 'The back end did not answer for a batch.'));
    }
    this.#changed.all();
    this.#pump();
  }

  #settle(batch: OutgoingBatch, outcome: Offsets | Error): void {
    this.#bufferedBytes -= batch.sizeBytes;
    if (outcome instanceof Error && !batch.observed) {
      const first = this.#unreported?.first ?? asMillraceError(outcome, 'CLIENT_NETWORK');
      this.#unreported = { first, records: (this.#unreported?.records ?? 0) + batch.records.length };
    }
    batch.settle(outcome);
  }
}
