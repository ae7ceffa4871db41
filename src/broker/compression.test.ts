/**
 * Compression at rest, over the whole broker: chunks are smaller, and everything reads as without; it goes with encryption,
 * compaction, tiering, restarts, verify, backup and restore, and with directories of before; what producers have compressed stays
 * as it is. What files do by themselves: src/journal/compression; crashes and rotten bits: test/sim.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restoreOn, takeBackup } from '../../test/kit/backup-kit.ts';
import { produce } from '../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { FIRST_MASTER } from '../../test/kit/keys.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import {
  openOn,
  readTopic,
  readTopics,
  SEALING_DIRECTORY,
  SealingHistory,
  settle,
} from '../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../test/kit/seeded-random.ts';
import { TieredDisk } from '../../test/kit/tiered-disk.ts';
import { BatchBuilder } from '../model/batch-builder.ts';

const DEADLINE = { timeout: 60_000 };

function chunkFiles(disk: FakeDisk): [string, Uint8Array][] {
  return [...disk.content()].filter(([path]) => path.includes('/chunk/') && path.endsWith('.chunk'));
}

function magicsOf(disk: FakeDisk): Set<string> {
  return new Set(chunkFiles(disk).map(([, bytes]) => Buffer.from(bytes.subarray(0, 4)).toString('latin1')));
}

function keyed(key: string, value: string, timestamp: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.add({ key, value, timestamp });
  return Uint8Array.from(builder.build());
}

for (const masterKeys of [undefined, FIRST_MASTER]) {
  const words = masterKeys === undefined ? 'in the clear' : 'encrypted';
  test(
    `chunks are small and read as without, here, from the store, and out of a backup; ${words}`,
    DEADLINE,
    async () => {
      const tiered = new TieredDisk({ tierLocalBytes: 4_000 });
      const { disk, clock, memory } = tiered;
      const broker = await tiered.open(masterKeys, { storageCompression: 'zstd' });
      const history = await SealingHistory.begin(broker, disk, clock);
      await history.run(new SeededRandom(1), 400);
      const onDisk = chunkFiles(disk).reduce((sum, [, { length }]) => sum + length, 0);
      assert.equal(broker.files.chunks().bytes, onDisk, 'the room that files take is what counts');
      if (masterKeys === undefined) {
        assert.deepEqual(magicsOf(disk), new Set(['MRCZ']));
        const local = broker.files.chunkSizes();
        let content = 0;
        for (const { ranges } of [...broker.topics.list()].flatMap(({ partitions }) => partitions)) {
          for (let i = 0; i < (ranges?.count ?? 0); i++) {
            if (local.has(-(ranges?.file(i) ?? 0))) content += ranges?.sizeBytes(i) ?? 0;
          }
        }
        assert.ok(onDisk < content / 2, `${onDisk} bytes of files hold ${content} bytes of batches`);
      } else {
        for (const [path, bytes] of chunkFiles(disk)) {
          assert.ok(!Buffer.from(bytes).toString('latin1').includes('MRCZ'), `${path} is encrypted over all`);
        }
      }
      const all = await readTopics(broker);
      const backup = await takeBackup(broker);
      await broker.tiering.tierer.look();
      assert.ok(broker.tiering.tierer.evicted > 0);
      assert.ok(memory.objects.size > 0);
      assert.deepEqual(await readTopics(broker), all);
      const mixed = await takeBackup(broker);
      await broker.close();
      await tiered.assertVerified(masterKeys);
      const again = await tiered.open(masterKeys, { storageCompression: 'zstd' });
      assert.deepEqual(await readTopics(again), all);
      await again.close();
      for (const bytes of [backup, mixed]) {
        const target = new FakeDisk({ turns: () => 0 });
        const place = masterKeys === undefined ? SEALING_DIRECTORY : { directory: SEALING_DIRECTORY, masterKeys };
        assert.deepEqual((await restoreOn(target, place, bytes)).problems, []);
        const restored = await openOn(target, new ManualClock(clock.now()), undefined, {}, { masterKeys });
        assert.deepEqual(await readTopics(restored), all);
        await restored.close();
      }
    },
  );
}

test('turned on and off again: chunks of both forms are read, merged, and stay what they are', DEADLINE, async () => {
  const tiered = new TieredDisk();
  const { disk, clock } = tiered;
  const seen = new Set<string>();
  let before: Map<string, string[]> | undefined;
  for (const [round, compression] of (['none', 'zstd', 'none', 'zstd'] as const).entries()) {
    const broker = await tiered.open(undefined, { storageCompression: compression });
    if (before !== undefined) assert.deepEqual(await readTopics(broker), before);
    const history =
      round === 0 ? await SealingHistory.begin(broker, disk, clock) : new SealingHistory(broker, disk, clock);
    await history.run(new SeededRandom(round + 10), 150);
    for (const magic of magicsOf(disk)) seen.add(magic);
    before = await readTopics(broker);
    await broker.close();
    await tiered.assertVerified();
  }
  assert.deepEqual(seen, new Set(['MRCK', 'MRCZ']));
});

test('compaction writes compressed chunks, and reads them', DEADLINE, async () => {
  const tiered = new TieredDisk();
  const { disk, clock } = tiered;
  const broker = await tiered.open(undefined, { storageCompression: 'zstd' });
  const topic = await broker.topics.create({
    name: 'state',
    config: { 'cleanup.policy': 'compact', 'retention.ms': '-1', 'min.cleanable.dirty.ratio': '0.01' },
  });
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 40; i++) {
      await produce(broker, topic, 0, keyed(`k${i % 10}`, 'v'.repeat(400), clock.now()));
    }
    await settle(broker);
    await broker.compactor.compact();
  }
  assert.ok(broker.compactor.counters.droppedRecords > 50);
  const compacted = chunkFiles(disk).filter(([path]) => path.includes('/107374'));
  assert.ok(compacted.length > 0);
  for (const [, bytes] of compacted) assert.equal(Buffer.from(bytes.subarray(0, 4)).toString('latin1'), 'MRCZ');
  const found = await readTopic(broker, topic);
  assert.ok(found.length < 60);
  await broker.close();
  await tiered.assertVerified();
  const again = await tiered.open(undefined, { storageCompression: 'zstd' });
  const same = again.topics.find('state');
  assert.ok(same !== undefined);
  assert.deepEqual(await readTopic(again, same), found);
  await again.close();
});
