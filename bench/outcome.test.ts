// Proves: pass and miss follow the bound against the limit measured beside each run, by the median margin; failures and
// notes stand in the table and cannot break it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bound, SPEED_CASES, type SpeedCase } from './cases.ts';
import { median } from './kit/measure.ts';
import {
  describeBound,
  failedOutcome,
  marginOf,
  outcomeTable,
  plainOutcome,
  type Sample,
  summarize,
} from './outcome.ts';

const sample = (value: number, limit: number, generatorBound = false, durableMb = Number.NaN): Sample => {
  return { value, limit, generatorBound, durableMb, peakRssBytes: 1e8, cpuSecondsPerGb: 0.5 };
};
const withBound = (bound: Bound): SpeedCase => ({ ...(SPEED_CASES[0] as SpeedCase), unit: 'ms', bound });

test('margins are 1 at the bound and above it on the good side', () => {
  assert.equal(marginOf({ kind: 'at-least', factor: 0.5, limit: 'N' }, { value: 500, limit: 1000 }), 1);
  assert.ok(marginOf({ kind: 'at-least', factor: 0.5, limit: 'N' }, { value: 499, limit: 1000 }) < 1);
  assert.equal(marginOf({ kind: 'at-most', factor: 3, limit: 'F', plus: 1 }, { value: 2.5, limit: 0.5 }), 1);
  assert.ok(marginOf({ kind: 'at-most', factor: 5, limit: 'F' }, { value: 2.6, limit: 0.5 }) < 1);
  assert.ok(marginOf({ kind: 'at-least-absolute', value: 30_000 }, { value: 30_001, limit: Number.NaN }) > 1);
  assert.ok(marginOf({ kind: 'at-most-absolute', value: 1 }, { value: 1.01, limit: Number.NaN }) < 1);
});

test('the median margin decides, each run against the limit beside it', () => {
  const halfOfNet = withBound({ kind: 'at-least', factor: 0.5, limit: 'N' });
  // The slow run saw a slow machine and holds; only the last one misses.
  const passing = summarize(halfOfNet, [sample(600, 1000), sample(60, 100), sample(400, 1000)]);
  assert.equal(passing.verdict, 'pass');
  assert.equal(passing.ratio, 0.6);
  assert.deepEqual([passing.value, ...passing.range, passing.runs], [400, 60, 600, 3]);
  assert.equal(summarize(halfOfNet, [sample(400, 1000), sample(600, 1000), sample(400, 1000)]).verdict, 'miss');
  assert.equal(summarize(withBound({ kind: 'none', limit: 'E' }), [sample(1, 1000)]).verdict, 'info');
});

test('a value that could not be measured is no pass', () => {
  const bound: Bound = { kind: 'at-most-absolute', value: 1 };
  assert.equal(summarize(withBound(bound), [sample(Number.NaN, Number.NaN)]).verdict, 'miss');
  assert.equal(plainOutcome('id', 'title', 'MB', Number.NaN, bound).verdict, 'miss');
});

test('the table has one line per outcome whatever the notes say', () => {
  const failed = failedOutcome('id', 'title', 'ms', '≤ 1 ms', new Error('first | line\nsecond'));
  const bound = summarize(withBound({ kind: 'at-least', factor: 1, limit: 'N' }), [sample(2, 1, true)]);
  const lines = outcomeTable([failed, bound]).trimEnd().split('\n');
  assert.equal(lines.length, 4);
  assert.ok(
    lines.every((line) => line.split('|').length === 11),
    lines.join('\n'),
  );
  assert.match(lines[2] ?? '', /failed: first \/ line second/);
  assert.match(lines[3] ?? '', /pass: the generator was the limit/);
});

test('the share of the disk stands in the note of what fills it', () => {
  const bound: Bound = { kind: 'at-least', factor: 1, limit: 'N' };
  const { note, verdict } = summarize(
    withBound(bound),
    [90, 60, 100].map((value) => sample(value, 1000, false, 100)),
  );
  assert.deepEqual([note, verdict], ['0.90 D, with D = 100', 'miss']);
});

test('every case has an id of its own and a bound that can be said', () => {
  assert.equal(new Set(SPEED_CASES.map(({ id }) => id)).size, SPEED_CASES.length);
  for (const { bound, unit } of SPEED_CASES) assert.notEqual(describeBound(bound, unit), '');
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});
