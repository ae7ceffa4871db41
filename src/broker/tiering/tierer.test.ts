/**
 * Proves on an object store in memory: chunks move there once sealed, leave the disk, are read back byte for byte through a
 * bounded cache with one fetch for many readers, and are deleted after their grace once nobody reads them; what uploads left
 * is swept; a store that is down, slow or lying delays this and loses nothing. Real stores: test/tier.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchOnce } from '../../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { inProcessTier } from '../../../test/kit/in-process-tier.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { HostileObjectStore, MemoryObjectStore } from '../../../test/kit/memory-object-store.ts';
import {
  openOn,
  readTopic,
  readTopics,
  SEALING_DIRECTORY,
  SealingHistory,
  settle,
} from '../../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import type { Partition } from '../../store/partition.ts';
import type { Broker } from '../broker.ts';
import type { BrokerSettings } from '../settings.ts';
import type { Topic } from '../topic.ts';

const GRACE_MS = 60_000;
const SETTINGS: Partial<BrokerSettings> = { tierLocalBytes: 0, tierGraceMs: GRACE_MS };
/** The disk is always short: what is sealed of large partitions goes straight into the store. */
const STRAIGHT: Partial<BrokerSettings> = {
  ...SETTINGS,
  tierStore: 'dir:///stands-for-the-memory',
  tierLocalBytes: 16_000,
  ownChunkBytes: 300,
  chunkBytes: 1_500,
};

async function open(store: (memory: MemoryObjectStore) => ObjectStore = (memory) => memory, settings = SETTINGS) {
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  const memory = new MemoryObjectStore(() => clock.monotonic());
  const startTier = inProcessTier(disk, SEALING_DIRECTORY, store(memory));
  const broker = await openOn(disk, clock, undefined, settings, { startTier });
  const history = await SealingHistory.begin(broker, disk, clock);
  return { disk, clock, memory, broker, history, startTier };
}

function chunkFiles(disk: FakeDisk): string[] {
  return [...disk.content().keys()].filter((path) => path.startsWith(`${SEALING_DIRECTORY}/chunk/`));
}

function chunkOf(path: string): number {
  return Number.parseInt(path.slice(path.lastIndexOf('/') + 1), 10);
}

function rangesOf(partition: Partition | undefined): { readonly chunk: number; readonly baseOffset: number }[] {
  const { ranges } = partition ?? {};
  return Array.from({ length: ranges?.count ?? 0 }, (_, i) => ({
    chunk: -(ranges?.file(i) ?? 0),
    baseOffset: ranges?.at(i).baseOffset ?? 0,
  }));
}

function largeChunks(partition: Partition | undefined): number[] {
  return rangesOf(partition).map(({ chunk }) => chunk);
}

test('sealed chunks leave the disk and are read back byte for byte; a restart reads them too', async () => {
  const { broker, history, disk, memory, clock, startTier } = await open();
  await history.run(new SeededRandom(5), 500);
  const before = await readTopics(broker);
  assert.ok(chunkFiles(disk).length > 2);
  await broker.tiering.tierer.look();
  assert.deepEqual(chunkFiles(disk), [], 'everything that was sealed is in the store alone');
  assert.ok(memory.objects.size > 2);
  assert.deepEqual(await readTopics(broker), before);
  assert.ok(broker.tiering.cache.counters.fetches > 0);
  const { fetches } = broker.tiering.cache.counters;
  assert.deepEqual(await readTopics(broker), before);
  assert.equal(broker.tiering.cache.counters.fetches, fetches, 'the second time from the cache');
  await broker.close();
  const again = await openOn(disk, clock, undefined, SETTINGS, { startTier });
  assert.deepEqual(await readTopics(again), before);
  await again.close();
});

