/**
 * The broker on real files: what is appended comes back byte for byte, from memory, from the journal and from indexed
 * files, before and after restarts; sequences make retries harmless; refusals say what they should.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, fetchOnce, openBroker, produce, splitBatches } from '../../test/kit/broker-kit.ts';
import * as fc from '../../test/kit/properties.ts';
import { TempDirectory } from '../../test/kit/temp-directory.ts';
import { MillraceError } from '../base/errors.ts';
import { baseOffset, lastOffset, lastOffsetDelta } from '../model/record-batch.ts';
import type { Broker } from './broker.ts';
import { cancelFetch, FetchItem, type FetchRequest, releaseFetch } from './fetch.ts';

const DEADLINE = { timeout: 60_000 };

function refusedWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MillraceError && error.code === code;
}

/** Everything readable from `offset` on. */
async function readAll(broker: Broker, topicName: string, index: number, offset: number): Promise<Buffer[]> {
  const partition = broker.topics.find(topicName)?.partitions[index];
  const batches: Buffer[] = [];
  for (let next = offset; ; ) {
    const { item, bytes } = await fetchOnce(broker, partition, next, { maxBytes: 10_000 });
    assert.equal(item.error, undefined);
    if (bytes.length === 0) return batches;
    for (const batch of splitBatches(bytes)) {
      batches.push(batch);
      next = lastOffset(batch, 0) + 1;
    }
  }
}

test('a batch comes back as it was sent, with its place in the partition', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 'food/eggs', partitions: 2 });
  const sent = batchOf(['a', 'b', 'c']);
  const first = await produce(broker, topic, 1, Uint8Array.from(sent));
  const second = await produce(broker, topic, 1, Uint8Array.from(sent));
  assert.deepEqual([first.baseOffset, second.baseOffset, first.error], [0, 3, undefined]);
  const { item, bytes } = await fetchOnce(broker, topic.partitions[1], 4);
  assert.equal(item.highWatermark, 6);
  assert.equal(baseOffset(bytes, 0), 3, 'the batch that contains the offset comes first');
  assert.deepEqual(bytes.subarray(16), Buffer.from(sent).subarray(16), 'nothing behind the leader epoch changes');
  assert.equal((await fetchOnce(broker, topic.partitions[0], 0)).item.highWatermark, 0);
  await broker.close();
});

test('readers and writers from every storage border, with restarts, against an array model', {
  timeout: 240_000,
}, async () => {
  const operation = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('produce' as const),
        partition: fc.nat(2),
        count: fc.integer({ min: 1, max: 5 }),
        size: fc.nat(9000),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        partition: fc.nat(2),
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        maxBytes: fc.integer({ min: 1, max: 60_000 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('delete-records' as const),
        partition: fc.nat(2),
        at: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  );
  const settings = { journalFileBytes: 64 * 1024, tailCacheBytes: 48 * 1024, checkpointBytes: 100 * 1024 };
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 40, maxLength: 120 }), async (operations) => {
      using directory = new TempDirectory();
      let broker = await openBroker(directory.path, { settings });
      await broker.topics.create({ name: 'm', partitions: 3 });
      const model: { batches: Buffer[]; start: number; end: number }[] = [0, 1, 2].map(() => ({
        batches: [],
        start: 0,
        end: 0,
      }));
      for (const step of operations) {
        const topic = broker.topics.find('m');
        if (step.kind === 'produce') {
          const log = model[step.partition] as (typeof model)[0];
          const values = Array.from({ length: step.count }, (_, i) => `${log.end + i}:`.padEnd(step.size, 'x'));
          const item = await produce(broker, topic, step.partition, batchOf(values));
          assert.deepEqual([item.error, item.baseOffset], [undefined, log.end]);
          log.batches.push(Buffer.from(item.batch));
          log.end += step.count;
        } else if (step.kind === 'read') {
          const log = model[step.partition] as (typeof model)[0];
          const offset = log.start + Math.floor(step.at * (log.end - log.start));
          const { item, bytes } = await fetchOnce(broker, topic?.partitions[step.partition], offset, {
            maxBytes: step.maxBytes,
          });
          assert.deepEqual([item.error, item.highWatermark, item.logStartOffset], [undefined, log.end, log.start]);
          const expected = log.batches.filter((batch) => lastOffset(batch, 0) >= offset);
          const got = splitBatches(bytes);
          assert.equal(got.length > 0, expected.length > 0, 'a batch at least where there is one');
          for (const [i, batch] of got.entries()) assert.deepEqual(batch, expected[i]);
          if (got.length > 1) assert.ok(bytes.length <= step.maxBytes, 'no more than asked beyond the first batch');
        } else if (step.kind === 'restart') {
          await broker.close();
          broker = await openBroker(directory.path, { settings });
        } else if (step.kind === 'delete-records') {
          const log = model[step.partition] as (typeof model)[0];
          const before = log.start + Math.floor(step.at * (log.end - log.start));
          const partition = topic?.partitions[step.partition];
          assert.ok(partition);
          log.start = await broker.deleteRecords(partition, before);
          assert.equal(log.start, before);
        } else {
          while (broker.checkpointer.waitingFiles > 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }
      for (const [index, log] of model.entries()) {
        const expected = log.batches.filter((batch) => lastOffset(batch, 0) >= log.start);
        assert.deepEqual(await readAll(broker, 'm', index, log.start), expected);
      }
      await broker.close();
    }),
    { numRuns: 40 },
  );
});

