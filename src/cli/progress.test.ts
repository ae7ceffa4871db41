/** Proves that a bar appears only on a terminal, only after a second, and is gone in the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from './progress.ts';

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 120, written, write: (text: string) => written.push(text) };
}

test('short work and work that nobody watches draw nothing', () => {
  const [watched, unwatched] = [terminal(true), terminal(false)];
  let now = 0;
  const short = new Progress('records', 10, watched, () => now);
  const hidden = new Progress('records', 10, unwatched, () => now);
  now = 999;
  short.update(5);
  short.end();
  now = 5000;
  hidden.update(5);
  hidden.end();
  assert.deepEqual([watched.written, unwatched.written], [[], []]);
});

test('longer work shows share, amount and rate, and cleans up', () => {
  const target = terminal(true);
  let now = 0;
  const progress = new Progress('records', 2000, target, () => now);
  now = 2000;
  progress.update(1000, 'more');
  progress.update(1001);
  progress.end();
  progress.end();
  assert.deepEqual(target.written, [
    '\r[##########..........]  50%  1,000 of 2,000 records  500/s  more\u001B[K',
    '\r\u001B[K',
  ]);
});
