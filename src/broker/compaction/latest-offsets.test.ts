/** Proves that the table of keys is a map of bounded size: the same answers as a Map, until it is full, and then no more keys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { ENTRY_BYTES, LatestOffsets } from './latest-offsets.ts';

const key = (n: number): Uint8Array => Buffer.from(`key ${n}`);

test('answers as a map does', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { maxLength: 6000 }), (keys) => {
      const table = new LatestOffsets(1024 * 1024);
      const map = new Map<number, number>();
      for (const [offset, n] of keys.entries()) {
        assert.ok(table.put(key(n), offset));
        map.set(n, offset);
      }
      assert.equal(table.count, map.size);
      for (let n = 0; n <= 3000; n += 7) assert.equal(table.get(key(n)), map.get(n) ?? -1);
    }),
    { numRuns: 20 },
  );
});

test('takes no more keys than fit its memory, and goes on with those it has', () => {
  const slots = 4096;
  const table = new LatestOffsets(slots * ENTRY_BYTES);
  let taken = 0;
  while (table.put(key(taken), taken)) taken += 1;
  assert.equal(taken, Math.floor(slots * 0.8));
  assert.ok(table.put(key(5), 1_000_000));
  assert.equal(table.get(key(5)), 1_000_000);
  assert.equal(table.get(key(taken)), -1);
});
