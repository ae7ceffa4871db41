/** Producer ids are given out once, ever: over blocks, restarts, concurrent calls, and reservations that fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { History } from '../../test/kit/history.ts';
import { MillraceError } from '../base/errors.ts';

const DEADLINE = { timeout: 60_000 };

test('ids are never given out twice, over restarts and blocks', DEADLINE, async () => {
  let disk = new FakeDisk({ turns: () => 0 });
  const given = new Set<number>();
  let count = 0;
  for (let round = 0; round < 4; round++) {
    const history = await History.open(disk);
    const ids = await Promise.all(
      Array.from({ length: round === 0 ? 2500 : 3 }, () => history.producers.allocateProducerId()),
    );
    for (const { producerId, producerEpoch } of ids) {
      assert.equal(producerEpoch, 0);
      given.add(producerId);
      count += 1;
    }
    assert.equal(given.size, count);
    // Killed, not closed.
    disk = disk.kill({ turns: () => 0 });
  }
});

test('a reservation that fails gives nobody an id; a restart goes on behind it', DEADLINE, async () => {
  for (const point of ['write', 'sync'] as const) {
    const disk = new FakeDisk({ turns: () => 0 });
    let history = await History.open(disk);
    const before = await history.producers.allocateProducerId();
    for (let i = 1; i < 1000; i++) await history.producers.allocateProducerId();
    disk.faults = (at) => (at === point ? { code: 'EIO' } : undefined);
    const failed = await Promise.allSettled([1, 2, 3].map(() => history.producers.allocateProducerId()));
    for (const one of failed) assert.ok(one.status === 'rejected' && one.reason instanceof MillraceError);
    await assert.rejects(history.producers.allocateProducerId());
    disk.faults = undefined;
    await history.journal.close();
    history = await History.open(new FakeDisk({ turns: () => 0 }, disk.content()));
    const after = await history.producers.allocateProducerId();
    assert.ok(after.producerId >= before.producerId + 1000, `${after.producerId} after ${before.producerId}`);
    await history.journal.close();
  }
});
