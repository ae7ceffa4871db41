/**
 * Proves that the order of commits outlives the journal: when files were sealed into chunks and removed, a subscription
 * still gives every record of every matching topic once, in order, from any cursor, also one that was under way meanwhile.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, produce } from '../../../test/kit/broker-kit.ts';
import { drain, places, type Seen, subscribe } from '../../../test/kit/drain-subscription.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { openOn, readTopic, SEALING_DIRECTORY, settle } from '../../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { TransactionalWriter } from '../../../test/kit/transactional-writer.ts';
import { journalDirectory, numberedFiles } from '../../journal/paths.ts';
import { BatchBuilder } from '../../model/batch-builder.ts';
import { readRecords } from '../../model/record-codec.ts';
import type { Partition } from '../../store/partition.ts';
import type { Broker } from '../broker.ts';
import { formatCursor } from './cursor.ts';

const OPTIONS = { timeout: 120_000 } as const;
const KEPT = { 'retention.ms': '-1' };

class Scene {
  readonly disk = new FakeDisk({ turns: () => 0 });
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(20261125);
  /** Places in the order of acknowledgement, one produce at a time. */
  readonly written: string[] = [];
  broker!: Broker;

  static async start(): Promise<Scene> {
    const scene = new Scene();
    scene.broker = await openOn(scene.disk, scene.clock);
    return scene;
  }

  async files(kind: 'journal' | 'order'): Promise<number[]> {
    return numberedFiles(await this.disk.list(journalDirectory(SEALING_DIRECTORY)), kind);
  }

  async write(count: number): Promise<void> {
    const { broker, random } = this;
    const names = ['food.eggs', 'food.ham', 'cars.red', 'food.deep.er', 'drinks.tea'];
    for (let i = 0; i < count; i++) {
      const name = names[random.below(names.length)] as string;
      const topic = broker.topics.find(name) ?? (await broker.topics.create({ name, partitions: 2, config: KEPT }));
      const index = random.below(2);
      const values = Array.from({ length: 1 + random.below(4) }, () => 'v'.repeat(1 + random.below(300)));
      const item = await produce(broker, topic, index, batchOf(values));
      for (const k of values.keys()) this.written.push(`${name}/${index}@${item.baseOffset + k}`);
      if (i % 10 === 0) await settle(broker);
    }
  }

  /** Writes until so many journal files were sealed and are gone. */
  async writeUntilGone(count: number): Promise<void> {
    while (((await this.files('journal'))[0] ?? 0) <= count) {
      await this.write(20);
      await settle(this.broker);
    }
  }

  async restart(): Promise<void> {
    await this.broker.close();
    this.broker = await openOn(this.disk, this.clock);
  }
}

function isWanted(place: string): boolean {
  return place.startsWith('food.') || place.startsWith('drinks.');
}

const MATCH = ['food/**', 'drinks/*'];

test(
  'every record once, in order, from every cursor, across files that are gone and files that are there',
  OPTIONS,
  async () => {
    const scene = await Scene.start();
    await scene.writeUntilGone(6);
    await scene.write(30);
    for (const restarted of [false, true]) {
      if (restarted) await scene.restart();
      assert.ok((await scene.files('order')).length >= 6);
      const wanted = scene.written.filter(isWanted);
      const all = await drain(subscribe(scene.broker, MATCH, 'earliest'));
      assert.deepEqual(places(all), wanted);
      for (let i = 0; i < 60; i++) {
        const at = scene.random.below(all.length);
        const { cursor } = all[at] as Seen;
        const rest = await drain(subscribe(scene.broker, MATCH, cursor));
        assert.deepEqual(places(rest), wanted.slice(at + 1), `from ${formatCursor(cursor)}`);
        const behind = await drain(subscribe(scene.broker, MATCH, { commit: cursor.commit }));
        const next = all.findIndex((seen) => seen.cursor.commit > cursor.commit);
        assert.deepEqual(places(behind), next < 0 ? [] : wanted.slice(next), `from ${cursor.commit}`);
      }
    }
    await scene.broker.close();
  },
);

