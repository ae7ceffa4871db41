/**
 * Compaction against a model: random records, tombstones and transactions in all codecs, with rolls, sealing and rounds of
 * compaction in between. Proved: a reader gets of each key the newest record of what is compacted, and everything of what
 * is not; offsets, order, timestamps and content are those that were written; aborted records are never seen and go.
 *
 * MILLRACE_SEED=n runs one seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompactingHistory, checkExactly } from '../kit/compacting-history.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { openOn, settle } from '../kit/sealing-history.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

async function historyOf(seed: number): Promise<void> {
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  const random = new SeededRandom(seed);
  // A small table now and then, so that a round ends where its keys have no more room.
  const settings = { compactionKeyBytes: seed % 2 === 0 ? 128 * 1024 * 1024 : 1 };
  const broker = await openOn(disk, clock, undefined, settings);
  const history = new CompactingHistory(broker, disk, clock, random);
  await history.begin();
  for (let part = 0; part < 8; part++) {
    await history.run(120);
    for (const topic of broker.topics.list()) await checkExactly(history, topic);
  }
  assert.ok(broker.compactor.counters.droppedRecords > 100, 'the workload is compacted');
  assert.equal(broker.compactor.counters.failedRounds, 0);
  const state = broker.topics.find('state');
  assert.ok((broker.compactor.progress(state?.partitions[0] as never)?.cleanEnd ?? 0) > 0);
  await broker.close();
  // The state of a restart is that of the running broker.
  const again = await openOn(disk, clock, undefined, settings);
  await settle(again);
  const later = new CompactingHistory(again, disk, clock, random);
  later.records.push(...history.records);
  for (const topic of again.topics.list()) await checkExactly(later, topic);
  await again.close();
}

export function testModel(defaultSeeds: readonly number[]): void {
  const seed = process.env['MILLRACE_SEED'];
  for (const one of seed === undefined ? defaultSeeds : [Number(seed)]) {
    test(`compaction of seed ${one} against a model`, { timeout: 120_000 }, () => historyOf(one));
  }
}
