/** Proves what a round rewrites: small ranges of a partition once for each factor in age, large ones never again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, produce } from '../../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { openOn, settle } from '../../../test/kit/sealing-history.ts';

const BATCHES = 300;
const BATCH_BYTES = 1_000;

/** @returns bytes that sealing wrote for each byte of one partition, in rounds of a few batches. */
async function amplification(ownChunkBytes: number): Promise<number> {
  const settings = { ownChunkBytes, chunkBytes: 2_000, sealBytes: 4_000, journalFileBytes: 2_000 };
  const broker = await openOn(new FakeDisk({ turns: () => 0 }), new ManualClock(), undefined, settings);
  const topic = await broker.topics.create({ name: 't', config: { 'retention.ms': '-1' } });
  for (let i = 0; i < BATCHES; i++) {
    await produce(broker, topic, 0, batchOf(['v'.repeat(BATCH_BYTES)]));
    if (i % 5 === 4) await settle(broker);
  }
  const { sealedBytes } = broker.checkpointer;
  assert.ok(sealedBytes > 0.9 * BATCHES * BATCH_BYTES, 'almost all of it is sealed');
  await broker.close();
  return sealedBytes / (BATCHES * BATCH_BYTES);
}

// Chunks of 32 MiB are all of one size: from the sixteenth on every round rewrote the whole partition.
test('a partition with chunks of its own is written once', async () => {
  const times = await amplification(1_500);
  assert.ok(times < 1.3, `${times} times`);
});

test('small ranges are merged now and then', async () => {
  const times = await amplification(1_000_000);
  assert.ok(times > 1.5 && times < 4, `${times} times`);
});
