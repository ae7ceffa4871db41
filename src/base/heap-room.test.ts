/** Proves that a small heap gets room, a large one grows as V8 thinks right, and that the room lasts as long as it is wanted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { growingPercent, HeapRoom } from './heap-room.ts';

const MIB = 1024 * 1024;

function started() {
  const percents: number[] = [];
  let live = 24 * MIB;
  const room = new HeapRoom({ setGrowingPercent: (percent) => percents.push(percent), liveBytes: () => live });
  const clock = new ManualClock();
  return { room, clock, percents, grow: (bytes: number) => (live = bytes) };
}

test('the smaller the heap the more it may grow, within bounds', () => {
  const percents = [1, 20, 24, 48, 95, 96, 1_000].map((mib) => growingPercent(mib * MIB));
  assert.deepEqual(percents, [400, 400, 400, 200, 102, 0, 0]);
});

test('the room is measured anew while it is wanted, and given up when it is not', () => {
  const { room, clock, percents, grow } = started();
  room.allow(clock);
  room.want();
  room.want();
  assert.deepEqual(percents, [400]);
  grow(48 * MIB);
  clock.advance(5_000);
  assert.deepEqual(percents, [400, 200]);
  clock.advance(4_999);
  assert.deepEqual(percents, [400, 200]);
  clock.advance(1);
  assert.deepEqual(percents, [400, 200, 0]);
  clock.advance(60_000);
  assert.deepEqual(percents, [400, 200, 0]);
  room.want();
  assert.deepEqual(percents, [400, 200, 0, 200]);
});

test('a program that does not allow it is left alone', () => {
  const { room, percents } = started();
  room.want();
  assert.deepEqual(percents, []);
});

test('V8 knows the flag', () => {
  v8.setFlagsFromString('--heap-growing-percent=0');
  const room = new HeapRoom();
  const clock = new ManualClock();
  room.allow(clock);
  room.want();
  clock.advance(5_000);
  clock.advance(5_000);
});
