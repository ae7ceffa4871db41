/**
 * Proves what stands around a round of compaction: when a partition is due, what of it is taken, the worker's thread, the
 * swap that leaves out what has moved meanwhile, partitions that cannot be read, and that compacted topics take no record
 * without a key. What a round keeps is proved in record-filter.test.ts and test/sim/compaction-model.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchOnce, openBroker, produce, splitBatches } from '../../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { inProcessCompaction } from '../../../test/kit/in-process-compaction.ts';
import { inProcessWorker } from '../../../test/kit/in-process-worker.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { openOn, SEALING_SETTINGS, settle } from '../../../test/kit/sealing-history.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { BatchBuilder } from '../../model/batch-builder.ts';
import type { CodecName } from '../../model/record-batch.ts';
import { readRecords } from '../../model/record-codec.ts';
import type { Partition } from '../../store/partition.ts';
import { Broker } from '../broker.ts';
import type { Topic } from '../topic.ts';

const CONFIG = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.5' };

function keyed(pairs: readonly (readonly [string | null, string])[], codec: CodecName = 'none'): Uint8Array {
  const builder = new BatchBuilder({ codec });
  for (const [key, value] of pairs) builder.add({ key, value, timestamp: 1_700_000_000_000 });
  return Uint8Array.from(builder.build());
}

async function open(config: Record<string, string> = {}) {
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  const broker = await openOn(disk, clock, undefined, { sealBytes: 0 });
  const topic = await broker.topics.create({ name: 'state', config: { ...CONFIG, ...config } });
  return { disk, clock, broker, topic, partition: topic.partitions[0] as Partition };
}

/** Rounds of keys `0` to `9`, until journal files are closed. */
async function fill(broker: Broker, topic: Topic, rounds = 60): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const pairs = Array.from({ length: 10 }, (_, key) => [`${key}`, `${round}`.padEnd(20, '.')] as const);
    const { error } = await produce(broker, topic, 0, keyed(pairs));
    assert.equal(error, undefined);
  }
  await settle(broker);
}

async function offsets(broker: Broker, partition: Partition): Promise<number[]> {
  const found: number[] = [];
  for (let next = partition.logStartOffset; next < partition.highWatermark; ) {
    const { item, bytes } = await fetchOnce(broker, partition, next);
    assert.equal(item.error, undefined);
    for (const batch of splitBatches(bytes)) {
      for (const { offset } of readRecords(batch)) if (offset >= next) found.push(offset);
      next = Number(batch.readBigInt64BE(0)) + batch.readInt32BE(23) + 1;
    }
  }
  return found;
}

test('closed files are compacted, the open one is not; nothing is due after it', async () => {
  const { broker, topic, partition } = await open();
  await fill(broker, topic);
  const end = partition.ranges?.endOffset((partition.ranges?.count ?? 0) - 1) ?? 0;
  assert.ok(end > 100 && end < 600);
  assert.equal(broker.compactor.cleanable(topic, partition)?.dirtyRatio, 1);
  await broker.compactor.compact();
  assert.equal(broker.compactor.progress(partition)?.dirtyFrom, end);
  const expected = Array.from({ length: 600 - end + 10 }, (_, i) => end - 10 + i);
  assert.deepEqual(await offsets(broker, partition), expected);
  assert.equal(broker.compactor.cleanable(topic, partition)?.dirtyBytes, 0);
  const { rounds } = broker.compactor.counters;
  await broker.compactor.compact();
  assert.equal(broker.compactor.counters.rounds, rounds);
  await broker.close();
});

test('min.cleanable.dirty.ratio: little news waits for more', async () => {
  const { broker, topic, partition } = await open({ 'min.cleanable.dirty.ratio': '0.9' });
  const many = Array.from({ length: 300 }, (_, key) => [`k${key}`, 'v'.repeat(60)] as const);
  for (let from = 0; from < 300; from += 30) await produce(broker, topic, 0, keyed(many.slice(from, from + 30)));
  await fill(broker, topic, 20);
  await broker.compactor.compact();
  assert.equal(broker.compactor.counters.partitions, 1);
  await fill(broker, topic, 20);
  const ratio = broker.compactor.cleanable(topic, partition)?.dirtyRatio ?? 0;
  assert.ok(ratio > 0 && ratio < 0.9, String(ratio));
  await broker.compactor.compact();
  assert.equal(broker.compactor.counters.partitions, 1);
  await broker.topics.configure(topic, [{ name: 'min.cleanable.dirty.ratio', op: 'set', value: '0.05' }]);
  await broker.compactor.compact();
  assert.equal(broker.compactor.counters.partitions, 2);
  await broker.close();
});

test('min.compaction.lag.ms holds back, max.compaction.lag.ms closes the open file', async () => {
  const { broker, topic, partition, clock } = await open({ 'min.compaction.lag.ms': '10000' });
  const age = clock.now() - 1_700_000_000_000;
  clock.advance(Math.max(0, 5_000 - age));
  await fill(broker, topic);
  await broker.compactor.compact();
  assert.equal(broker.compactor.progress(partition), undefined);
  clock.advance(5_000);
  await broker.compactor.compact();
  const before = broker.compactor.progress(partition)?.dirtyFrom ?? 0;
  assert.ok(before > 0 && before < 600);
  await broker.topics.configure(topic, [{ name: 'max.compaction.lag.ms', op: 'set', value: '20000' }]);
  await broker.compactor.compact();
  assert.equal(broker.compactor.progress(partition)?.dirtyFrom, before);
  clock.advance(20_000);
  await broker.compactor.compact();
  await settle(broker);
  await broker.compactor.compact();
  assert.equal(broker.compactor.progress(partition)?.dirtyFrom, 600);
  assert.equal((await offsets(broker, partition)).length, 10);
  await broker.close();
});

