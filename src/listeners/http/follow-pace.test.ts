/** Proves that only a follower whose records come a millisecond apart or closer waits the longer time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowPace } from './follow-pace.ts';

test('the pace follows how close records come', () => {
  const pace = new FollowPace({ followPaceMs: 5, denseFollowPaceMs: 20 });
  const next = (sentAt: number): number => {
    assert.equal(pace.next(sentAt), pace.paceMs === 20);
    return pace.paceMs;
  };
  pace.sent(1_000);
  assert.equal(next(100), 5, 'what was there at the beginning says nothing');
  pace.sent(1);
  assert.equal(next(105), 5);
  pace.sent(4);
  assert.equal(next(110), 5);
  pace.sent(3);
  pace.sent(2);
  assert.equal(next(115), 20, 'both pieces of the interval count');
  pace.sent(40);
  assert.equal(next(135), 20);
  pace.sent(19);
  assert.equal(next(155), 5);
});