test('batches are checked when their chunk is copied; of one that was damaged before, nobody says they were', async () => {
  const { broker, history, disk, memory } = await open();
  await history.run(new SeededRandom(5), 500);
  const large = broker.topics.find('large')?.partitions[0];
  const damaged = chunkFiles(disk).find((path) => largeChunks(large).includes(chunkOf(path))) as string;
  const file = await disk.open(damaged, 'readwrite');
  const byte = new Uint8Array(1);
  await file.read(byte, 64 + 90);
  await file.write([byte.map((each) => each ^ 4)], 64 + 90);
  await file.close();
  await broker.tiering.tierer.look();
  assert.deepEqual(chunkFiles(disk), []);
  for (const [key, { body }] of memory.objects) {
    const isDamaged = key.includes(`/chunk/${String(chunkOf(damaged)).padStart(10, '0')}-`);
    assert.equal(body[5], isDamaged ? 0 : 1, key);
  }
  const { baseOffset = 0 } = rangesOf(large).find(({ chunk }) => chunk === chunkOf(damaged)) ?? {};
  const { item } = await fetchOnce(broker, large, baseOffset);
  assert.equal(item.error, 'STORE_CORRUPT');
  await broker.close();
});

test('without tier.store what is there alone is refused, and everything else is read', async () => {
  const { broker, history, disk, clock } = await open();
  await history.run(new SeededRandom(6), 400);
  await broker.tiering.tierer.look();
  await broker.close();
  const bare = await openOn(disk, clock, undefined, SETTINGS);
  const large = bare.topics.find('large')?.partitions[0];
  const { item } = await fetchOnce(bare, large, large?.logStartOffset ?? 0);
  assert.equal(item.error, 'TIER_REFUSED');
  const { item: newest } = await fetchOnce(bare, large, (large?.highWatermark ?? 0) - 1);
  assert.equal(newest.error, undefined);
  await bare.close();
});

test('who reads a partition in order has only its chunks fetched, and those of others that lie between are left alone', async () => {
  const asked = new Set<number>();
  const watching = (memory: MemoryObjectStore): ObjectStore => ({
    url: memory.url,
    put: async (key, body, options) => await memory.put(key, body, options),
    get: async (key, range) => {
      asked.add(chunkOf(key));
      return await memory.get(key, range);
    },
    list: (prefix) => memory.list(prefix),
    delete: async (key) => await memory.delete(key),
  });
  const { broker, history } = await open(watching);
  await history.run(new SeededRandom(7), 400);
  await broker.tiering.tierer.look();
  const topic = broker.topics.find('large') as Topic;
  const chunks = largeChunks(topic.partitions[0]);
  assert.ok(chunks.length > 2 && chunks.some((chunk, i) => chunk !== (chunks[0] ?? 0) + i), chunks.join());
  asked.clear();
  await readTopic(broker, topic);
  assert.deepEqual(
    [...asked].sort((a, b) => a - b),
    chunks.filter((chunk) => chunk > 0).sort((a, b) => a - b),
  );
  await broker.close();
});

test('many readers of one block share one fetch', async () => {
  const { broker, history, memory } = await open();
  await history.run(new SeededRandom(7), 400);
  await broker.tiering.tierer.look();
  const large = broker.topics.find('large')?.partitions[0];
  const before = memory.counts.gets;
  await Promise.all(Array.from({ length: 30 }, () => fetchOnce(broker, large, large?.logStartOffset ?? 0)));
  // Table and block of each chunk that lies on the way, once, and not thirty times.
  assert.ok(memory.counts.gets - before <= 2 * memory.objects.size, `${memory.counts.gets - before} requests`);
  await broker.close();
});

test('the cache stays within its limit', async () => {
  const { broker, history } = await open(undefined, { ...SETTINGS, tierCacheBytes: 10_000 });
  await history.run(new SeededRandom(8), 600);
  const before = await readTopics(broker);
  await broker.tiering.tierer.look();
  assert.deepEqual(await readTopics(broker), before);
  assert.ok(broker.tiering.cache.counters.dropped > 0);
  // One file more than the limit may be held: the one that was read last.
  assert.ok(broker.tiering.cache.sizeBytes < 10_000 + 8_000, `${broker.tiering.cache.sizeBytes}`);
  await broker.close();
});

