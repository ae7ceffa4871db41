import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { SealPace } from './seal-pace.ts';

async function restMs(clock: ManualClock, pace: SealPace, stepMs: number): Promise<number> {
  clock.advance(stepMs);
  const from = clock.monotonic();
  const resting = pace.rest();
  while (clock.pendingTimers > 0) clock.advance(1);
  await resting;
  return clock.monotonic() - from;
}

test('a step is followed by a rest while the broker is busy', async () => {
  const clock = new ManualClock();
  const pace = new SealPace(clock);
  pace.begin();
  assert.equal(await restMs(clock, pace, 10), 0);
  pace.busy = true;
  assert.equal(await restMs(clock, pace, 10), 30);
  assert.equal(await restMs(clock, pace, 10), 30, 'a rest is not part of the next step');
  assert.equal(await restMs(clock, pace, 0), 0);
  assert.equal(await restMs(clock, pace, 60_000), 2_000);
});
