/** Proves what `--from` understands and refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from './failure.ts';
import { parsePosition } from './position.ts';

test('positions become the query of a read', () => {
  assert.deepEqual(parsePosition('earliest'), { offset: 'earliest' });
  assert.deepEqual(parsePosition('latest'), { offset: 'latest' });
  assert.deepEqual(parsePosition('17'), { offset: 17 });
  assert.deepEqual(parsePosition('-5'), { last: 5 });
  assert.deepEqual(parsePosition('@1795000000000'), { timestamp: 1_795_000_000_000 });
  assert.deepEqual(parsePosition('2026-11-20T10:00:00Z'), { timestamp: Date.UTC(2026, 10, 20, 10) });
});

test('anything else is a usage error', () => {
  for (const text of ['', 'first', '1.5', '--5', '@', '@x', '99999999999999999', '2026-99-99', '20:15']) {
    assert.throws(() => parsePosition(text), UsageError, text);
  }
});
