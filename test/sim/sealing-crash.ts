/**
 * Sealing, retention and checkpoints under power loss: a random workload on a disk that loses, tears and reorders what was
 * not synced; crashes at operations spread over all of it, each opened anew, read from end to end, worked on, and opened
 * once more. Proved for each: every acknowledged record that was not deleted is there byte for byte, nothing is skipped or
 * invented, topic by topic and in the order of commits over all topics, no chunk or temporary file is left that nothing refers to.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer crashes of each. Few of them run every day, hundreds in CI.
 */
import assert from 'node:assert/strict';
import type { Broker } from '../../src/broker/broker.ts';
import { baseOffset, lastOffset } from '../../src/model/record-batch.ts';
import { assertHandlesClose, crashAlong, testCrashSeeds } from '../kit/crash-rounds.ts';
import { drain, places, subscribe } from '../kit/drain-subscription.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import {
  checkAfterCrash,
  openOn,
  readTopic,
  SEALING_DIRECTORY,
  SealingHistory,
  settle,
} from '../kit/sealing-history.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const STEPS = 400;

function names(disk: FakeDisk, kind: string): string[] {
  return [...disk.content().keys()].filter((path) => path.endsWith(kind)).sort();
}

/** A subscriber of everything sees what readers of each topic see: each record once, in order. */
async function checkOrder(broker: Broker): Promise<void> {
  const seen = places(await drain(subscribe(broker, ['**'], 'earliest')));
  for (const topic of broker.topics.list()) {
    const expected = (await readTopic(broker, topic)).flatMap(({ bytes }) =>
      Array.from({ length: lastOffset(bytes, 0) - baseOffset(bytes, 0) + 1 }, (_, i) => baseOffset(bytes, 0) + i),
    );
    const start = topic.partitions[0]?.logStartOffset ?? 0;
    assert.deepEqual(
      seen.filter((place) => place.startsWith(`${topic.name}/`)),
      expected.filter((offset) => offset >= start).map((offset) => `${topic.name}/0@${offset}`),
    );
  }
}

async function crashAt(history: SealingHistory, prefix: number, random: SeededRandom): Promise<void> {
  const disk = new FakeDisk({ turns: () => 0 }, history.disk.crash(prefix, random));
  const clock = new ManualClock(history.clock.now());
  const broker = await openOn(disk, clock);
  await checkAfterCrash(history, prefix, broker);
  await settle(broker);
  await checkAfterCrash(history, prefix, broker);
  await checkOrder(broker);
  const again = new SealingHistory(broker, disk, clock);
  await again.run(random, 30);
  const referenced = new Set<number>();
  for (const topic of broker.topics.list()) {
    const ranges = topic.partitions[0]?.ranges;
    for (let i = 0; i < (ranges?.count ?? 0); i++) referenced.add(ranges?.file(i) as number);
  }
  const before = new Map<string, readonly Buffer[]>();
  for (const topic of broker.topics.list()) {
    before.set(
      topic.name,
      (await readTopic(broker, topic)).map(({ bytes }) => bytes),
    );
  }
  await checkOrder(broker);
  await broker.close();
  const last = await openOn(disk, clock);
  for (const topic of last.topics.list()) {
    const found = (await readTopic(last, topic)).map(({ bytes }) => bytes);
    assert.deepEqual(found, before.get(topic.name), `${topic.name} after an orderly end`);
  }
  assert.deepEqual(names(disk, '.tmp'), []);
  for (const path of names(disk, '.chunk')) {
    const chunk = Number(/(\d+)\.chunk$/.exec(path)?.[1]);
    assert.ok(referenced.has(-chunk), `${path} is of no use`);
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
  const history = await SealingHistory.open(disk);
  const opened = disk.operationCount;
  await history.run(random, STEPS);
  assert.ok(names(disk, '.chunk').length > 0, 'the workload seals');
  assert.ok(!disk.content().has(`${SEALING_DIRECTORY}/journal/0000000001.journal`), 'and old files go');
  await checkAfterCrash(history, disk.operationCount, history.broker);
  const end = disk.operationCount;
  await crashAlong({ seed, random, crashes, from: opened, end }, (prefix) => crashAt(history, prefix, random));
  await history.broker.close();
}
