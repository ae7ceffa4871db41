/**
 * Compaction under power loss: a random workload on a disk that loses, tears and reorders what was not synced; crashes at
 * operations spread over all of it, each opened anew and read from end to end, worked on, compacted, and opened once more.
 * Proved for each: of every record that was acknowledged, it or a newer one of its key is there; nothing is invented; no
 * chunk or temporary file is left that nothing refers to.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer crashes of each. Few of them run every day, hundreds in CI.
 */
import assert from 'node:assert/strict';
import type { Broker } from '../../src/broker/broker.ts';
import { CompactingHistory, checkExactly, checkNothingLost } from '../kit/compacting-history.ts';
import { assertHandlesClose, crashAlong, testCrashSeeds } from '../kit/crash-rounds.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { openOn, settle } from '../kit/sealing-history.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const STEPS = 350;

function names(disk: FakeDisk, kind: string): string[] {
  return [...disk.content().keys()].filter((path) => path.endsWith(kind)).sort();
}

function referenced(broker: Broker): ReadonlySet<number> {
  const files = new Set<number>();
  for (const topic of broker.topics.list()) {
    const ranges = topic.partitions[0]?.ranges;
    for (let i = 0; i < (ranges?.count ?? 0); i++) files.add(ranges?.file(i) as number);
  }
  return files;
}

async function crashAt(history: CompactingHistory, prefix: number, random: SeededRandom): Promise<void> {
  const disk = new FakeDisk({ turns: () => 0 }, history.disk.crash(prefix, random));
  const clock = new ManualClock(history.clock.now());
  const broker = await openOn(disk, clock);
  await checkNothingLost(history, prefix, broker);
  await settle(broker);
  await broker.compactor.compact();
  await settle(broker);
  await checkNothingLost(history, prefix, broker);
  await broker.close();
  const last = await openOn(disk, clock);
  await checkNothingLost(history, prefix, last);
  await settle(last);
  const files = referenced(last);
  assert.deepEqual(names(disk, '.tmp'), []);
  for (const path of names(disk, '.chunk')) {
    assert.ok(files.has(-Number(/(\d+)\.chunk$/.exec(path)?.[1])), `${path} is of no use`);
  }
  await last.close();
  await assertHandlesClose(disk);
}

/** @param crashes of each seed, unless the environment says otherwise. */
export function testCrashes(defaultSeeds: readonly number[], crashes: number): void {
  testCrashSeeds(defaultSeeds, crashes, crashesOf);
}

async function crashesOf(seed: number, crashes: number): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  const broker = await openOn(disk, clock);
  const history = new CompactingHistory(broker, disk, clock, random);
  await history.begin();
  const opened = disk.operationCount;
  await history.run(STEPS);
  assert.ok(broker.compactor.counters.droppedRecords > 50, 'the workload is compacted');
  for (const topic of broker.topics.list()) await checkExactly(history, topic);
  const end = disk.operationCount;
  await crashAlong({ seed, random, crashes, from: opened, end }, (prefix) => crashAt(history, prefix, random));
  await broker.close();
}
