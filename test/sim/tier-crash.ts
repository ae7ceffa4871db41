/**
 * Tiering under power loss: a random workload whose chunks move to an object store and leave the disk, on a disk that loses,
 * tears and reorders what was not synced, and a store that keeps what it has answered. Crashes at operations spread over all
 * of it, each opened anew with the store as it was then, read from end to end, worked on, and swept. Proved for each:
 * every acknowledged record that was not deleted is there byte for byte; after the sweep the store has no object and the disk
 * no chunk that nothing refers to.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer crashes of each.
 */
import assert from 'node:assert/strict';
import type { BrokerSettings } from '../../src/broker/settings.ts';
import { type ObjectBody, piecesOf } from '../../src/store/object-store.ts';
import { assertHandlesClose, crashAlong, testCrashSeeds } from '../kit/crash-rounds.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { inProcessTier } from '../kit/in-process-tier.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { MemoryObjectStore } from '../kit/memory-object-store.ts';
import { checkAfterCrash, openOn, SEALING_DIRECTORY, SealingHistory, settle } from '../kit/sealing-history.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const ROUNDS = 10;
const STEPS = 45;
const GRACE_MS = 1_000;
const SETTINGS = { tierLocalBytes: 8_000, tierGraceMs: GRACE_MS, tierCacheBytes: 20_000 };
/** The disk is always short: what is sealed of large partitions goes straight into the store. */
const STRAIGHT = {
  ...SETTINGS,
  tierStore: 'dir:///stands-for-the-memory',
  tierLocalBytes: 16_000,
  ownChunkBytes: 300,
  chunkBytes: 1_500,
};

/** Remembers when each change was done, counted in the disk's operations. */
class RecordedStore extends MemoryObjectStore {
  readonly #disk: FakeDisk;
  readonly #log: { readonly at: number; readonly key: string; readonly body: Uint8Array | undefined }[] = [];

  constructor(disk: FakeDisk) {
    super();
    this.#disk = disk;
  }

  override async put(key: string, body: ObjectBody): Promise<'stored' | 'exists'> {
    this.#log.push({ at: this.#disk.operationCount, key, body: Buffer.concat(piecesOf(body)) });
    return await super.put(key, body);
  }

  override async delete(key: string): Promise<void> {
    this.#log.push({ at: this.#disk.operationCount, key, body: undefined });
    await super.delete(key);
  }

  /** The store as it was after so many operations of the disk. */
  async at(prefix: number, clock: ManualClock): Promise<MemoryObjectStore> {
    const begun = clock.monotonic();
    const store = new MemoryObjectStore(() => clock.monotonic() - begun);
    for (const { at, key, body } of this.#log) {
      if (at > prefix) break;
      if (body === undefined) await store.delete(key);
      else await store.put(key, body);
    }
    return store;
  }
}

async function crashAt(
  history: SealingHistory,
  recorded: RecordedStore,
  prefix: number,
  random: SeededRandom,
  settings: Partial<BrokerSettings>,
): Promise<void> {
  const disk = new FakeDisk({ turns: () => 0 }, history.disk.crash(prefix, random));
  const clock = new ManualClock(history.clock.now());
  const store = await recorded.at(prefix, clock);
  const broker = await openOn(disk, clock, undefined, settings, {
    startTier: inProcessTier(disk, SEALING_DIRECTORY, store),
  });
  await checkAfterCrash(history, prefix, broker);
  await settle(broker);
  await broker.tiering.tierer.look();
  await checkAfterCrash(history, prefix, broker);
  // Retention deletes what was sealed although it would; the grace begins with the look that finds it unused.
  clock.advance(2 * 3_600_000);
  for (let i = 0; i < 2; i++) await broker.retention.sweep();
  await settle(broker);
  // Twice, as the sweeps: one that runs already may have begun before.
  for (let i = 0; i < 2; i++) await broker.tiering.tierer.look();
  clock.advance(2 * GRACE_MS);
  // A round that has put chunks into the store and is not swapped in yet would seem to have left them there.
  await settle(broker);
  for (let i = 0; i < 2; i++) await broker.tiering.tierer.look();
  const named = new Set([...broker.tiering.tierer.places()].map(({ object }) => object));
  assert.deepEqual(
    [...store.objects.keys()].filter((key) => !named.has(key)),
    [],
    'objects of no use',
  );
  await broker.close();
  await assertHandlesClose(disk);
}

/** @param crashes of each seed, unless the environment says otherwise. */
export function testCrashes(defaultSeeds: readonly number[], crashes: number): void {
  testCrashSeeds(defaultSeeds, crashes, (seed, count) => crashesOf(seed, count, SETTINGS));
}

/** Likewise, of chunks that go straight into the store. */
export function testStraightCrashes(defaultSeeds: readonly number[], crashes: number): void {
  testCrashSeeds(defaultSeeds, crashes, (seed, count) => crashesOf(seed, count, STRAIGHT));
}

async function crashesOf(seed: number, crashes: number, settings: Partial<BrokerSettings>): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  const recorded = new RecordedStore(disk);
  const startTier = inProcessTier(disk, SEALING_DIRECTORY, recorded);
  const broker = await openOn(disk, clock, undefined, settings, { startTier });
  const history = await SealingHistory.begin(broker, disk, clock);
  const opened = disk.operationCount;
  for (let round = 0; round < ROUNDS; round++) {
    await history.run(random, STEPS);
    await broker.tiering.tierer.look();
  }
  const { counters, evicted } = broker.tiering.tierer;
  const { uploads, straight, deleted } = counters;
  const goes = `${uploads} moved, ${straight} straight, ${evicted} left, ${deleted} deleted`;
  assert.ok(uploads > 3 && deleted > 0 && (settings === STRAIGHT ? straight > 3 : evicted > 0), goes);
  await checkAfterCrash(history, disk.operationCount, broker);
  const end = disk.operationCount;
  await crashAlong({ seed, random, crashes, from: opened, end }, (prefix) =>
    crashAt(history, recorded, prefix, random, settings),
  );
  await broker.close();
}
