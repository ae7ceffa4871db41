/** Proves that a heap is bound while it is large, and that V8 begins to go by what is there soon after a start. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { HeapBound } from './heap-bound.ts';

const MIB = 1024 * 1024;

function started(oldBytes: number) {
  const percents: number[] = [];
  const young: boolean[] = [];
  let collected = 0;
  let old = oldBytes;
  const clock = new ManualClock();
  const bound = new HeapBound({
    setGrowingPercent: (percent) => percents.push(percent),
    setYoungGrows: (grows) => young.push(grows),
    collect: () => void collected++,
    oldBytes: () => old,
  });
  bound.begin(clock);
  return { clock, percents, young, collected: () => collected, growOld: (bytes: number) => (old = bytes) };
}

test('a large heap may grow by a quarter, and its young generation no more', () => {
  const { clock, percents, young, collected, growOld } = started(16 * MIB);
  clock.advance(60_000);
  assert.deepEqual([percents.splice(0), young, collected()], [[200, 0], [], 1], 'the second time with 48 MiB');
  growOld(48 * MIB);
  clock.advance(500);
  assert.deepEqual([percents, young], [[25], [false]]);
  growOld(300 * MIB);
  clock.advance(60_000);
  assert.deepEqual([percents, young], [[25], [false]]);
  growOld(47 * MIB);
  clock.advance(500);
  assert.deepEqual([percents, young, collected()], [[25, 0], [false, true], 1]);
});

test('a heap that is large from the start is not collected while everybody waits', () => {
  const { clock, percents, collected } = started(200 * MIB);
  clock.advance(2_000);
  assert.deepEqual([percents, collected()], [[25], 0]);
});

test('V8 knows the flags, and its collector is shown to nobody else', () => {
  const clock = new ManualClock();
  new HeapBound().begin(clock);
  const kept = Array.from({ length: 400_000 }, (_, i) => ({ i, text: `${i} of many` }));
  clock.advance(500);
  clock.advance(500);
  assert.equal(kept.length, 400_000);
  assert.equal(Reflect.get(globalThis, 'gc'), undefined);
  v8.setFlagsFromString('--heap-growing-percent=0');
  v8.setFlagsFromString('--semi-space-growth-factor=2');
});