test('who is under way when its journal file goes notices nothing', OPTIONS, async () => {
  const scene = await Scene.start();
  await scene.write(60);
  const slow = Array.from({ length: 5 }, () => subscribe(scene.broker, MATCH, 'earliest'));
  const seen: Seen[][] = [];
  for (const [i, subscription] of slow.entries()) {
    seen.push(await drain(subscription, 1 + 5 * i));
    subscription.rest();
  }
  await scene.writeUntilGone(5);
  for (const [i, subscription] of slow.entries()) {
    assert.deepEqual(places([...(seen[i] ?? []), ...(await drain(subscription))]), scene.written.filter(isWanted));
    subscription.rest();
  }
  await scene.writeUntilGone(10);
  const live = slow[0];
  assert.ok(live);
  const count = (await drain(live)).length;
  assert.ok(count > 0, 'it goes on, from the journal');
  await scene.broker.close();
});

/** Commits of three entries, read up to the first one of the first. */
async function betweenEntries(scene: Scene) {
  const { broker } = scene;
  const names = ['t.a', 't.b', 't.c'];
  const topics = await Promise.all(names.map((name) => broker.topics.create({ name, config: KEPT })));
  const all: string[] = [];
  const write = async (): Promise<void> => {
    const items = await Promise.all(topics.map((topic) => produce(broker, topic, 0, batchOf(['v'.repeat(200)]))));
    for (const [i, { baseOffset }] of items.entries()) all.push(`${names[i]}/0@${baseOffset}`);
  };
  for (let i = 0; i < 8; i++) await write();
  const subscription = subscribe(broker, ['t/*'], 'earliest');
  const seen = await drain(subscription, 1);
  subscription.rest();
  const [first] = await drain(subscribe(broker, ['t/*'], 'earliest'));
  assert.equal(first?.cursor.commit, seen[0]?.cursor.commit);
  const writeUntilGone = async (count: number): Promise<void> => {
    while (((await scene.files('journal'))[0] ?? 0) <= count) {
      for (let i = 0; i < 5; i++) await write();
      await settle(broker);
    }
  };
  return { topics, all, subscription, seen, writeUntilGone };
}

test(
  'who stands between two entries of a commit when its journal file goes is given the rest of it',
  OPTIONS,
  async () => {
    const scene = await Scene.start();
    const { all, subscription, seen, writeUntilGone } = await betweenEntries(scene);
    await writeUntilGone(3);
    assert.deepEqual(places([...seen, ...(await drain(subscription))]), all);
    await scene.broker.close();
  },
);

test('where the rest of the commit is not kept either, what follows comes', OPTIONS, async () => {
  for (const keptFrom of [4, 8]) {
    const scene = await Scene.start();
    const older = await scene.broker.topics.create({ name: 'older', config: KEPT });
    await produce(scene.broker, older, 0, batchOf(['kept']));
    const { topics, all, subscription, seen, writeUntilGone } = await betweenEntries(scene);
    for (const { partitions } of topics) await scene.broker.deleteRecords(partitions[0] as Partition, keptFrom);
    await writeUntilGone(3);
    const kept = all.filter((place) => Number(place.slice(place.indexOf('@') + 1)) >= keptFrom);
    assert.deepEqual(places([...seen, ...(await drain(subscription))]), [all[0], ...kept]);
    await scene.broker.close();
  }
});

test('where nothing older is kept either, who stands there hears that the cursor has expired', OPTIONS, async () => {
  const scene = await Scene.start();
  const { topics, subscription, writeUntilGone } = await betweenEntries(scene);
  for (const { partitions } of topics) await scene.broker.deleteRecords(partitions[0] as Partition, 8);
  await writeUntilGone(3);
  await assert.rejects(drain(subscription), { code: 'BROKER_CURSOR_EXPIRED' });
  await scene.broker.close();
});

