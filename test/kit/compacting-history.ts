/**
 * A random workload over compacted topics of a broker on a fake disk, and a model of it: every record with its key and what
 * became of its transaction. What readers get can be compared with what compaction promises.
 */
import assert from 'node:assert/strict';
import type { Broker } from '../../src/broker/broker.ts';
import { FetchItem, type FetchRequest, releaseFetch } from '../../src/broker/fetch.ts';
import type { Topic } from '../../src/broker/topic.ts';
import { BatchBuilder, type ProducerFields } from '../../src/model/batch-builder.ts';
import {
  CODEC,
  type CodecName,
  isControl,
  isTransactional,
  lastOffset,
  producerId,
} from '../../src/model/record-batch.ts';
import { readRecords } from '../../src/model/record-codec.ts';
import { produce, splitBatches } from './broker-kit.ts';
import type { FakeDisk } from './fake-disk.ts';
import type { ManualClock } from './manual-clock.ts';
import { settle } from './sealing-history.ts';
import type { SeededRandom } from './seeded-random.ts';

const DELETE_RETENTION_MS = 3_000;
const MAX_BATCH_RECORDS = 6;

export interface ModelRecord {
  readonly topic: string;
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
  readonly writtenAt: number;
  /** The disk's operations when the record, or the end of its transaction, was acknowledged; infinite before. */
  ackedAt: number;
  state: 'committed' | 'aborted' | 'open';
}

export interface ReadRecord {
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
}

const CONFIG = {
  'cleanup.policy': 'compact',
  'delete.retention.ms': String(DELETE_RETENTION_MS),
  'min.cleanable.dirty.ratio': '0.1',
};

const TOPICS: readonly { readonly name: string; readonly config: Record<string, string> }[] = [
  { name: 'state', config: CONFIG },
  { name: 'stamped', config: { ...CONFIG, 'message.timestamp.type': 'LogAppendTime' } },
  { name: 'wide', config: { ...CONFIG, 'min.cleanable.dirty.ratio': '0.5' } },
  { name: 'plain', config: { 'retention.ms': '-1' } },
];

interface OpenTransaction {
  readonly who: { transactionalId: string; producerId: number; producerEpoch: number };
  sequence: number;
  records: ModelRecord[];
}

export class CompactingHistory {
  readonly broker: Broker;
  readonly disk: FakeDisk;
  readonly clock: ManualClock;
  readonly records: ModelRecord[] = [];
  readonly #random: SeededRandom;
  #writers: OpenTransaction[] = [];

  constructor(broker: Broker, disk: FakeDisk, clock: ManualClock, random: SeededRandom) {
    this.broker = broker;
    this.disk = disk;
    this.clock = clock;
    this.#random = random;
  }

  async begin(): Promise<void> {
    for (const { name, config } of TOPICS) await this.broker.topics.create({ name, config });
    for (const id of ['a', 'b', 'c']) {
      const none = { producerId: -1, producerEpoch: -1 };
      const request = { transactionalId: id, timeoutMs: 600_000, ...none };
      const answer = await this.broker.transactions.initProducerId(request);
      assert.equal(answer.error, undefined);
      const { producerId: pid, producerEpoch } = answer as { producerId: number; producerEpoch: number };
      this.#writers.push({ who: { transactionalId: id, producerId: pid, producerEpoch }, sequence: 0, records: [] });
    }
  }

  async run(steps: number): Promise<void> {
    const random = this.#random;
    for (let step = 0; step < steps; step++) {
      const chance = random.next();
      if (chance < 0.62) await this.#plain();
      else if (chance < 0.8) await this.#transactional();
      else if (chance < 0.88) await this.#end();
      else if (chance < 0.93) this.clock.advance(random.below(900));
      else if (chance < 0.96) await settle(this.broker);
      else await this.broker.compactor.compact();
    }
    for (const writer of this.#writers) await this.#finish(writer, true);
    await settle(this.broker);
    await this.broker.compactor.compact();
    await settle(this.broker);
  }

  async #plain(): Promise<void> {
    const random = this.#random;
    const topic = this.broker.topics.find(random.pick(['state', 'state', 'state', 'stamped', 'wide', 'plain']));
    if (topic === undefined) return;
    const written = await this.#write(topic, undefined);
    for (const record of written) record.ackedAt = this.disk.operationCount;
  }

