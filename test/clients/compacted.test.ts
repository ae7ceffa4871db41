/**
 * Proves that clients read a compacted topic: each gets the newest record of each key at the offset where it was written,
 * nothing of aborted transactions, and comes to the end, although most offsets are gone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';
import type { ClientRecord } from './driver.ts';
import { kafkajsDriver } from './kafkajs-driver.ts';
import { npmDrivers } from './npm-drivers.ts';

const KEYS = 100;
const ROUNDS = 40;
const SETTINGS = ['journal.file.bytes=1048576', 'log.cleaner.backoff.ms=100'];

interface Partitions {
  readonly partitions: readonly { readonly highWatermark: number; readonly compaction: { compactedThrough: number } }[];
}

function roundOf(round: number): ClientRecord[] {
  return Array.from({ length: KEYS }, (_, key) => ({
    key: Buffer.from(`key ${key}`),
    value: Buffer.from(`round ${round} `.repeat(60)),
    headers: [['round', Buffer.from(`${round}`)] as const],
  }));
}

async function create(broker: MillraceProcess, topic: string): Promise<void> {
  using client = await RawClient.connect(broker.kafka);
  await client.createTopic(topic, 1, [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'min.cleanable.dirty.ratio', value: '0.01' },
    { name: 'max.compaction.lag.ms', value: '500' },
  ]);
}

/** @returns the end of the topic, all of which is compacted. */
async function compacted(broker: MillraceProcess, topic: string): Promise<number> {
  for (;;) {
    const answer = await fetch(`http://${broker.http}/v1/topics/${topic}/partitions`);
    const [partition] = ((await answer.json()) as Partitions).partitions;
    assert.ok(partition !== undefined);
    if (partition.compaction.compactedThrough === partition.highWatermark) return partition.highWatermark;
    await sleep(50);
  }
}

test('clients read what compaction left', { timeout: 180_000 }, async (t) => {
  await using broker = await MillraceProcess.start({ settings: SETTINGS });
  for (const codec of ['none', 'zstd', 'gzip'] as const) {
    const topic = `state.${codec}`;
    const writer = npmDrivers.find((driver) => driver.codecs.includes(codec)) ?? kafkajsDriver;
    await create(broker, topic);
    {
      await using producer = await writer.producer(broker.kafka, { codec });
      for (let round = 0; round < ROUNDS; round++) await producer.send(topic, roundOf(round));
    }
    const end = await compacted(broker, topic);
    assert.equal(end, KEYS * ROUNDS);
    for (const reader of npmDrivers.filter((driver) => driver.codecs.includes(codec))) {
      await t.test(`${reader.name} reads ${codec}`, { timeout: 60_000 }, async () => {
        await using consumer = await reader.consumer(broker.kafka, topic, { group: `${reader.key}.${codec}` });
        const records = await consumer.take(KEYS);
        const expected = roundOf(ROUNDS - 1).map(
          ({ key, value }, i) => `${end - KEYS + i} ${String(key)} ${String(value)}`,
        );
        assert.deepEqual(
          records.map(({ offset, key, value }) => `${offset} ${String(key)} ${String(value)}`),
          expected,
        );
        assert.deepEqual(
          records[0]?.headers.map(([name]) => name),
          ['round'],
        );
      });
    }
  }
  await t.test('aborted transactions are gone', { timeout: 60_000 }, async () => {
    await create(broker, 'decided');
    await using producer = await kafkajsDriver.transactions?.(broker.kafka, 'decider');
    assert.ok(producer !== undefined && producer !== null);
    for (let round = 0; round < 10; round++) {
      await producer.begin();
      await producer.send('decided', roundOf(round));
      if (round % 2 === 0) await producer.commit();
      else await producer.abort();
    }
    await producer.begin();
    await producer.send('decided', [{ key: Buffer.from('last'), value: Buffer.from('one'), headers: [] }]);
    await producer.commit();
    await compacted(broker, 'decided');
    for (const readCommitted of [true, false]) {
      const options = { group: `committed.${readCommitted}`, readCommitted };
      await using consumer = await kafkajsDriver.consumer(broker.kafka, 'decided', options);
      const records = await consumer.take(KEYS + 1);
      const expected = [...roundOf(8).map(({ key, value }) => `${String(key)} ${String(value)}`), 'last one'];
      assert.deepEqual(
        records.map(({ key, value }) => `${String(key)} ${String(value)}`),
        expected,
      );
    }
  });
});
