/** Proves the two forms of the log: JSON lines for machines, short lines for a terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createLogger, errorFacts } from './logger.ts';

function capture(isTTY: boolean) {
  const lines: string[] = [];
  const logger = createLogger('info', { isTTY, write: (text) => lines.push(stripVTControlCharacters(text)) });
  return { lines, logger };
}

test('without a terminal each line is a JSON object with level, time and message', () => {
  const { lines, logger } = capture(false);
  logger.info('ready', { kafka: '127.0.0.1:9092' });
  logger.debug('not shown');
  assert.equal(lines.length, 1);
  const { time, ...others } = JSON.parse(lines[0] ?? '');
  assert.deepEqual(others, { level: 'info', kafka: '127.0.0.1:9092', msg: 'ready' });
  assert.ok(Number.isFinite(Date.parse(time)));
});

test('on a terminal facts follow the message, and errors bring their stack', () => {
  const { lines, logger } = capture(true);
  logger.info('ready', { kafka: '127.0.0.1:9092', topics: 3 });
  logger.error('journal stopped', errorFacts(new Error('disk full', { cause: new Error('ENOSPC') })));
  assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d\.\d{3} ready kafka=127\.0\.0\.1:9092 topics=3\n$/);
  assert.match(lines[1] ?? '', /error: journal stopped\nError: disk full\n\s+at [\s\S]+caused by: Error: ENOSPC/);
});
