/**
 * Retention in a whole broker: records go by age, size and count, readers are told, a restart finds the same, and the
 * files' space comes back, also where nothing more is written.
 */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { batchOf, fetchOnce, openBroker, produce } from '../../../test/kit/broker-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import type { Broker } from '../broker.ts';
import { FetchItem, type FetchRequest, releaseFetch } from '../fetch.ts';
import type { Topic } from '../topic.ts';

const DEADLINE = { timeout: 60_000 };
const HOUR = 3_600_000;
const SMALL = { journalFileBytes: 16 * 1024, tailCacheBytes: 0, checkpointBytes: 64 * 1024, reclaimBytes: 20_000 };

async function fill(broker: Broker, topic: Topic, count: number, valueBytes = 900): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { error } = await produce(broker, topic, 0, batchOf(['x'.repeat(valueBytes)], undefined, broker.clock.now()));
    assert.equal(error, undefined);
  }
}

/** A whole pass: one that the timer began may have looked at the clock before the test moved it. */
async function sweep(broker: Broker): Promise<void> {
  await broker.retention.sweep();
  await broker.retention.sweep();
}

function startOf(topic: Topic): number {
  return topic.partitions[0]?.logStartOffset ?? -1;
}

function dataBytes(directory: string): number {
  const folder = join(directory, 'journal');
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('retention', DEADLINE, () => {
  test('by age: 7 days where nothing is said, for ever with -1, and a change acts on the next pass', async () => {
    using directory = new TempDirectory();
    const clock = new ManualClock();
    let broker = await openBroker(directory.path, { clock });
    const usual = await broker.topics.create({ name: 'usual' });
    const kept = await broker.topics.create({ name: 'kept', config: { 'retention.ms': '-1' } });
    const short = await broker.topics.create({ name: 'short', config: { 'retention.ms': String(HOUR) } });
    for (const topic of [usual, kept, short]) await fill(broker, topic, 2);
    clock.advance(2 * HOUR);
    for (const topic of [usual, kept, short]) await fill(broker, topic, 1);
    await sweep(broker);
    assert.deepEqual([usual, kept, short].map(startOf), [0, 0, 2]);
    clock.advance(7 * 24 * HOUR - HOUR);
    await sweep(broker);
    assert.deepEqual([usual, kept, short].map(startOf), [2, 0, 3]);
    assert.equal(broker.retention.counters.deletedOffsets, 5);
    await broker.topics.configure(kept, [{ name: 'retention.ms', op: 'set', value: '1' }]);
    await sweep(broker);
    assert.deepEqual([usual, kept, short].map(startOf), [2, 3, 3]);
    await broker.close();
    broker = await openBroker(directory.path, { clock });
    for (const [name, start] of [
      ['usual', 2],
      ['kept', 3],
      ['short', 3],
    ] as const) {
      const partition = broker.topics.find(name)?.partitions[0];
      assert.deepEqual([partition?.logStartOffset, partition?.highWatermark], [start, 3]);
    }
    await broker.close();
  });

  test('the timer sweeps, and a broker without old records writes nothing', async () => {
    using directory = new TempDirectory();
    const clock = new ManualClock();
    const broker = await openBroker(directory.path, { clock, settings: { retentionCheckMs: 1000 } });
    const topic = await broker.topics.create({ name: 't', config: { 'retention.ms': String(HOUR) } });
    await fill(broker, topic, 1);
    const before = broker.journal.status().headCommit;
    await until(() => {
      clock.advance(500);
      return broker.retention.counters.passes >= 4;
    });
    assert.equal(broker.journal.status().headCommit, before);
    clock.advance(HOUR);
    await until(() => {
      clock.advance(500);
      return startOf(topic) === 1;
    });
    await broker.close();
    assert.equal(clock.pendingTimers, 0);
  });

  test('by size and count: at least so many bytes, exactly so many records', async () => {
    using directory = new TempDirectory();
    const broker = await openBroker(directory.path, { settings: SMALL });
    const sized = await broker.topics.create({ name: 'sized', config: { 'retention.bytes': '40000' } });
    const counted = await broker.topics.create({ name: 'counted', config: { 'retention.records': '7' } });
    await fill(broker, sized, 100);
    await fill(broker, counted, 100);
    await until(() => broker.checkpointer.waitingFiles === 0);
    await sweep(broker);
    const partition = sized.partitions[0];
    assert.ok(
      partition && partition.sizeBytes >= 40_000 && partition.sizeBytes < 40_000 + 17_000,
      `${partition?.sizeBytes}`,
    );
    assert.ok(startOf(sized) > 0);
    assert.equal(startOf(counted), 93);
    const { item } = await fetchOnce(broker, partition, 0);
    assert.equal(item.error, 'STORE_OFFSET_OUT_OF_RANGE');
    const { bytes } = await fetchOnce(broker, partition, startOf(sized));
    assert.equal(Number(bytes.readBigInt64BE(0)), startOf(sized));
    await broker.close();
  });

  test('a fetch that waits for a deleted record is answered, one at the end goes on waiting', async () => {
    using directory = new TempDirectory();
    const broker = await openBroker(directory.path);
    const topic = await broker.topics.create({ name: 't' });
    const partition = topic.partitions[0];
    assert.ok(partition);
    await fill(broker, topic, 3);
    const answers: (string | undefined)[] = [];
    const park = (offset: number, name: string): FetchItem => {
      const item = new FetchItem(partition, offset, 1e6);
      const request: FetchRequest = {
        minBytes: 1e6,
        maxBytes: 1e6,
        maxWaitMs: 60_000,
        readCommitted: false,
        items: [item],
        settled() {
          answers.push(`${name} ${item.error}`);
          releaseFetch(request);
        },
      };
      broker.fetch(request);
      return item;
    };
    park(1, 'old');
    park(3, 'end');
    await broker.deleteRecords(partition, -1);
    assert.deepEqual(answers, ['old STORE_OFFSET_OUT_OF_RANGE']);
    await broker.close();
    assert.deepEqual(answers, ['old STORE_OFFSET_OUT_OF_RANGE', 'end undefined']);
  });

  test('space comes back on an idle broker, after retention, after a purge and after a deletion', async () => {
    using directory = new TempDirectory();
    const clock = new ManualClock();
    let broker = await openBroker(directory.path, { settings: SMALL, clock });
    const kept = await broker.topics.create({ name: 'kept', config: { 'retention.ms': '-1' } });
    for (const reason of ['retention', 'purge', 'deletion']) {
      const topic = await broker.topics.create({ name: 't', config: { 'retention.ms': '1000' } });
      await fill(broker, topic, 200);
      await until(() => broker.checkpointer.waitingFiles === 0);
      assert.ok(dataBytes(directory.path) > 200_000);
      const reclaimed = broker.files.reclaimedBytes;
      if (reason === 'retention') clock.advance(2000);
      else if (reason === 'purge' && topic.partitions[0]) await broker.deleteRecords(topic.partitions[0], -1);
      else await broker.topics.delete(topic);
      await sweep(broker);
      assert.ok(dataBytes(directory.path) < 20_000, `${reason}: ${dataBytes(directory.path)} bytes are left`);
      assert.ok(broker.files.reclaimedBytes - reclaimed > 190_000, `${reason}: and that is reported`);
      if (reason !== 'deletion') await broker.topics.delete(topic);
    }
    const commits = broker.journal.status().headCommit;
    await sweep(broker);
    assert.equal(broker.journal.status().headCommit, commits, 'nothing more to do, nothing done');
    await fill(broker, kept, 3);
    await broker.close();
    broker = await openBroker(directory.path, { settings: SMALL, clock });
    const { bytes } = await fetchOnce(broker, broker.topics.find('kept')?.partitions[0], 0);
    assert.ok(bytes.length > 2700);
    await broker.close();
  });

  test('the slowest group holds records back, up to its limit, and no longer than it needs them', async () => {
    using directory = new TempDirectory();
    const clock = new ManualClock();
    const broker = await openBroker(directory.path, { clock });
    const topic = await broker.topics.create({
      name: 'read',
      config: { 'retention.ms': String(HOUR), 'retention.groups.wait.ms': String(2 * HOUR) },
    });
    const commit = async (groupId: string, offset: number): Promise<void> => {
      const partitions = [{ partition: 0, offset, leaderEpoch: -1, metadata: null }];
      const who = { groupId, memberId: '', instanceId: null, generation: -1, retentionMs: -1 };
      const answer = await broker.groups.commitOffsets({ ...who, topics: [{ topic: 'read', partitions }] });
      assert.equal(answer.topics[0]?.partitions[0]?.error, undefined);
    };
    await fill(broker, topic, 10);
    clock.advance(HOUR + 60_000);
    await commit('fast', 10);
    await commit('slow', 4);
    await sweep(broker);
    assert.equal(startOf(topic), 4, 'what all have read goes');
    await commit('slow', 7);
    await sweep(broker);
    assert.equal(startOf(topic), 7);
    clock.advance(2 * HOUR);
    await sweep(broker);
    assert.equal(startOf(topic), 10, 'not longer than the limit');
    await fill(broker, topic, 5);
    await commit('slow', 15);
    await commit('fast', 15);
    clock.advance(HOUR + 60_000);
    await sweep(broker);
    assert.equal(startOf(topic), 15, 'all have read everything');
    // Without the setting groups do not matter.
    const plain = await broker.topics.create({ name: 'plain', config: { 'retention.ms': String(HOUR) } });
    await fill(broker, plain, 3);
    clock.advance(2 * HOUR);
    await sweep(broker);
    assert.equal(startOf(plain), 3);
    await broker.close();
  });
});
