/** Proves that a small heap gets room, a large one grows as V8 thinks right, and that each full collection decides anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from '../../test/kit/http-kit.ts';
import { growingPercent, keepHeapRoom } from './heap-room.ts';

const MIB = 1024 * 1024;

test('the smaller the heap the more it may grow, within bounds', () => {
  const percents = [1, 20, 24, 48, 95, 96, 1_000].map((mib) => growingPercent(mib * MIB));
  assert.deepEqual(percents, [400, 400, 400, 200, 102, 0, 0]);
});

test('each full collection decides anew', { timeout: 60_000 }, async () => {
  v8.setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const percents: number[] = [];
  keepHeapRoom((percent) => percents.push(percent));
  assert.equal(percents.length, 1);
  // What is new is seen by the collector from the next turn on.
  await setTimeout(1);
  for (let count = 1; count <= 3; count++) {
    collect();
    await until(() => percents.length > count);
  }
  const large = Array.from({ length: 4_000_000 }, (_, i) => ({ i }));
  const count = percents.length;
  collect();
  await until(() => percents.length > count);
  assert.equal(percents.at(-1), 0, `with ${large.length} objects`);
});