test('a repeated batch is answered with its first offset and stored once, also after a restart', DEADLINE, async () => {
  using directory = new TempDirectory();
  let broker = await openBroker(directory.path);
  let topic = await broker.topics.create({ name: 't' });
  const { producerId, producerEpoch } = await broker.producers.allocateProducerId();
  const batch = (sequence: number, epoch = producerEpoch): Uint8Array =>
    batchOf(['x', 'y'], { producerId, producerEpoch: epoch, baseSequence: sequence });
  for (let i = 0; i < 6; i++) assert.equal((await produce(broker, topic, 0, batch(i * 2))).baseOffset, i * 2);
  assert.equal((await produce(broker, topic, 0, batch(4))).baseOffset, 4);
  assert.equal(
    (await produce(broker, topic, 0, batch(0))).error,
    'BROKER_SEQUENCE_GAP',
    'only the last five are remembered',
  );
  assert.equal((await produce(broker, topic, 0, batch(14))).error, 'BROKER_SEQUENCE_GAP');
  await broker.close();

  broker = await openBroker(directory.path);
  topic = broker.topics.find('t') ?? topic;
  assert.equal((await produce(broker, topic, 0, batch(10))).baseOffset, 10);
  assert.equal((await produce(broker, topic, 0, batch(12))).baseOffset, 12);
  assert.equal((await produce(broker, topic, 0, batch(14, producerEpoch + 1))).error, 'BROKER_SEQUENCE_GAP');
  assert.equal((await produce(broker, topic, 0, batch(0, producerEpoch + 1))).baseOffset, 14);
  assert.equal((await produce(broker, topic, 0, batch(14))).error, 'BROKER_PRODUCER_EPOCH_OLD');
  assert.equal(topic.partitions[0]?.highWatermark, 16);
  const other = await broker.producers.allocateProducerId();
  assert.ok(other.producerId > producerId, 'ids are never given out twice');
  await broker.close();
});

test('two repeats of one batch in flight together are stored once', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 't' });
  const send = (): Promise<{ baseOffset: number }> =>
    produce(broker, topic, 0, batchOf(['x'], { producerId: 7, producerEpoch: 0, baseSequence: 0 }));
  const answers = await Promise.all([send(), send(), send()]);
  assert.deepEqual(
    answers.map((item) => item.baseOffset),
    [0, 0, 0],
  );
  assert.equal(topic.partitions[0]?.highWatermark, 1);
  await broker.close();
});

test(
  'a parked fetch is answered by what comes, by time, by deletion, and not after it was cancelled',
  DEADLINE,
  async () => {
    using directory = new TempDirectory();
    const broker = await openBroker(directory.path);
    const topic = await broker.topics.create({ name: 't', partitions: 2 });
    const waiting = fetchOnce(broker, topic.partitions[0], 0, { minBytes: 1, maxWaitMs: 30_000 });
    await produce(broker, topic, 0, batchOf(['x']));
    assert.equal((await waiting).item.highWatermark, 1);
    assert.equal((await fetchOnce(broker, topic.partitions[0], 1, { minBytes: 1, maxWaitMs: 20 })).bytes.length, 0);

    const large = fetchOnce(broker, topic.partitions[1], 0, { minBytes: 5_000, maxWaitMs: 30_000 });
    for (let i = 0; i < 3; i++) await produce(broker, topic, 1, batchOf(['y'.repeat(2_000)]));
    assert.equal(splitBatches((await large).bytes).length, 3, 'it waits until minBytes are there');

    const cancelled: FetchRequest = {
      minBytes: 1,
      maxBytes: 1000,
      maxWaitMs: 30_000,
      readCommitted: false,
      items: [new FetchItem(topic.partitions[0], 1, 1000)],
      settled: () => assert.fail('settled after it was cancelled'),
    };
    broker.fetch(cancelled);
    cancelFetch(cancelled);
    assert.equal(broker.fetchPath.counters.parked, 0);
    await produce(broker, topic, 0, batchOf(['z']));

    const orphaned = fetchOnce(broker, topic.partitions[1], 3, { minBytes: 1, maxWaitMs: 30_000 });
    await broker.topics.delete(topic);
    assert.equal((await orphaned).item.error, 'BROKER_PARTITION_NOT_FOUND');
    await broker.close();
  },
);