test('aborted transactions stay out, and entries in one commit keep their numbers', OPTIONS, async () => {
  const scene = await Scene.start();
  const { broker } = scene;
  const topics = await Promise.all(
    ['tx.a', 'tx.b', 'other'].map((name) => broker.topics.create({ name, config: KEPT })),
  );
  await Promise.all(topics.map((topic) => produce(broker, topic, 0, batchOf(['1', '2', '3']))));
  const writer = await TransactionalWriter.start(broker, 'id');
  for (const commits of [true, false, true]) {
    await writer.write('tx.a', 0, `in ${commits}`);
    await writer.write('tx.b', 0, `in ${commits}`);
    await writer.end(commits);
  }
  const before = await drain(subscribe(broker, ['tx/*'], 'earliest'));
  await scene.writeUntilGone(3);
  const after = await drain(subscribe(broker, ['tx/*'], 'earliest'));
  assert.deepEqual(after, before, 'with the same cursors');
  for (const [at, { cursor }] of before.entries()) {
    assert.deepEqual(await drain(subscribe(broker, ['tx/*'], cursor)), before.slice(at + 1));
  }
  await broker.close();
});

test(
  'order files go when nothing in them is readable any more; a cursor before the oldest has expired',
  OPTIONS,
  async () => {
    const scene = await Scene.start();
    const { broker } = scene;
    await scene.writeUntilGone(6);
    const orders = await scene.files('order');
    for (const topic of broker.topics.list()) {
      for (const partition of topic.partitions) await broker.deleteRecords(partition, partition.highWatermark);
    }
    const written = scene.written.length;
    const gone = orders.at(-1) as number;
    while ((await scene.files('order')).includes(gone)) {
      await scene.write(20);
      await settle(broker);
    }
    assert.deepEqual(
      places(await drain(subscribe(broker, MATCH, 'earliest'))),
      scene.written.slice(written).filter(isWanted),
    );
    await assert.rejects(async () => await subscribe(broker, MATCH, { commit: 1 }).next(), {
      code: 'BROKER_CURSOR_EXPIRED',
    });
    await broker.close();
  },
);

// A batch that compaction has packed covers the offsets of several entries: its records came once for each of them.
test('of compacted topics every record that is left comes once, in order', OPTIONS, async () => {
  const scene = await Scene.start();
  const { broker, random } = scene;
  const config = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01' };
  const topics = await Promise.all(['state.a', 'state.b'].map((name) => broker.topics.create({ name, config })));
  const written: string[] = [];
  while (((await scene.files('journal'))[0] ?? 0) <= 8) {
    for (let i = 0; i < 30; i++) {
      const topic = random.pick(topics);
      const builder = new BatchBuilder();
      const count = 1 + random.below(3);
      for (let k = 0; k < count; k++) {
        builder.add({ key: `k${random.below(12)}`, value: 'v'.repeat(200), timestamp: scene.clock.now() });
      }
      const item = await produce(broker, topic, 0, builder.build());
      for (let k = 0; k < count; k++) written.push(`${topic?.name}/0@${item.baseOffset + k}`);
    }
    await settle(broker);
    await broker.compactor.compact();
    await settle(broker);
  }
  assert.ok(broker.compactor.counters.droppedRecords > 100);
  const seen = await drain(subscribe(broker, ['state/*'], 'earliest'));
  const numbers = new Map(written.map((each, i) => [each, i]));
  const order = places(seen).map((each) => numbers.get(each) ?? Number.NaN);
  assert.deepEqual(
    order,
    [...new Set(order)].sort((one, other) => one - other),
    'each once, as they were written',
  );
  for (const topic of topics) {
    const left = (await readTopic(broker, topic)).flatMap(({ bytes }) => [...readRecords(bytes)]);
    const theirs = new Set(places(seen).filter((each) => each.startsWith(`${topic?.name}/`)));
    for (const { offset } of left) assert.ok(theirs.has(`${topic?.name}/0@${offset}`), `offset ${offset} is there`);
  }
  for (let i = 0; i < 20; i++) {
    const at = random.below(seen.length);
    assert.deepEqual(await drain(subscribe(broker, ['state/*'], (seen[at] as Seen).cursor)), seen.slice(at + 1));
  }
  await broker.close();
});