test('what is moved while it is compacted is left out of the swap, and taken again', async () => {
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  const broker = await openOn(disk, clock);
  const topic = await broker.topics.create({ name: 'state', config: CONFIG });
  const partition = topic.partitions[0] as Partition;
  await fill(broker, topic, 120);
  const whole = await offsets(broker, partition);
  // The round reads while everything before its middle is deleted, file by file.
  const running = broker.compactor.compact();
  await broker.deleteRecords(partition, partition.highWatermark - 15);
  await running;
  assert.deepEqual(await offsets(broker, partition), whole.slice(-15));
  await broker.close();
});

test('sealing that was decided before a swap changes nothing after it', async () => {
  const { disk, clock, broker, topic, partition } = await open();
  await broker.close();
  const sealing = await openOn(disk, clock, undefined, SEALING_SETTINGS);
  const again = sealing.topics.find('state') as Topic;
  const place = again.partitions[0] as Partition;
  void topic;
  void partition;
  for (let round = 0; round < 12; round++) {
    await fill(sealing, again, 25);
    await Promise.all([sealing.compactor.compact(), fill(sealing, again, 10)]);
  }
  const found = await offsets(sealing, place);
  assert.deepEqual(
    found.slice(-10),
    Array.from({ length: 10 }, (_, i) => place.highWatermark - 10 + i),
  );
  assert.ok(found.length < place.highWatermark / 2, 'it was compacted');
  await sealing.close();
});

test('a partition that cannot be read is left alone and named; the others are compacted', async () => {
  const { broker, topic, partition, disk } = await open();
  const other = await broker.topics.create({ name: 'other', config: CONFIG });
  for (let i = 0; i < 12; i++) {
    await fill(broker, topic, 5);
    await fill(broker, other, 5);
  }
  const range = partition.ranges?.at(0);
  assert.ok(range !== undefined);
  const { item } = await fetchOnce(broker, partition, 0, { maxBytes: 1 });
  assert.equal(item.error, undefined);
  const path = [...disk.content().keys()].find((name) =>
    name.endsWith(`${String(range.file).padStart(10, '0')}.journal`),
  );
  const handle = await disk.open(path as string, 'readwrite');
  const bytes = new Uint8Array(await handle.size());
  await handle.read(bytes, 0);
  const at = Buffer.from(bytes).indexOf('0...................');
  await handle.write([Buffer.from('!')], at);
  await handle.close();
  await broker.compactor.compact();
  assert.equal(broker.compactor.progress(partition), undefined);
  assert.ok((broker.compactor.progress(other.partitions[0] as Partition)?.dirtyFrom ?? 0) > 0);
  assert.equal(broker.compactor.counters.failedRounds, 0);
  await broker.close();
});

test('a round that fails is told, and the next one works', async () => {
  const disk = new FakeDisk({ turns: () => 0 });
  let fails = true;
  const working = inProcessCompaction(disk);
  const broker = await Broker.open({
    directory: '/data',
    disk,
    clock: new ManualClock(),
    settings: { ...SEALING_SETTINGS, sealBytes: 0 },
    startWorker: inProcessWorker(disk),
    startCompaction: (start) => working(fails ? { ...start, directory: '/absent' } : start),
  });
  const topic = await broker.topics.create({ name: 'state', config: CONFIG });
  await fill(broker, topic);
  await broker.compactor.compact();
  const partition = topic.partitions[0] as Partition;
  assert.equal(broker.compactor.progress(partition), undefined);
  fails = false;
  await broker.compactor.compact();
  assert.ok(broker.compactor.progress(partition) !== undefined);
  await broker.close();
});

test("on the thread, on real files: the round's chunks are read, old files go, a restart finds it so", async () => {
  using directory = new TempDirectory();
  const settings = { ...SEALING_SETTINGS, sealBytes: 0, compactionBytesPerSecond: 1024 * 1024 };
  const broker = await openBroker(directory.path, { settings });
  const topic = await broker.topics.create({ name: 'state', config: CONFIG });
  const partition = topic.partitions[0] as Partition;
  for (let round = 0; round < 60; round++) {
    const pairs = Array.from({ length: 10 }, (_, key) => [`${key}`, `${round}`] as const);
    await produce(broker, topic, 0, keyed(pairs, 'zstd'));
  }
  for (let i = 0; i < 500 && broker.checkpointer.waitingFiles > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  await broker.compactor.compact();
  const left = await offsets(broker, partition);
  assert.ok(left.length < 300, `${left.length} are left`);
  await broker.close();
  const again = await openBroker(directory.path, { settings });
  assert.deepEqual(await offsets(again, again.topics.find('state')?.partitions[0] as Partition), left);
  await again.close();
});

test('records without a key are refused, in every codec, and nothing else of the topic changes', async () => {
  const { broker, topic, partition } = await open();
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const refused = await produce(
      broker,
      topic,
      0,
      keyed(
        [
          ['a', '1'],
          [null, '2'],
        ],
        codec,
      ),
    );
    assert.equal(refused.error, 'MODEL_RECORD_INVALID', codec);
    const taken = await produce(broker, topic, 0, keyed([['a', '1']], codec));
    assert.equal(taken.error, undefined, codec);
  }
  assert.equal(partition.highWatermark, 5);
  await broker.close();
});
