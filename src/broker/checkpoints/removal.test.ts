/** Proves that sealing goes on while what it has set free is being removed, and that nothing is told as removed before it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, produce } from '../../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { openOn, settle } from '../../../test/kit/sealing-history.ts';

/** Removals of journal files wait until they are let go on. */
class SlowRemoval extends FakeDisk {
  readonly #gate = Promise.withResolvers<void>();
  waiting = 0;

  override async remove(path: string): Promise<void> {
    if (path.endsWith('.journal')) {
      this.waiting += 1;
      await this.#gate.promise;
      this.waiting -= 1;
    }
    await super.remove(path);
  }

  goOn(): void {
    this.#gate.resolve();
  }
}

test('a round does not wait for the removal of what the one before has sealed', { timeout: 60_000 }, async () => {
  const disk = new SlowRemoval({ turns: () => 0 });
  const settings = { ownChunkBytes: 1_500, chunkBytes: 2_000, sealBytes: 4_000, journalFileBytes: 2_000 };
  const broker = await openOn(disk, new ManualClock(), undefined, settings);
  const topic = await broker.topics.create({ name: 't', config: { 'retention.ms': '-1' } });
  const { checkpointer } = broker;
  const step = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await produce(broker, topic, 0, batchOf(['v'.repeat(1_000)]));
    await settle(broker);
  };
  while (disk.waiting === 0) await step();
  const [sealed, checkpoint] = [checkpointer.sealedBytes, checkpointer.lastCheckpoint];
  while (checkpointer.sealedBytes === sealed) await step();
  assert.equal(disk.waiting, 1, 'one after the other');
  assert.equal(checkpointer.lastCheckpoint, checkpoint, 'a checkpoint counts when what it set free is gone');
  disk.goOn();
  while (checkpointer.lastCheckpoint === checkpoint) await step();
  await broker.close();
});
