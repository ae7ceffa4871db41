/** Proves: durations of both forms, and that nothing else is taken for one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from './duration.ts';
import { UsageError } from './failure.ts';

test('short and ISO forms', () => {
  const cases: [string, number][] = [
    ['90s', 90_000],
    ['250ms', 250],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['PT2H', 7_200_000],
    ['P1DT1M1S', 86_461_000],
    ['P2D', 172_800_000],
  ];
  for (const [text, expected] of cases) assert.equal(parseDuration('--back', text), expected, text);
});

test('anything else is a usage error', () => {
  for (const text of ['', '5', 'h', '-1h', '1.5h', 'P', 'PT', '1w', '1h ', '9999999999s']) {
    assert.throws(() => parseDuration('--back', text), UsageError, text);
  }
});
