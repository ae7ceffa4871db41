import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { SyncTimes } from './sync-times.ts';

test('a disk is quick once its syncs are, and until they are not', () => {
  const times = new SyncTimes(new ManualClock());
  assert.equal(times.quick, false, 'nothing is known');
  times.add(0.3, false);
  assert.equal(times.quick, true);
  for (let count = 0; count < 100; count++) times.add(2, false);
  assert.equal(times.quick, false);
  for (let count = 0; count < 100; count++) times.add(0.3, false);
  assert.equal(times.quick, true);
});

test('one slow sync that blocked sends those of the next second aside', () => {
  const clock = new ManualClock();
  const times = new SyncTimes(clock);
  times.add(0.3, false);
  times.add(5, false);
  assert.equal(times.quick, true, 'aside, a slow one harms nobody');
  times.add(5, true);
  assert.equal(times.quick, false);
  clock.advance(999);
  for (let count = 0; count < 100; count++) times.add(0.3, false);
  assert.equal(times.quick, false);
  clock.advance(1);
  assert.equal(times.quick, true);
});