test('size and age say which files leave; the oldest go first', async () => {
  const { broker, history, disk, clock } = await open(undefined, {
    ...SETTINGS,
    tierLocalBytes: 70_000,
    tierLocalMs: 50_000,
  });
  await history.run(new SeededRandom(9), 600);
  await broker.tiering.tierer.look();
  const kept = chunkFiles(disk);
  const sizes = broker.files.chunkSizes();
  assert.ok(kept.length > 0 && kept.length < broker.tiering.tierer.counters.uploads);
  const chunkBytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(chunkBytes + broker.files.journals().bytes <= 70_000, 'journal files count, too');
  clock.advance(51_000);
  await broker.tiering.tierer.look();
  assert.deepEqual(chunkFiles(disk), []);
  await broker.close();
});

// They left in the end alone: as long as uploads went on, the disk filled.
test('files leave the disk while others wait for their upload', async () => {
  const held: number[] = [];
  const opened = await open((memory) => ({
    url: memory.url,
    put: async (key, body, options) => {
      held.push(chunkFiles(opened.disk).length);
      return await memory.put(key, body, options);
    },
    get: async (key, range) => await memory.get(key, range),
    list: (prefix) => memory.list(prefix),
    delete: async (key) => await memory.delete(key),
  }));
  const { broker, history } = opened;
  await history.run(new SeededRandom(9), 400);
  held.length = 0;
  await broker.tiering.tierer.look();
  assert.ok(held.length >= 4, `${held.length} uploads`);
  assert.ok((held.at(-1) ?? 0) < (held[0] ?? 0) - 2, `files during uploads: ${held.join(' ')}`);
  await broker.close();
});

test('objects that nobody reads are deleted after their grace, and leftovers are swept', async () => {
  const { broker, history, memory, clock } = await open();
  await history.run(new SeededRandom(10), 400);
  await broker.tiering.tierer.look();
  const count = memory.objects.size;
  await memory.put(`${broker.clusterId}/chunk/0000000001-left-over`, new Uint8Array(5));
  await memory.put(`other-cluster/chunk/0000000001-x`, new Uint8Array(5));
  for (const topic of broker.topics.list()) {
    const [partition] = topic.partitions;
    if (partition !== undefined) await broker.deleteRecords(partition, partition.highWatermark);
  }
  await broker.tiering.tierer.look();
  assert.equal(memory.objects.size, count + 2, 'not before the grace is over');
  clock.advance(GRACE_MS);
  await broker.tiering.tierer.look();
  await broker.tiering.tierer.look();
  clock.advance(3_600_000);
  await broker.tiering.tierer.look();
  assert.deepEqual([...memory.objects.keys()], ['other-cluster/chunk/0000000001-x']);
  assert.ok(broker.tiering.tierer.counters.swept >= 1);
  await broker.close();
});

test('a store that is down delays, and is told once; writes and reads of what is here go on', async () => {
  let hostile: HostileObjectStore | undefined;
  const { broker, history, disk } = await open((memory) => {
    hostile = new HostileObjectStore(memory, new SeededRandom(1), { refuse: 1 });
    return hostile;
  });
  await history.run(new SeededRandom(11), 300);
  const files = chunkFiles(disk).length;
  await broker.tiering.tierer.look();
  await broker.tiering.tierer.look();
  assert.equal(broker.tiering.tierer.last.reachable, false);
  assert.equal(chunkFiles(disk).length, files);
  const before = await readTopics(broker);
  assert.ok(hostile !== undefined);
  hostile.hostility = {};
  await broker.tiering.tierer.look();
  assert.equal(broker.tiering.tierer.last.reachable, true);
  assert.deepEqual(chunkFiles(disk), []);
  assert.deepEqual(await readTopics(broker), before);
  hostile.hostility = { refuse: 1 };
  broker.tiering.cache.forget(1);
  const large = broker.topics.find('large')?.partitions[0];
  const { item } = await fetchOnce(broker, large, (large?.highWatermark ?? 0) - 1);
  assert.equal(item.error, undefined, 'the newest are in the journal');
  await broker.close();
});