  async #transactional(): Promise<void> {
    const writer = this.#random.pick(this.#writers);
    const topic = this.broker.topics.find('state');
    if (topic === undefined || writer === undefined) return;
    const { who } = writer;
    const topics = [{ topic: 'state', partitions: [0] }];
    await this.broker.transactions.addPartitions({ ...who, topics, verifyOnly: false });
    const { producerId: id, producerEpoch } = who;
    const producer = { producerId: id, producerEpoch, baseSequence: writer.sequence, transactional: true };
    const written = await this.#write(topic, producer);
    writer.sequence += written.length;
    writer.records.push(...written);
  }

  async #end(): Promise<void> {
    await this.#finish(this.#random.pick(this.#writers), this.#random.next() < 0.5);
  }

  async #finish(writer: OpenTransaction, committed: boolean): Promise<void> {
    if (writer.records.length === 0) return;
    const answer = await this.broker.transactions.end({ ...writer.who, committed, bumpsEpoch: false });
    assert.equal(answer.error, undefined);
    for (const record of writer.records) {
      record.state = committed ? 'committed' : 'aborted';
      record.ackedAt = this.disk.operationCount;
    }
    writer.records = [];
  }

  async #write(topic: Topic, producer: ProducerFields | undefined): Promise<ModelRecord[]> {
    const random = this.#random;
    const codec = random.pick(Object.keys(CODEC) as CodecName[]);
    const builder = new BatchBuilder({ codec });
    const keys = topic.name === 'wide' ? 400 : 12;
    const now = this.clock.now();
    const drafts = Array.from({ length: 1 + random.below(MAX_BATCH_RECORDS) }, () => ({
      key: `k${random.below(keys)}`,
      value: random.next() < 0.15 ? null : `${random.below(1e9)}`.repeat(1 + random.below(20)),
      timestamp: now - random.below(50),
    }));
    for (const { key, value, timestamp } of drafts) {
      builder.add({ key, value, timestamp, headers: [{ key: 'h', value: Buffer.from(key) }] });
    }
    const records = drafts.map(
      (draft, i): ModelRecord => ({
        topic: topic.name,
        offset: (topic.partitions[0]?.endOffset ?? 0) + i,
        ...draft,
        timestamp: topic.name === 'stamped' ? now : draft.timestamp,
        writtenAt: now,
        ackedAt: Number.POSITIVE_INFINITY,
        state: producer === undefined ? 'committed' : 'open',
      }),
    );
    this.records.push(...records);
    const item = await produce(this.broker, topic, 0, Uint8Array.from(builder.build(producer)));
    assert.equal(item.error, undefined);
    assert.equal(item.baseOffset, records[0]?.offset);
    return records;
  }
}

/** What a consumer gets, from the log start to the end: read committed, or everything but markers. */
async function readAll(broker: Broker, topic: Topic, readCommitted: boolean): Promise<ReadRecord[]> {
  const partition = topic.partitions[0];
  assert.ok(partition);
  const found: ReadRecord[] = [];
  const end = readCommitted ? partition.lastStableOffset : partition.highWatermark;
  for (let next = partition.logStartOffset; next < end; ) {
    const { bytes, aborted } = await fetchCommitted(broker, topic, next, readCommitted);
    assert.ok(bytes.length > 0, `${topic.name} at ${next}: nothing`);
    const waiting = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
    const dropped = new Set<number>();
    for (const batch of splitBatches(bytes)) {
      assert.ok(lastOffset(batch, 0) >= next, `${topic.name} at ${next}: older batches`);
      // As Kafka's consumer does it, by the markers and the list.
      while (waiting[0] !== undefined && waiting[0].firstOffset <= lastOffset(batch, 0)) {
        dropped.add((waiting.shift() as { producerId: number }).producerId);
      }
      if (isControl(batch, 0)) dropped.delete(producerId(batch, 0));
      else if (!(isTransactional(batch, 0) && dropped.has(producerId(batch, 0)))) {
        for (const { offset, key, value, timestamp, headers } of readRecords(batch)) {
          if (offset < next) continue;
          assert.deepEqual(
            headers.map(({ value: bytes_ }) => text(bytes_)),
            [text(key)],
          );
          found.push({ offset, key: text(key) as string, value: text(value), timestamp });
        }
      }
      next = lastOffset(batch, 0) + 1;
    }
  }
  return found;
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}

function fetchCommitted(
  broker: Broker,
  topic: Topic,
  offset: number,
  readCommitted: boolean,
): Promise<{ bytes: Buffer; aborted: readonly { producerId: number; firstOffset: number }[] }> {
  return new Promise((resolve) => {
    const item = new FetchItem(topic.partitions[0], offset, 3_000);
    const request: FetchRequest = {
      minBytes: 0,
      maxBytes: 3_000,
      maxWaitMs: 0,
      readCommitted,
      items: [item],
      settled() {
        assert.equal(item.error, undefined, `${topic.name} at ${offset}`);
        const answer = { bytes: Buffer.concat(item.slices), aborted: item.abortedTransactions };
        releaseFetch(request);
        resolve(answer);
      },
    };
    broker.fetch(request);
  });
}

