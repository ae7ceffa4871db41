/** Proves that only a follower whose records come a millisecond apart or closer waits the longer time, for larger pieces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowPace } from './follow-pace.ts';

const SETTINGS = { followPaceMs: 5, denseFollowPaceMs: 20, followPieceBytes: 64, denseFollowPieceBytes: 256 };

test('the pace follows how close records come', () => {
  const pace = new FollowPace(SETTINGS);
  /** Sends pieces of so many records at a time. @returns until when the next one waits. */
  const send = (now: number, ...counts: number[]): number => {
    for (const count of counts) pace.sent(count, now);
    const isDense = pace.next();
    assert.equal(pace.pieceBytes, isDense ? 256 : 64);
    assert.equal(pace.waitMs(now), isDense ? 20 : 5);
    return now + pace.waitMs(now);
  };
  assert.equal(pace.pieceBytes, 64, 'before anything came');
  assert.equal(pace.waitMs(0), Number.NEGATIVE_INFINITY, 'the first one waits for nothing');
  assert.equal(send(100, 1_000), 105, 'what was there at the beginning says nothing');
  assert.equal(send(105, 1), 110);
  assert.equal(send(110, 4), 115);
  assert.equal(send(115, 3, 2), 135, 'both pieces of the interval count');
  assert.equal(send(135, 40), 155);
  assert.equal(send(155, 19), 160);
  assert.ok(pace.waitMs(1_000) < 0, 'a record after silence waits for nothing');
});

test('who is woken up for nothing learns nothing', () => {
  const pace = new FollowPace(SETTINGS);
  pace.sent(1, 100);
  assert.equal(pace.next(), false);
  assert.equal(pace.next(), false);
  assert.equal(pace.waitMs(104), 1, 'the next record waits no longer for it');
  pace.sent(100, 110);
  assert.equal(pace.next(), true);
  assert.equal(pace.next(), true);
});
