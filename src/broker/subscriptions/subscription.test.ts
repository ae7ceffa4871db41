/**
 * Proves that a subscription over a glob gives every record of every matching topic once, in the order of commits: from
 * memory and from the disk, across file rolls and restarts, from any cursor on, topics created later included.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { batchOf, openBroker, produce } from '../../../test/kit/broker-kit.ts';
import { drain, places, type Seen, subscribe } from '../../../test/kit/drain-subscription.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { TransactionalWriter } from '../../../test/kit/transactional-writer.ts';
import { MillraceError } from '../../base/errors.ts';
import { journalPath } from '../../journal/paths.ts';
import { formatCursor, parseCursor } from './cursor.ts';

const OPTIONS = { timeout: 60_000 } as const;

function isWanted(place: string): boolean {
  return place.startsWith('food.') || place.startsWith('drinks.');
}

test('every record once, in order, from every cursor, over memory, files and restarts', OPTIONS, async () => {
  const random = new SeededRandom(20261125);
  using directory = new TempDirectory();
  const settings = { journalFileBytes: 64 * 1024, tailCacheBytes: 48 * 1024 };
  let broker = await openBroker(directory.path, { settings });
  /** As they were acknowledged, one at a time, so in commit order. */
  const written: string[] = [];
  const names = ['food.eggs', 'food.ham', 'cars.red', 'food.deep.er', 'drinks.tea'];
  const live = subscribe(broker, ['food/**', 'drinks/*'], 'earliest');
  const liveSeen: string[] = [];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 120; i++) {
      const name = names[random.below(names.length)] as string;
      const topic = broker.topics.find(name) ?? (await broker.topics.create({ name, partitions: 2 }));
      const index = random.below(2);
      const values = Array.from({ length: 1 + random.below(4) }, () => 'v'.repeat(1 + random.below(600)));
      const item = await produce(broker, topic, index, batchOf(values));
      for (const k of values.keys()) written.push(`${name}/${index}@${item.baseOffset + k}`);
      if (round === 0 && random.below(10) === 0) liveSeen.push(...places(await drain(live)));
    }
    if (round === 0) assert.deepEqual([...liveSeen, ...places(await drain(live))], written.filter(isWanted));
    live.rest();
    await broker.close();
    broker = await openBroker(directory.path, { settings });
  }
  const wanted = written.filter(isWanted);
  const all = await drain(subscribe(broker, ['food/**', 'drinks/*'], 'earliest'));
  assert.deepEqual(places(all), wanted);
  for (let i = 0; i < 60; i++) {
    const at = random.below(all.length);
    const cursor = parseCursor(formatCursor((all[at] as Seen).cursor));
    const rest = await drain(subscribe(broker, ['food/**', 'drinks/*'], cursor));
    assert.deepEqual(places(rest), wanted.slice(at + 1), `from ${formatCursor(cursor)}`);
  }
  assert.ok(broker.handles.bytesRead > 100_000, 'the oldest commits came from the disk');
  await broker.close();
});

test('one commit over several topics: a cursor inside of it', OPTIONS, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topics = await Promise.all(['a.x', 'a.y', 'a.z'].map((name) => broker.topics.create({ name })));
  await Promise.all(topics.map((topic) => produce(broker, topic, 0, batchOf(['1', '2', '3']))));
  const all = await drain(subscribe(broker, ['a/*'], 'earliest'));
  assert.equal(all.length, 9);
  assert.equal(new Set(all.map(({ cursor }) => cursor.commit)).size, 1, 'all in one commit');
  for (const [at, { cursor }] of all.entries()) {
    assert.deepEqual(places(await drain(subscribe(broker, ['a/*'], cursor))), places(all.slice(at + 1)));
  }
  await broker.close();
});