/** Everything that compaction promises of a topic, exactly; the history is at rest. */
export async function checkExactly(history: CompactingHistory, topic: Topic): Promise<void> {
  const { broker, clock } = history;
  const partition = topic.partitions[0];
  assert.ok(partition);
  const { dirtyFrom, cleanEnd } = broker.compactor.progress(partition) ?? { dirtyFrom: 0, cleanEnd: 0 };
  const model = history.records.filter((each) => each.topic === topic.name);
  const byOffset = new Map(model.map((each) => [each.offset, each]));
  const committed = await readAll(broker, topic, true);
  const readable = new Set(committed.map(({ offset }) => offset));
  checkOrderAndContent(committed, byOffset);
  for (const { offset, state } of committed.map(({ offset: at }) => byOffset.get(at) as ModelRecord)) {
    assert.equal(state, 'committed', `${topic.name} ${offset} was aborted`);
  }
  const newest = new Map<string, number>();
  for (const { key, offset, state } of model) if (state === 'committed' && offset < dirtyFrom) newest.set(key, offset);
  for (const record of model) {
    const { key, offset, value, state, writtenAt } = record;
    if (state !== 'committed' || offset >= partition.lastStableOffset) continue;
    const superseded = offset < cleanEnd && offset !== newest.get(key);
    if (superseded) assert.ok(!readable.has(offset), `${topic.name} ${offset} is superseded`);
    else if (value !== null || offset >= cleanEnd || clock.now() < writtenAt + DELETE_RETENTION_MS) {
      // The batch in which a table of keys was full has been learnt in part.
      const behind = model.some(
        (each) => each.key === key && each.offset >= dirtyFrom && each.offset < dirtyFrom + MAX_BATCH_RECORDS,
      );
      assert.ok(readable.has(offset) || behind, `${topic.name} ${offset}, newest of ${key}, is lost`);
    }
  }
  const all = await readAll(broker, topic, false);
  checkOrderAndContent(all, byOffset);
  for (const { offset } of all) {
    const record = byOffset.get(offset) as ModelRecord;
    if (offset < cleanEnd) assert.equal(record.state, 'committed', `${topic.name} ${offset}: aborted, not dropped`);
  }
}

/** After a crash at `prefix`: what was acknowledged by then is there, or a newer record of its key. */
export async function checkNothingLost(history: CompactingHistory, prefix: number, broker: Broker): Promise<void> {
  for (const topic of broker.topics.list()) {
    const model = history.records.filter((each) => each.topic === topic.name);
    const found = await readAll(broker, topic, true);
    checkOrderAndContent(found, new Map(model.map((each) => [each.offset, each])));
    const readable = new Set(found.map(({ offset }) => offset));
    // Behind an open transaction nothing is read committed yet.
    const stable = topic.partitions[0]?.lastStableOffset ?? 0;
    for (const { offset } of await readAll(broker, topic, false)) if (offset >= stable) readable.add(offset);
    const newest = new Map<string, number>();
    for (const { key, offset } of found) newest.set(key, offset);
    for (const { key, offset, value, state, ackedAt } of model) {
      if (state !== 'committed' || ackedAt > prefix || readable.has(offset)) continue;
      assert.notEqual(topic.name, 'plain', `${offset} of a topic that is not compacted is lost`);
      // Gone for good only behind a newer record, or a tombstone that may be gone itself.
      const gone = value === null || (newest.get(key) ?? -1) > offset || tombstoneAfter(model, key, offset);
      assert.ok(gone, `${topic.name} ${offset}, acknowledged at ${ackedAt}, is lost at ${prefix}`);
    }
  }
}

function tombstoneAfter(model: readonly ModelRecord[], key: string, offset: number): boolean {
  return model.some(
    (each) => each.key === key && each.value === null && each.offset > offset && each.state !== 'aborted',
  );
}

function checkOrderAndContent(found: readonly ReadRecord[], byOffset: ReadonlyMap<number, ModelRecord>): void {
  let before = -1;
  for (const { offset, key, value, timestamp } of found) {
    assert.ok(offset > before, `${offset} after ${before}`);
    before = offset;
    const original = byOffset.get(offset);
    assert.ok(original !== undefined, `${offset} was never written`);
    const { key: wroteKey, value: wroteValue, timestamp: wroteAt } = original;
    assert.deepEqual({ key, value, timestamp }, { key: wroteKey, value: wroteValue, timestamp: wroteAt });
  }
}
