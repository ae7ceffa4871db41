import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { FreshFiles } from './fresh-files.ts';

test('a file is fresh from its beginning until ten minutes after its end', () => {
  const clock = new ManualClock();
  const fresh = new FreshFiles(clock);
  assert.equal(fresh.has(1), false, 'from before the start');
  fresh.begun(1);
  clock.advance(3_600_000);
  assert.equal(fresh.has(1), true);
  fresh.closed(1);
  clock.advance(599_999);
  assert.equal(fresh.has(1), true);
  clock.advance(1);
  assert.equal(fresh.has(1), false);
  fresh.closed(2);
  assert.equal(fresh.has(2), false, 'begun before the start');
  fresh.written(-7);
  assert.equal(fresh.has(-7), true, 'a chunk');
});