test('latest sees what comes; deleted topics and deleted records are not there', OPTIONS, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const [one, two] = [await broker.topics.create({ name: 'a.one' }), await broker.topics.create({ name: 'a.two' })];
  await produce(broker, one, 0, batchOf(['1', '2', '3']));
  await produce(broker, two, 0, batchOf(['1']));
  const latest = subscribe(broker, ['a/*'], 'latest');
  assert.deepEqual(await drain(latest), []);
  const partition = one.partitions[0];
  assert.ok(partition);
  await broker.deleteRecords(partition, 2);
  await broker.topics.delete(two);
  await produce(broker, one, 0, batchOf(['4']));
  const three = await broker.topics.create({ name: 'a.two' });
  await produce(broker, three, 0, batchOf(['new']));
  assert.deepEqual(places(await drain(latest)), ['a.one/0@3', 'a.two/0@0']);
  const all = await drain(subscribe(broker, ['a/*'], 'earliest'));
  assert.deepEqual(places(all), ['a.one/0@2', 'a.one/0@3', 'a.two/0@0']);
  await broker.close();
});

test('an open transaction holds what follows, until it ends', OPTIONS, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 'tx' });
  const writer = await TransactionalWriter.start(broker, 'id');
  const subscription = subscribe(broker, ['tx'], 'earliest');
  await produce(broker, topic, 0, batchOf(['before']));
  await writer.write('tx', 0, 'in it');
  await produce(broker, topic, 0, batchOf(['behind']));
  assert.deepEqual(places(await drain(subscription)), ['tx/0@0']);
  assert.equal((await subscription.next()).kind, 'held');
  subscription.rest();
  await writer.end(true);
  assert.deepEqual(places(await drain(subscription)), ['tx/0@1', 'tx/0@2']);
  assert.equal((await subscription.next()).kind, 'end');
  await broker.close();
});

test('who waits is told once for each advance', OPTIONS, async () => {
  using directory = new TempDirectory();
  const broker = await openBroker(directory.path);
  const topic = await broker.topics.create({ name: 't' });
  let calls = 0;
  broker.commits.wait({
    advanced: () => {
      calls += 1;
    },
  });
  const leaver = { advanced: () => assert.fail('it was taken back') };
  broker.commits.wait(leaver);
  broker.commits.leave(leaver);
  await produce(broker, topic, 0, batchOf(['1']));
  await produce(broker, topic, 0, batchOf(['2']));
  assert.equal(calls, 1);
  await broker.close();
});

test('cursors out of form, ahead of the journal, and of files that are gone', OPTIONS, async () => {
  for (const text of ['', 'x', '1.2', '1.2.3.4', '-1', '1e9', '99999999999999999', '1.2.99999999999999999']) {
    assert.throws(
      () => parseCursor(text),
      (error) => error instanceof MillraceError && error.code === 'BROKER_CURSOR_INVALID',
      text,
    );
  }
  using directory = new TempDirectory();
  const settings = { journalFileBytes: 32 * 1024, checkpointBytes: 1, tailCacheBytes: 1024 };
  const broker = await openBroker(directory.path, { settings });
  await assert.rejects(async () => await subscribe(broker, ['**'], { commit: 1_000_000 }).next(), {
    code: 'BROKER_CURSOR_INVALID',
  });
  const topic = await broker.topics.create({ name: 't' });
  const slow = subscribe(broker, ['**'], 'earliest');
  assert.equal((await slow.next()).kind, 'end');
  for (let i = 0; i < 12; i++) await produce(broker, topic, 0, batchOf(['v'.repeat(10_000)]));
  const [partition] = topic.partitions;
  assert.ok(partition);
  await broker.deleteRecords(partition, 10);
  // The worker writes checkpoints when it comes to it; the test's deadline ends a wait in vain.
  while (existsSync(journalPath(directory.path, 1))) {
    await produce(broker, topic, 0, batchOf(['v'.repeat(10_000)]));
    await broker.deleteRecords(partition, partition.highWatermark - 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await assert.rejects(async () => await subscribe(broker, ['**'], { commit: 1 }).next(), {
    code: 'BROKER_CURSOR_EXPIRED',
  });
  await assert.rejects(async () => await slow.next(), { code: 'BROKER_CURSOR_EXPIRED' });
  await broker.close();
});
