/**
 * What must be true of the log after a kill: the model that the kill -9 soak compares the broker with.
 *
 * Every batch ever sent has a serial number, which is its timestamp's distance from EPOCH_MS, so that a batch found in the
 * log names itself. What was acknowledged, and what a reader saw, is pinned to its offset and may never change again.
 */
import { BatchCursor } from '../../src/model/batch-cursor.ts';
import { baseOffset, baseTimestamp, computeCrc, crc, lastOffset } from '../../src/model/record-batch.ts';
import type { RawClient } from '../kit/raw-client.ts';

export const EPOCH_MS = 1_700_000_000_000;

export interface SentBatch {
  readonly lane: number;
  readonly crc: number;
}

/** One partition of the workload. */
export interface LaneName {
  readonly topic: string;
  readonly partition: number;
}

/** Thrown for a broken promise, with where and what. */
export class BrokenPromise extends Error {}

class LaneModel {
  readonly name: string;
  /** Base offset to serial: acknowledged, seen by a reader, or found by a check. */
  readonly pinned = new Map<number, number>();
  /** Base offsets pinned since the last check. */
  fresh: number[] = [];
  /** Everything below has been checked at least once; exclusive. */
  checkedEnd = 0;

  constructor({ topic, partition }: LaneName) {
    this.name = `${topic}/${partition}`;
  }
}

export class KillModel {
  readonly lanes: readonly LaneName[];
  readonly #models: readonly LaneModel[];
  readonly #sent: SentBatch[] = [];
  /** Serial to `lane:offset`: a batch may stand in the log once. */
  readonly #found = new Map<number, string>();
  ackedCount = 0;
  seenCount = 0;
  checkedBytes = 0;

  constructor(lanes: readonly LaneName[]) {
    this.lanes = lanes;
    this.#models = lanes.map((lane) => new LaneModel(lane));
  }

  get sentCount(): number {
    return this.#sent.length;
  }

  /** @returns the serial of the next batch; its records' timestamp is `EPOCH_MS + serial`. */
  nextSerial(): number {
    return this.#sent.push({ lane: -1, crc: 0 }) - 1;
  }

  sent(serial: number, lane: number, batch: Uint8Array): void {
    this.#sent[serial] = { lane, crc: crc(batch, 0) };
  }

  acked(serial: number, lane: number, offset: number): void {
    this.ackedCount++;
    this.#pin(lane, offset, serial, 'acknowledged');
  }

  /** A reader got these batches. @returns the offset after the last, for its next fetch. */
  seen(lane: number, records: Uint8Array, from: number): number {
    let next = from;
    this.#walk(lane, records, (offset, end, serial) => {
      if (end <= from) return;
      if (next !== offset) throw new BrokenPromise(`${this.#nameOf(lane)}: a reader at ${next} was given ${offset}`);
      this.#pin(lane, offset, serial, 'seen');
      this.seenCount++;
      next = end;
    });
    return next;
  }

  /**
   * Reads the log and compares it.
   *
   * @param full from its first offset; otherwise from where the last check ended.
   * @throws BrokenPromise for a hole, a batch that vanished, changed, came twice or was never sent.
   */
  async check(client: RawClient, full: boolean): Promise<void> {
    for (const lane of this.lanes.keys()) await this.#checkLane(client, lane, full);
  }

  async #checkLane(client: RawClient, lane: number, full: boolean): Promise<void> {
    const model = this.#models[lane] as LaneModel;
    const { topic, partition } = this.lanes[lane] as LaneName;
    const found = new Set<number>();
    let next = full ? 0 : model.checkedEnd;
    for (;;) {
      const answer = await client.fetch(topic, partition, next, { maxBytes: 4 * 1024 * 1024 });
      if (answer.errorCode !== 0)
        throw new BrokenPromise(
          `${model.name}: reading ${next} gives error ${answer.errorCode}, high watermark ${answer.highWatermark}`,
        );
      this.checkedBytes += answer.records.length;
      const start = next;
      this.#walk(lane, answer.records, (offset, end, serial) => {
        if (offset !== next) throw new BrokenPromise(`${model.name}: after ${next} (exclusive) comes ${offset}`);
        const place = `${lane}:${offset}`;
        const other = this.#found.get(serial) ?? place;
        if (other !== place) throw new BrokenPromise(`batch ${serial} stands at ${other} and at ${place}`);
        this.#found.set(serial, place);
        this.#pin(lane, offset, serial, 'found');
        found.add(offset);
        next = end;
      });
      if (next >= answer.highWatermark) break;
      if (next === start)
        throw new BrokenPromise(`${model.name}: nothing readable at ${next}, high watermark ${answer.highWatermark}`);
    }
    const expected = full ? model.pinned.keys() : model.fresh;
    for (const offset of expected) {
      if (!found.has(offset) && (full || offset >= model.checkedEnd))
        throw new BrokenPromise(
          `${model.name}: batch ${model.pinned.get(offset)} at ${offset} vanished; the log ends at ${next}`,
        );
    }
    model.fresh = [];
    model.checkedEnd = next;
  }

  /** Calls back for each batch, after checking that it is one that was sent, unaltered. */
  #walk(lane: number, records: Uint8Array, visit: (offset: number, end: number, serial: number) => void): void {
    const cursor = new BatchCursor(records);
    let outcome = cursor.next();
    for (; outcome === 'batch'; outcome = cursor.next()) {
      const { position, sizeBytes } = cursor;
      const offset = baseOffset(records, position);
      const serial = baseTimestamp(records, position) - EPOCH_MS;
      const sent = this.#sent[serial];
      if (sent?.lane !== lane)
        throw new BrokenPromise(
          `${this.#nameOf(lane)}: at ${offset} stands a batch (${serial}) that was not sent there`,
        );
      if (sent.crc !== crc(records, position) || computeCrc(records, position, sizeBytes) !== sent.crc)
        throw new BrokenPromise(`${this.#nameOf(lane)}: batch ${serial} at ${offset} was altered`);
      visit(offset, lastOffset(records, position) + 1, serial);
    }
    if (outcome === 'corrupt')
      throw new BrokenPromise(`${this.#nameOf(lane)}: not a batch at byte ${cursor.position} of an answer`);
  }

  #pin(lane: number, offset: number, serial: number, how: string): void {
    const model = this.#models[lane] as LaneModel;
    const known = model.pinned.get(offset);
    if (known === serial) return;
    if (known !== undefined)
      throw new BrokenPromise(`${model.name}: batch ${serial} is ${how} at ${offset}, where batch ${known} stood`);
    if (offset < model.checkedEnd)
      throw new BrokenPromise(
        `${model.name}: batch ${serial} is ${how} at ${offset}, below ${model.checkedEnd}, and was not there before`,
      );
    model.pinned.set(offset, serial);
    model.fresh.push(offset);
  }

  #nameOf(lane: number): string {
    return (this.#models[lane] as LaneModel).name;
  }
}
