// Proves: quantiles answer within 1.6 % above the true value, small values and the maximum exactly, and merging states
// equals recording everything in one histogram. Does not prove anything about clocks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { Histogram } from './histogram.ts';

function exactQuantile(micros: readonly number[], quantile: number): number {
  const sorted = micros.toSorted((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(quantile * sorted.length)) - 1] as number;
}

const microsList = fc.array(fc.oneof(fc.nat(300), fc.nat(2 ** 31 - 1)), { minLength: 1, maxLength: 300 });

test('a quantile is at most 1.6 % above the recorded value and never below it', () => {
  fc.assert(
    fc.property(microsList, fc.double({ min: 0, max: 1, noNaN: true }), (values, quantile) => {
      const histogram = new Histogram();
      for (const value of values) histogram.recordMillis(value / 1000);
      const exact = exactQuantile(values, quantile);
      const answer = histogram.quantileMicros(quantile);
      assert.ok(answer >= exact && answer <= exact * (1 + 1 / 63), `${answer} for ${exact}`);
      assert.equal(histogram.maxMicros, Math.max(...values));
    }),
  );
});

test('values up to 127 µs are exact', () => {
  for (let micros = 0; micros < 128; micros++) {
    const histogram = new Histogram();
    histogram.recordMillis(micros / 1000);
    histogram.recordMillis(10_000);
    assert.equal(histogram.quantileMicros(0.5), micros);
  }
});

test('merged states equal one histogram of everything', () => {
  fc.assert(
    fc.property(microsList, microsList, (left, right) => {
      const [a, b, both] = [new Histogram(), new Histogram(), new Histogram()];
      for (const value of left) a.recordMillis(value / 1000);
      for (const value of right) b.recordMillis(value / 1000);
      for (const value of [...left, ...right]) both.recordMillis(value / 1000);
      a.merge(JSON.parse(JSON.stringify(b.toState())));
      assert.deepEqual(a.toState(), both.toState());
      assert.equal(a.count, both.count);
    }),
  );
});

test('an empty histogram answers NaN; negative times count as 0 and huge ones as the largest', () => {
  const histogram = new Histogram();
  assert.ok(Number.isNaN(histogram.quantileMicros(0.99)));
  histogram.recordMillis(-5);
  assert.equal(histogram.quantileMicros(1), 0);
  histogram.recordMillis(1e12);
  assert.equal(histogram.quantileMicros(1), 2 ** 31 - 1);
});