for (const { seed, straight } of [
  ...[1, 2, 3].map((one) => ({ seed: one, straight: false })),
  { seed: 4, straight: true },
]) {
  test(`a store that refuses, forgets its answers and lies, seed ${seed}: nothing is lost or altered`, async () => {
    let hostile: HostileObjectStore | undefined;
    const { broker, history, memory, clock } = await open(
      (inner) => {
        const chances = { refuse: 0.1, loseAnswer: 0.15, lie: 0.1 };
        hostile = new HostileObjectStore(inner, new SeededRandom(seed), chances);
        return hostile;
      },
      straight ? STRAIGHT : SETTINGS,
    );
    const random = new SeededRandom(seed);
    for (let round = 0; round < 6; round++) {
      await history.run(random, straight ? 40 : 120);
      for (let look = 0; look < 4; look++) await broker.tiering.tierer.look();
    }
    const { counters, evicted } = broker.tiering.tierer;
    assert.ok((straight ? counters.straight : evicted) > 0);
    assert.ok(hostile !== undefined);
    // Reads may fail while the store lies, and are right when it does not.
    for (const topic of broker.topics.list()) await readSome(broker, topic);
    hostile.hostility = {};
    await settle(broker);
    const found = await readTopics(broker);
    const sent = new Map(history.acked.map((each) => [`${each.topic} ${each.offset}`, each.bytes.toString('base64')]));
    for (const topic of broker.topics.list()) {
      for (const record of found.get(topic.name) ?? []) {
        const [offset, bytes] = record.split(' ');
        const original = sent.get(`${topic.name} ${offset}`);
        if (original !== undefined) assert.equal(bytes, original);
      }
    }
    clock.advance(3_600_000);
    // Else it would delete in between, and the grace of that begin later. Twice: one that runs already began in that hour.
    for (let i = 0; i < 2; i++) await broker.retention.sweep();
    await settle(broker);
    await lookAnew(broker);
    clock.advance(GRACE_MS);
    await lookAnew(broker);
    const kept = new Set([...broker.tiering.tierer.places()].map(({ object }) => object));
    assert.deepEqual(
      [...memory.objects.keys()].filter((key) => !kept.has(key)),
      [],
    );
    await broker.close();
  });
}

/** A look that runs already may have begun before what it is to see. */
async function lookAnew(broker: Broker): Promise<void> {
  await broker.tiering.tierer.look();
  await broker.tiering.tierer.look();
}

async function readSome(broker: Broker, topic: Topic): Promise<void> {
  const [partition] = topic.partitions;
  if (partition === undefined) return;
  const { item } = await fetchOnce(broker, partition, partition.logStartOffset);
  const expected = [undefined, 'TIER_UNAVAILABLE', 'TIER_CORRUPT'];
  assert.ok(expected.includes(item.error), String(item.error));
}

test('while the disk is short large chunks go straight into the store, and small and compacted ones do not', async () => {
  const { broker, history, disk, memory, clock, startTier } = await open(undefined, STRAIGHT);
  await broker.topics.create({ name: 'compacted', config: { 'cleanup.policy': 'compact', 'retention.ms': '-1' } });
  await history.run(new SeededRandom(21), 250);
  const before = await readTopics(broker);
  const { straight, uploads } = broker.tiering.tierer.counters;
  assert.ok(straight > 3, `${straight} of ${uploads}`);
  const named = [...broker.tiering.tierer.places()].length;
  assert.ok(named > 3);
  // A look finds each of them in use.
  await broker.tiering.tierer.look();
  assert.deepEqual(await readTopics(broker), before);
  await broker.close();
  const again = await openOn(disk, clock, undefined, STRAIGHT, { startTier });
  assert.deepEqual(await readTopics(again), before);
  assert.ok(memory.objects.size > 3);
  await again.close();
});

test('what the store does not take straight is sealed into files', async () => {
  let hostile: HostileObjectStore | undefined;
  const { broker, history, disk } = await open((inner) => {
    hostile = new HostileObjectStore(inner, new SeededRandom(1), { refuse: 1 });
    return hostile;
  }, STRAIGHT);
  await history.run(new SeededRandom(22), 250);
  assert.deepEqual([broker.tiering.tierer.counters.straight, broker.tiering.tierer.last.reachable], [0, false]);
  assert.ok(chunkFiles(disk).length > 2);
  await broker.close();
});