test('offsets out of range are refused with where the log is', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 't' });
  for (let i = 0; i < 4; i++) await produce(broker, topic, 0, batchOf(['x']));
  const partition = topic.partitions[0];
  assert.ok(partition);
  assert.equal(await broker.deleteRecords(partition, 2), 2);
  assert.equal(await broker.deleteRecords(partition, 1), 2, 'the start never moves back');
  for (const offset of [-1, 0, 1, 5, Number.NaN]) {
    const { item } = await fetchOnce(broker, partition, offset);
    assert.deepEqual([item.error, item.logStartOffset, item.highWatermark], ['STORE_OFFSET_OUT_OF_RANGE', 2, 4]);
  }
  assert.equal((await fetchOnce(broker, partition, 4)).item.error, undefined);
  await assert.rejects(broker.deleteRecords(partition, 5), refusedWith('STORE_OFFSET_OUT_OF_RANGE'));
  assert.equal(await broker.deleteRecords(partition, -1), 4);
  await broker.close();
});

test('a replication factor up to the setting is accepted, for tools that insist', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path, { settings: { maxReplicationFactor: 3 } });
  await broker.topics.create({ name: 'three', replicationFactor: 3 });
  for (const replicationFactor of [0, -2, 4]) {
    const creation = broker.topics.create({ name: 'other', replicationFactor });
    await assert.rejects(creation, refusedWith('BROKER_REPLICATION_INVALID'));
  }
  await broker.close();
});

test('topics: creation, settings, partitions, deletion and re-creation, and what refuses them', DEADLINE, async () => {
  using directory = new TempDirectory();
  let broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 'a/b', partitions: 2, config: { 'max.message.bytes': '300' } });
  await assert.rejects(broker.topics.create({ name: 'a.b' }), refusedWith('BROKER_TOPIC_EXISTS'));
  await assert.rejects(broker.topics.create({ name: 'no spaces' }), refusedWith('MODEL_TOPIC_NAME_INVALID'));
  await assert.rejects(broker.topics.create({ name: 'c', partitions: 0 }), refusedWith('BROKER_PARTITIONS_INVALID'));
  await assert.rejects(
    broker.topics.create({ name: 'c', replicationFactor: 3 }),
    refusedWith('BROKER_REPLICATION_INVALID'),
  );
  await assert.rejects(
    broker.topics.create({ name: 'c', config: { nope: '1' } }),
    refusedWith('BROKER_CONFIG_INVALID'),
  );
  await assert.rejects(
    broker.topics.create({ name: 'c', config: { 'remote.storage.enable': 'true' } }),
    refusedWith('BROKER_CONFIG_UNSUPPORTED'),
  );
  assert.equal(await broker.topics.create({ name: 'c' }, { validateOnly: true }), undefined);
  assert.equal(broker.topics.find('c'), undefined);
  assert.equal((await produce(broker, topic, 0, batchOf(['x'.repeat(400)]))).error, 'MODEL_BATCH_TOO_LARGE');
  await broker.topics.configure(topic, [
    { name: 'max.message.bytes', op: 'delete' },
    { name: 'message.timestamp.type', op: 'set', value: 'LogAppendTime' },
  ]);
  assert.ok((await produce(broker, topic, 0, batchOf(['x'.repeat(400)]))).logAppendTimeMs > 0);
  await assert.rejects(broker.topics.addPartitions(topic, 2), refusedWith('BROKER_PARTITIONS_INVALID'));
  await broker.topics.addPartitions(topic, 4);
  const before = topic.id;
  await broker.close();

  broker = await openBroker(directory.path);
  const again = broker.topics.find('a.b');
  assert.ok(again);
  assert.deepEqual([again.id, again.partitions.length], [before, 4]);
  assert.equal(broker.topics.describeConfig(again).find((entry) => !entry.isDefault)?.value, 'LogAppendTime');
  await broker.topics.delete(again);
  await assert.rejects(broker.topics.delete(again), refusedWith('BROKER_TOPIC_NOT_FOUND'));
  assert.equal((await produce(broker, again, 0, batchOf(['x']))).error, 'BROKER_PARTITION_NOT_FOUND');
  const anew = await broker.topics.create({ name: 'a.b' });
  assert.notEqual(anew.id, before);
  assert.equal(anew.partitions[0]?.endOffset, 0);
  await broker.close();
});

