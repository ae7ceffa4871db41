/** The watermark: refused before the disk is full, also by what came since the last look; accepted when space returns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, fetchOnce, produce } from '../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { openOn } from '../../test/kit/sealing-history.ts';
import { silentLogger } from '../base/logger.ts';
import { DiskGuard } from './disk-guard.ts';

function guardOf(
  free: () => number,
  minFreeBytes = 100,
): { guard: DiskGuard; clock: ManualClock; asked: () => number } {
  const clock = new ManualClock();
  let asked = 0;
  const space = async () => {
    asked += 1;
    return { totalBytes: 1000, usableBytes: free() };
  };
  return { guard: new DiskGuard({ space, clock, logger: silentLogger, minFreeBytes }), clock, asked: () => asked };
}

test('what is appended between two looks counts, and a shrinking rest is looked at sooner', async () => {
  let free = 1100;
  const { guard, asked } = guardOf(() => free);
  await guard.start();
  assert.ok(guard.admits(400));
  assert.equal(asked(), 1);
  free = 700;
  assert.ok(guard.admits(200), 'half is gone: the system is asked meanwhile');
  await guard.check();
  assert.equal(asked(), 2);
  assert.ok(guard.admits(600));
  assert.ok(!guard.admits(1));
  guard.stop();
});

test('refused below the watermark, accepted again when the timer finds space', async () => {
  let free = 50;
  const { guard, clock } = guardOf(() => free);
  await guard.start();
  assert.deepEqual([guard.full, guard.admits(1), guard.freeBytes], [true, false, 50]);
  free = 5000;
  await guard.check();
  clock.advance(2000);
  await guard.check();
  assert.deepEqual([guard.full, guard.admits(1)], [false, true]);
  guard.stop();
  assert.equal(clock.pendingTimers, 0);
});

test('a system that does not tell, and no watermark, refuse nothing', async () => {
  const { guard } = guardOf(() => -1);
  await guard.start();
  assert.ok(guard.admits(1e15));
  guard.stop();
  const off = guardOf(() => 0, 0);
  await off.guard.start();
  assert.ok(off.guard.admits(1e15));
  assert.equal(off.asked(), 0);
  const broken = new DiskGuard({
    space: () => Promise.reject(new Error('no such call')),
    clock: new ManualClock(),
    logger: silentLogger,
    minFreeBytes: 1,
  });
  await broken.start();
  assert.ok(broken.admits(1e15));
  broken.stop();
});

test('a broker on an almost full disk refuses writes and serves reads; deleting goes on, and brings writes back', async () => {
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  disk.usableBytes = 1_000_000;
  const broker = await openOn(disk, clock, undefined, { minFreeBytes: 100_000 });
  const topic = await broker.topics.create({ name: 't' });
  assert.equal((await produce(broker, topic, 0, batchOf(['kept'], undefined, clock.now()))).error, undefined);
  disk.usableBytes = 100_000;
  await broker.diskGuard.check();
  const refused = await produce(broker, topic, 0, batchOf(['lost'], undefined, clock.now()));
  assert.deepEqual([refused.error, refused.baseOffset], ['BROKER_DISK_FULL', -1]);
  const { bytes } = await fetchOnce(broker, topic.partitions[0], 0);
  assert.match(bytes.toString('latin1'), /kept/);
  await broker.topics.delete(topic);
  disk.usableBytes = 900_000;
  await broker.diskGuard.check();
  const next = await broker.topics.create({ name: 'next' });
  assert.equal((await produce(broker, next, 0, batchOf(['again'], undefined, clock.now()))).error, undefined);
  await broker.close();
});
