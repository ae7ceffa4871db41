/** Proves: the cursor finds every whole batch, tells a cut tail from damage, and stays there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { encodeBatch } from './batch-builder.ts';
import { BatchCursor, type CursorOutcome, forEachBatch } from './batch-cursor.ts';

const sizes = [1, 50, 400];
const batches = sizes.map((size) => encodeBatch([{ value: 'x'.repeat(size), timestamp: 1 }]));
const joined = Buffer.concat(batches);

function walk(bytes: Uint8Array, start?: number, end?: number): { found: [number, number][]; outcome: CursorOutcome } {
  const cursor = new BatchCursor(bytes, start, end);
  const found: [number, number][] = [];
  let outcome = cursor.next();
  for (; outcome === 'batch'; outcome = cursor.next()) found.push([cursor.position, cursor.sizeBytes]);
  assert.equal(cursor.next(), outcome, 'the last answer repeats');
  assert.equal(cursor.sizeBytes, 0);
  return { found, outcome };
}

const all: [number, number][] = batches.map((one, i) => [
  batches.slice(0, i).reduce((sum, before) => sum + before.length, 0),
  one.length,
]);

test('back to back batches, also inside a larger buffer', () => {
  assert.deepEqual(walk(joined), { found: all, outcome: 'end' });
  const padded = Buffer.concat([Buffer.alloc(7, 9), joined, Buffer.alloc(5, 9)]);
  const shifted = all.map(([position, size]) => [position + 7, size]);
  assert.deepEqual(walk(padded, 7, 7 + joined.length), { found: shifted, outcome: 'end' });
  assert.deepEqual(walk(new Uint8Array()), { found: [], outcome: 'end' });
});

test('cut at every byte: the whole ones, then cut or end', () => {
  for (let end = 0; end <= joined.length; end++) {
    const whole = all.filter(([position, size]) => position + size <= end);
    const isEnd = end === whole.reduce((sum, [, size]) => sum + size, 0);
    assert.deepEqual(walk(joined, 0, end), { found: whole, outcome: isEnd ? 'end' : 'cut' }, `cut at ${end}`);
  }
});

test('an impossible length or format is damage', () => {
  const second = all[1]?.[0] as number;
  for (const [at, bytes] of [
    [8, [0xff, 0xff, 0xff, 0xff]],
    [8, [0, 0, 0, 48]],
    [16, [1]],
  ] as const) {
    const damaged = Buffer.from(joined);
    damaged.set(bytes, second + at);
    assert.deepEqual(walk(damaged), { found: all.slice(0, 1), outcome: 'corrupt' });
    assert.throws(() => forEachBatch(damaged, () => undefined), {
      code: 'MODEL_BATCH_CORRUPT',
      message: new RegExp(`byte ${second} `),
    });
  }
});

test('forEachBatch visits all and refuses a cut tail', () => {
  const seen: [number, number][] = [];
  forEachBatch(joined, (position, sizeBytes) => seen.push([position, sizeBytes]));
  assert.deepEqual(seen, all);
  assert.throws(() => forEachBatch(joined.subarray(0, -1), () => undefined), {
    code: 'MODEL_BATCH_CORRUPT',
    message: /inside a batch/,
  });
});

test('reset starts over on other bytes', () => {
  const cursor = new BatchCursor(joined);
  cursor.next();
  cursor.reset(joined, all[1]?.[0]);
  assert.equal(cursor.next(), 'batch');
  assert.deepEqual([cursor.position, cursor.sizeBytes], all[1]);
});

test('any bytes at all: it ends, inside the bounds', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const [position, size] of walk(bytes).found) assert.ok(position + size <= bytes.length);
    }),
  );
});