test('concurrent auto-creation gives one topic', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topics = await Promise.all(['x/y', 'x.y', 'x/y'].map((name) => broker.topics.autoCreate(name)));
  assert.equal(new Set(topics).size, 1);
  await broker.close();
});

test('offsets by time: in memory, in indexed files, and where nothing is that late', DEADLINE, async () => {
  using directory = new TempDirectory();
  const settings = { journalFileBytes: 16 * 1024, tailCacheBytes: 8 * 1024 };
  const broker = await openBroker(directory.path, { settings });
  const topic = await broker.topics.create({ name: 't' });
  const partition = topic.partitions[0];
  assert.ok(partition);
  assert.deepEqual(await broker.offsetForTimestamp(partition, 0), { offset: -1, timestamp: -1 });
  for (let i = 0; i < 60; i++) {
    const batch = batchOf(['x'.repeat(300), 'y'.repeat(300)], undefined, 1_000_000 + i * 10);
    assert.equal(lastOffsetDelta(batch, 0), 1);
    await produce(broker, topic, 0, batch);
  }
  while (broker.checkpointer.waitingFiles > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.ok((partition.ranges?.count ?? 0) > 1);
  for (let i = 0; i < 60; i++) {
    assert.deepEqual(await broker.offsetForTimestamp(partition, 1_000_000 + i * 10), {
      offset: i * 2,
      timestamp: 1_000_000 + i * 10,
    });
    assert.deepEqual(await broker.offsetForTimestamp(partition, 1_000_001 + i * 10), {
      offset: i * 2 + 1,
      timestamp: 1_000_001 + i * 10,
    });
  }
  assert.equal((await broker.offsetForTimestamp(partition, 1_000_592)).offset, -1);
  assert.deepEqual(await broker.maxTimestampOffset(partition), { offset: 119, timestamp: 1_000_591 });
  await broker.deleteRecords(partition, 51);
  assert.deepEqual(await broker.offsetForTimestamp(partition, 0), { offset: 51, timestamp: 1_000_251 });
  await broker.close();
});

test('a damaged newest checkpoint is passed over, and the one before serves', DEADLINE, async () => {
  using directory = new TempDirectory();
  const settings = { journalFileBytes: 16 * 1024, checkpointBytes: 1 };
  let broker = await openBroker(directory.path, { settings });
  const topic = await broker.topics.create({ name: 't' });
  for (let i = 0; i < 100; i++) await produce(broker, topic, 0, batchOf([`${i}`.padEnd(900, '.')]));
  while (broker.checkpointer.waitingFiles > 0 || broker.checkpointer.lastCheckpoint < 5) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await broker.close();
  const { readdirSync, readFileSync, writeFileSync } = await import('node:fs');
  const folder = `${directory.path}/checkpoint`;
  const newest = readdirSync(folder)
    .filter((name) => name.endsWith('.checkpoint'))
    .sort()
    .at(-1);
  const bytes = readFileSync(`${folder}/${newest}`);
  bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
  writeFileSync(`${folder}/${newest}`, bytes);
  broker = await openBroker(directory.path, { settings });
  assert.equal((await readAll(broker, 't', 0, 0)).length, 100);
  await broker.close();
});

test('after close everything is refused and what waited was answered', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 't' });
  const parked = fetchOnce(broker, topic.partitions[0], 0, { minBytes: 1, maxWaitMs: 30_000 });
  const closing = broker.close();
  assert.equal((await parked).item.error, undefined);
  await closing;
  await broker.close();
  assert.equal(broker.health().ready, false);
  await assert.rejects(produce(broker, topic, 0, batchOf(['x'])), refusedWith('JOURNAL_CLOSED'));
  await assert.rejects(broker.topics.create({ name: 'u' }), refusedWith('JOURNAL_CLOSED'));
});

test('a released fetch may be released again', DEADLINE, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 't' });
  await produce(broker, topic, 0, batchOf(['x'.repeat(100_000)]));
  const item = new FetchItem(topic.partitions[0], 0, 1_000_000);
  const request: FetchRequest = {
    minBytes: 0,
    maxBytes: 1_000_000,
    maxWaitMs: 0,
    readCommitted: false,
    items: [item],
    settled: () => undefined,
  };
  broker.fetch(request);
  assert.ok(item.sizeBytes > 100_000);
  releaseFetch(request);
  releaseFetch(request);
  await broker.close();
});
