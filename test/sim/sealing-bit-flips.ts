/**
 * Bits that rot in chunks, in journal files below them, in indexes and in checkpoints: each read gives the bytes that were
 * written or an error that names the place; other topics stay whole, and nothing is served that is not what was written.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer flips of each. Few of them run every day, hundreds in CI.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../../src/base/errors.ts';
import type { Broker } from '../../src/broker/broker.ts';
import { lastOffset } from '../../src/model/record-batch.ts';
import { fetchOnce, splitBatches } from '../kit/broker-kit.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { openOn, SealingHistory } from '../kit/sealing-history.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

interface Outcome {
  refused: number;
  served: number;
}

/** Reads every topic from each offset that was acknowledged; what is served must be what was sent. */
async function readAll(history: SealingHistory, broker: Broker): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  for (const topic of broker.topics.list()) {
    const outcome: Outcome = { refused: 0, served: 0 };
    outcomes.set(topic.name, outcome);
    const partition = topic.partitions[0];
    assert.ok(partition);
    for (const { offset, bytes } of history.acked.filter((each) => each.topic === topic.name)) {
      if (lastOffset(bytes, 0) < partition.logStartOffset) continue;
      const at = Math.max(offset, partition.logStartOffset);
      const read = await fetchOnce(broker, partition, at, { maxBytes: 1 });
      if (read.item.error !== undefined) {
        assert.ok(['STORE_CORRUPT', 'STORE_IO'].includes(read.item.error), read.item.error);
        outcome.refused += 1;
        continue;
      }
      const [batch] = splitBatches(read.bytes);
      assert.ok(batch?.equals(bytes), `${topic.name} ${offset}: other bytes were served`);
      outcome.served += 1;
    }
  }
  return outcomes;
}

/** @param flips of each seed, unless the environment says otherwise. */
export function testBitFlips(defaultSeeds: readonly number[], flips: number): void {
  const seed = process.env['MILLRACE_SEED'];
  for (const one of seed === undefined ? defaultSeeds : [Number(seed)]) {
    test(`flipped bits of seed ${one}`, { timeout: 600_000 }, () =>
      flipsOf(one, Number(process.env['MILLRACE_RUNS'] ?? flips)),
    );
  }
}

async function flipsOf(seed: number, flips: number): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new FakeDisk({ turns: () => 0 });
  const history = await SealingHistory.open(disk);
  await history.run(random, 300);
  await history.broker.close();
  const sound = disk.content();
  const paths = [...sound.keys()].filter((path) => /\.(chunk|index|checkpoint|journal)$/.test(path));
  const chunks = paths.filter((path) => path.endsWith('.chunk'));
  assert.ok(chunks.length >= 3);
  const seen = { refused: 0, repaired: 0, atStart: 0 };
  for (let flip = 0; flip < flips; flip++) {
    const path = random.pick(random.chance(0.7) ? chunks : paths);
    const bytes = Uint8Array.from(sound.get(path) as Uint8Array);
    if (bytes.length === 0) continue;
    const bit = random.below(bytes.length * 8);
    (bytes[bit >> 3] as number) ^= 1 << (bit & 7);
    const rotten = new FakeDisk({ turns: () => 0 }, new Map(sound).set(path, bytes));
    const place = `MILLRACE_SEED=${seed}, flip ${flip}: bit ${bit} of ${path}`;
    try {
      const broker = await openOn(rotten, new ManualClock(history.clock.now()));
      const outcomes = [...(await readAll(history, broker)).values()];
      const refused = outcomes.filter((each) => each.refused > 0).length;
      if (refused > 0) seen.refused += 1;
      else seen.repaired += 1;
      assert.ok(
        outcomes.some((each) => each.served > 0),
        'other topics are read',
      );
      await broker.close();
    } catch (error) {
      // Journal files are checked whole at the start, which refuses and names the place.
      if (error instanceof MillraceError && error.kind === 'data-corrupt' && path.endsWith('.journal'))
        seen.atStart += 1;
      else throw new Error(place, { cause: error });
    }
  }
  assert.ok(seen.refused > flips / 3, JSON.stringify(seen));
}
