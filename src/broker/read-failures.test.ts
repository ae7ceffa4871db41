/** Proves that the log has what a read failed of, once a minute for each, and nothing of what is no fault. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { MillraceError } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { LogStore } from '../store/log-store.ts';
import { ReadFailures } from './read-failures.ts';

test('what cannot be read is said once a minute, with topic, file and code', () => {
  const clock = new ManualClock();
  const said: unknown[] = [];
  const store = new LogStore();
  const [one, other, deleted] = [store.create(0, 0), store.create(1, 1), store.create(2, 0)];
  const failures = new ReadFailures({
    clock,
    logger: { ...silentLogger, error: (message, details) => said.push([message, details]) },
    topicOf: (partition) => (partition === deleted ? undefined : 'orders'),
  });
  const damage = new MillraceError('STORE_CORRUPT', 'chunk/0000000001.chunk, position 64: a batch is damaged');
  failures.failed(one, 7, damage);
  failures.failed(one, 8, damage);
  failures.failed(other, 8, new MillraceError('STORE_KEY_MISSING', 'key 2 was deleted'));
  failures.failed(deleted, 8, damage);
  for (const code of ['STORE_OFFSET_OUT_OF_RANGE', 'STORE_CLOSED', 'JOURNAL_CLOSED'] as const) {
    failures.failed(one, 7, new MillraceError(code, 'no fault'));
  }
  const first = [
    'Records of orders, partition 0, cannot be read: chunk/0000000001.chunk, position 64: a batch is damaged',
    { code: 'STORE_CORRUPT', offset: 7 },
  ];
  const second = [
    'Records of orders, partition 1, cannot be read: key 2 was deleted',
    { code: 'STORE_KEY_MISSING', offset: 8 },
  ];
  assert.deepEqual(said, [first, second]);
  clock.advance(60_000);
  failures.failed(one, 7, damage);
  assert.deepEqual(said, [first, second, first]);
});
