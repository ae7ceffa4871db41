/** Appending: each item is judged by itself, in order, in one commit; refusals say why; failures reach the whole request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf } from '../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { History } from '../../test/kit/history.ts';
import type { MillraceError } from '../base/errors.ts';
import type { Degree } from '../journal/journal.ts';
import { encodeBatch } from '../model/batch-builder.ts';
import { type BuiltBatch, isLogAppendTime, maxTimestamp, validateBatch } from '../model/record-batch.ts';
import { ProduceItem } from './produce.ts';

const DEADLINE = { timeout: 60_000 };

function send(
  history: History,
  items: readonly ProduceItem[],
  degree: Degree = 'durable',
): Promise<MillraceError | undefined> {
  return new Promise((resolve) => {
    void history.paths.produce({ degree, items, lease: undefined, settled: resolve });
  });
}

test('items are judged one by one: the good ones are stored, each bad one says why', DEADLINE, async () => {
  const history = await History.open(new FakeDisk());
  const topic = await history.topics.create({ name: 't', partitions: 2, config: { 'max.message.bytes': '200' } });
  const [first, second] = topic.partitions;
  const damaged = batchOf(['x']);
  (damaged[65] as number) ^= 1;
  const preset = new ProduceItem(topic, first, batchOf(['x']));
  preset.error = 'BROKER_TOPIC_NOT_FOUND';
  const items = [
    new ProduceItem(topic, first, batchOf(['a', 'b'])),
    new ProduceItem(topic, first, damaged),
    new ProduceItem(topic, second, batchOf(['c'])),
    new ProduceItem(topic, first, batchOf(['y'.repeat(300)])),
    new ProduceItem(undefined, undefined, batchOf(['x'])),
    preset,
    new ProduceItem(topic, first, batchOf(['d'])),
  ];
  assert.equal(await send(history, items), undefined);
  assert.deepEqual(
    items.map(({ error, baseOffset }) => error ?? baseOffset),
    [0, 'MODEL_BATCH_CORRUPT', 0, 'MODEL_BATCH_TOO_LARGE', 'BROKER_PARTITION_NOT_FOUND', 'BROKER_TOPIC_NOT_FOUND', 2],
  );
  assert.deepEqual([first?.highWatermark, second?.highWatermark], [3, 1]);
  const { requests, batches, records, refused } = history.paths.counters;
  assert.deepEqual([requests, batches, records, refused], [1, 3, 4, 4]);
  await history.journal.close();
});

test('of a batch that was built here all but the checksum is judged', DEADLINE, async () => {
  const history = await History.open(new FakeDisk());
  const topic = await history.topics.create({ name: 't', config: { 'max.message.bytes': '200' } });
  const [partition] = topic.partitions;
  const built = (value: string, producerEpoch = 0): BuiltBatch =>
    encodeBatch([{ value, timestamp: history.clock.now() }], {
      producer: { producerId: 4, producerEpoch, baseSequence: 0 },
    });
  const items = [built('y'.repeat(300)), built('x', -1), built('x')].map((batch) =>
    ProduceItem.ofBuilt(topic, partition, batch),
  );
  // @ts-expect-error bytes of unknown origin are none.
  ProduceItem.ofBuilt(topic, partition, new Uint8Array(100));
  await send(history, items);
  assert.deepEqual(
    items.map(({ error, baseOffset }) => error ?? baseOffset),
    ['MODEL_BATCH_TOO_LARGE', 'MODEL_BATCH_INVALID', 0],
  );
  // The same bytes from elsewhere are damaged, and not asked here: the sum was most of the work.
  const damaged = encodeBatch([{ value: 'x', timestamp: history.clock.now() }]);
  (damaged[65] as number) ^= 1;
  const judged = [new ProduceItem(topic, partition, damaged.slice()), ProduceItem.ofBuilt(topic, partition, damaged)];
  await send(history, judged);
  assert.deepEqual(
    judged.map(({ error }) => error),
    ['MODEL_BATCH_CORRUPT', undefined],
  );
  await history.journal.close();
});

test('log append time is the broker clock, in a batch that is still sound', DEADLINE, async () => {
  const history = await History.open(new FakeDisk());
  const topic = await history.topics.create({ name: 't', config: { 'message.timestamp.type': 'LogAppendTime' } });
  const item = new ProduceItem(topic, topic.partitions[0], batchOf(['a'], undefined, 5));
  await send(history, [item]);
  assert.deepEqual([item.error, item.logAppendTimeMs], [undefined, history.clock.now()]);
  assert.deepEqual([isLogAppendTime(item.batch, 0), maxTimestamp(item.batch, 0)], [true, history.clock.now()]);
  // What only the broker may set is refused from a producer; the checksum was right.
  assert.equal(validateBatch(item.batch, 1000), 'MODEL_BATCH_INVALID');
  await history.journal.close();
});

test('sequences in one request, over requests in flight, and after an expiry', DEADLINE, async () => {
  const history = await History.open(new FakeDisk());
  const topic = await history.topics.create({ name: 't' });
  const item = (baseSequence: number): ProduceItem =>
    new ProduceItem(topic, topic.partitions[0], batchOf(['x'], { producerId: 9, producerEpoch: 0, baseSequence }));
  const items = [item(0), item(1), item(1), item(3), item(2)];
  await send(history, items);
  assert.deepEqual(
    items.map(({ error, baseOffset }) => error ?? baseOffset),
    [0, 1, 1, 'BROKER_SEQUENCE_GAP', 2],
  );
  const repeated = [item(2), item(2), item(3)];
  await Promise.all(repeated.map((one) => send(history, [one])));
  assert.deepEqual(
    repeated.map(({ baseOffset }) => baseOffset),
    [2, 2, 3],
  );
  history.clock.advance(25 * 3_600_000);
  const anew = [item(0), item(1), item(1)];
  for (const one of anew) await send(history, [one]);
  assert.deepEqual(
    anew.map(({ error, baseOffset }) => error ?? baseOffset),
    [4, 5, 5],
    'the old sequences are forgotten',
  );
  await history.journal.close();
});

test('a failing disk is an error of the request, at any degree but admission', DEADLINE, async () => {
  const disk = new FakeDisk();
  const history = await History.open(disk);
  const topic = await history.topics.create({ name: 't' });
  disk.faults = (point) => (point === 'write' ? { code: 'ENOSPC' } : undefined);
  const item = (): ProduceItem => new ProduceItem(topic, topic.partitions[0], batchOf(['x']));
  const answers = await Promise.all([
    send(history, [item()], 'admitted'),
    send(history, [item()], 'written'),
    send(history, [item()]),
  ]);
  assert.deepEqual(
    answers.map((error) => error?.code),
    [undefined, 'JOURNAL_NO_SPACE', 'JOURNAL_NO_SPACE'],
  );
  assert.equal((await send(history, [item()]))?.code, 'JOURNAL_STOPPED');
  assert.equal(topic.partitions[0]?.highWatermark, 0, 'nobody saw what was not stored');
  await history.journal.close();
});

test('a batch for a topic that is deleted in the meantime is refused', DEADLINE, async () => {
  const history = await History.open(new FakeDisk());
  const topic = await history.topics.create({ name: 't' });
  const item = new ProduceItem(topic, topic.partitions[0], batchOf(['x']));
  await Promise.all([history.topics.delete(topic), send(history, [item])]);
  assert.equal(item.error, 'BROKER_PARTITION_NOT_FOUND');
  await history.journal.close();
});
