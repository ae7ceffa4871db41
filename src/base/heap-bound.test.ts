/** Proves that a heap is bound while it is large, and that V8 begins to go by what is there soon after a start. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { HeapBound } from './heap-bound.ts';

const MIB = 1024 * 1024;

function started(oldBytes: number) {
  const percents: number[] = [];
  let youngGrows = true;
  let youngBytes = 8 * MIB;
  let youngUsed = 0;
  let youngCollected = 0;
  let collected = 0;
  let old = oldBytes;
  const clock = new ManualClock();
  const bound = new HeapBound({
    keepNoPages: () => undefined,
    setGrowingPercent: (percent) => percents.push(percent),
    setYoungGrows: (grows) => (youngGrows = grows),
    collect: () => void collected++,
    collectYoung: () => {
      if (youngGrows) youngBytes *= 2;
      youngCollected += 1;
    },
    young: () => ({ usedBytes: youngUsed, sizeBytes: youngBytes }),
    oldBytes: () => old,
  });
  bound.begin(clock);
  const growOld = (bytes: number): void => void (old = bytes);
  const young = {
    shrink: (bytes: number): void => void (youngBytes = bytes),
    use: (bytes: number): void => void (youngUsed = bytes),
    collected: (): number => youngCollected,
    sizeBytes: (): number => youngBytes,
    grows: (): boolean => youngGrows,
  };
  return { clock, percents, young, collected: () => collected, growOld };
}

test('a large heap may grow by a tenth', () => {
  const { clock, percents, collected, growOld } = started(16 * MIB);
  clock.advance(60_000);
  assert.deepEqual([percents.splice(0), collected()], [[200, 0], 1], 'the second time with 48 MiB');
  growOld(48 * MIB);
  clock.advance(500);
  assert.deepEqual(percents, [10]);
  growOld(300 * MIB);
  clock.advance(60_000);
  assert.deepEqual(percents, [10]);
  growOld(23 * MIB);
  clock.advance(500);
  assert.deepEqual([percents, collected()], [[10, 0], 1]);
});

test('a heap that grows quickly is held to what is large by the collection that comes before anybody looks', () => {
  const { clock, percents, growOld } = started(16 * MIB);
  clock.advance(500);
  const setAt = (bytes: number): number[] => {
    percents.length = 0;
    growOld(bytes);
    clock.advance(500);
    return [...percents];
  };
  assert.deepEqual([setAt(23 * MIB), setAt(24 * MIB), setAt(40 * MIB), setAt(56 * MIB)], [[], [100], [20], [10]]);
  assert.deepEqual(setAt(20 * MIB), [0], 'as V8 thinks right');
});

test('the young generation does not grow, and is brought back step by step where V8 has shrunk it', () => {
  const { clock, young } = started(16 * MIB);
  assert.equal(young.grows(), false, 'from the start');
  clock.advance(60_000);
  assert.deepEqual([young.sizeBytes(), young.grows()], [8 * MIB, false]);
  young.shrink(MIB);
  young.use(MIB / 4);
  clock.advance(60_000);
  assert.deepEqual([young.sizeBytes(), young.collected()], [MIB, 0], 'nothing happens');
  young.use(4 * MIB);
  const sizes = [1, 2, 3, 4].map(() => {
    clock.advance(250);
    return young.sizeBytes() / MIB;
  });
  assert.deepEqual([sizes, young.grows()], [[2, 4, 4, 4], false]);
  young.shrink(4 * MIB - 256);
  clock.advance(500);
  assert.equal(young.sizeBytes(), 4 * MIB - 256, 'V8 takes a little of each page for itself');
});

test('a heap that is large from the start is not collected while everybody waits', () => {
  const { clock, percents, collected } = started(200 * MIB);
  clock.advance(2_000);
  assert.deepEqual([percents, collected()], [[10], 0]);
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
  v8.setFlagsFromString('--memory-pool');
});
