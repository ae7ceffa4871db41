/** Proves, on a clock moved by hand: each member is asked once an interval, in its turn, and an empty room has no timer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { Heartbeats } from './heartbeats.ts';

test('each is asked once an interval, from when it joined; who left is not', () => {
  const clock = new ManualClock();
  const heartbeats = new Heartbeats(clock, 1_000);
  const beats: string[] = [];
  const member = (name: string) => ({ beat: () => void beats.push(name) });
  const [a, b, c] = [member('a'), member('b'), member('c')] as const;
  heartbeats.join(a);
  clock.advance(500);
  heartbeats.join(b);
  heartbeats.join(c);
  clock.advance(499);
  assert.deepEqual(beats, []);
  clock.advance(1);
  assert.deepEqual(beats, ['a']);
  heartbeats.leave(c);
  clock.advance(500);
  assert.deepEqual(beats, ['a', 'b']);
  clock.advance(500);
  assert.deepEqual(beats, ['a', 'b', 'a']);
  heartbeats.leave(a);
  heartbeats.leave(b);
  clock.advance(10_000);
  assert.deepEqual(beats, ['a', 'b', 'a']);
  heartbeats.join(b);
  clock.advance(1_000);
  assert.deepEqual(beats, ['a', 'b', 'a', 'b']);
});

test('who leaves or joins while others are asked disturbs nobody', () => {
  const clock = new ManualClock();
  const heartbeats = new Heartbeats(clock, 1_000);
  let beats = 0;
  const last = { beat: () => void (beats += 1) };
  const leaver = {
    beat: () => {
      heartbeats.leave(leaver);
      heartbeats.leave(last);
      heartbeats.join(last);
    },
  };
  heartbeats.join(leaver);
  heartbeats.join(last);
  clock.advance(1_000);
  assert.equal(beats, 0);
  clock.advance(1_000);
  assert.equal(beats, 1);
});
