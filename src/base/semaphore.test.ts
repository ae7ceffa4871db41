/** Never more holders than permits, first come first served, and a place comes back however its work ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { Semaphore } from './semaphore.ts';

test('holders keep to the limit and start in order, under any schedule', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.boolean(), { maxLength: 20 }),
      fc.scheduler(),
      async (permits, works, scheduler) => {
        const semaphore = new Semaphore(permits);
        const started: number[] = [];
        let running = 0;
        const all = works.map((fails, i) =>
          semaphore.run(async () => {
            running += 1;
            assert.ok(running <= permits);
            started.push(i);
            await scheduler.schedule(Promise.resolve());
            running -= 1;
            if (fails) throw new Error('fails');
            return i;
          }),
        );
        assert.equal(semaphore.waiting, Math.max(0, works.length - permits));
        const settled = Promise.allSettled(all);
        await scheduler.waitFor(settled);
        assert.deepEqual(
          started,
          works.map((_, i) => i),
        );
        assert.deepEqual(
          (await settled).map((one) => one.status === 'rejected'),
          works,
        );
        assert.equal(semaphore.waiting, 0);
        assert.equal(await semaphore.run(async () => 'free again'), 'free again');
      },
    ),
  );
});
