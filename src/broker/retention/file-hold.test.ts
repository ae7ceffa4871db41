/** As long as somebody holds them no file goes, whoever wants it; afterwards they go as if nothing had been. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { inProcessTier } from '../../../test/kit/in-process-tier.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { MemoryObjectStore } from '../../../test/kit/memory-object-store.ts';
import { openOn, SEALING_DIRECTORY, SealingHistory, settle } from '../../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import type { Broker } from '../broker.ts';

const DEADLINE = { timeout: 60_000 };

async function filesOf(disk: FakeDisk): Promise<string[]> {
  const names: string[] = [];
  for (const folder of ['journal', 'chunk', 'checkpoint'])
    names.push(...(await disk.list(`${SEALING_DIRECTORY}/${folder}`)).map((name) => `${folder}/${name}`));
  // What is being written is nobody's yet.
  return names.filter((name) => !name.endsWith('.index') && !name.endsWith('.tmp')).sort();
}

async function deleteAll(broker: Broker): Promise<void> {
  for (const topic of broker.topics.list()) {
    const [partition] = topic.partitions;
    if (partition !== undefined) await broker.deleteRecords(partition, partition.highWatermark);
  }
}

test('journal files, chunks and checkpoints stay while they are held, and go afterwards', DEADLINE, async () => {
  const disk = new FakeDisk();
  const history = await SealingHistory.open(disk);
  const { broker } = history;
  await history.run(new SeededRandom(4), 300);
  const first = await broker.fileHold.take();
  const second = await broker.fileHold.take();
  const before = await filesOf(disk);
  assert.ok(before.some((name) => name.startsWith('chunk/')));
  await history.run(new SeededRandom(5), 300);
  await deleteAll(broker);
  await broker.retention.sweep();
  first();
  first();
  await history.run(new SeededRandom(6), 200);
  const during = new Set(await filesOf(disk));
  assert.deepEqual(
    before.filter((name) => !during.has(name)),
    [],
  );
  second();
  await deleteAll(broker);
  for (let pass = 0; pass < 3; pass++) {
    await broker.retention.sweep();
    await settle(broker);
  }
  const after = new Set(await filesOf(disk));
  const old = before.filter((name) => after.has(name));
  assert.deepEqual(old, [], 'what was held is gone');
  await broker.close();
});

test('neither local copies nor objects of tiered chunks go while they are held', DEADLINE, async () => {
  const disk = new FakeDisk();
  const clock = new ManualClock();
  const memory = new MemoryObjectStore(() => clock.now());
  const settings = { tierLocalBytes: 0, tierGraceMs: 0, tierCheckMs: 1_000_000_000 };
  const startTier = inProcessTier(disk, SEALING_DIRECTORY, memory);
  const broker = await openOn(disk, clock, undefined, settings, { startTier });
  const history = await SealingHistory.begin(broker, disk, clock);
  const release = await broker.fileHold.take();
  await history.run(new SeededRandom(4), 300);
  await broker.tiering.tierer.look();
  const chunks = (await filesOf(disk)).filter((name) => name.startsWith('chunk/'));
  assert.ok(chunks.length > 0 && memory.objects.size > 0);
  const objects = [...memory.objects.keys()];
  await deleteAll(broker);
  await broker.tiering.tierer.look();
  assert.deepEqual([...memory.objects.keys()], objects);
  assert.deepEqual(
    chunks.filter((name) => !disk.content().has(`${SEALING_DIRECTORY}/${name}`)),
    [],
  );
  release();
  await broker.tiering.tierer.look();
  await broker.tiering.tierer.look();
  assert.equal(memory.objects.size, 0);
  await broker.close();
});
