/** What a plan was made of comes out of it again, as often as it is asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { PackedPlan } from './packed-plan.ts';

const range = fc.record({
  file: fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constantFrom(-(2 ** 31), 2 ** 40)),
  baseOffset: fc.nat(1_000_000),
  endOffset: fc.oneof(fc.nat(1_000_000), fc.constant(Number.MAX_SAFE_INTEGER)),
  firstRow: fc.nat(500_000),
  rowCount: fc.nat(100),
  maxTimestamp: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: -1, max: 2_000_000_000_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(2 ** 63, -(2 ** 63), Number.MAX_SAFE_INTEGER) },
  ),
  sizeBytes: fc.nat(1_000_000_000),
});

const part = fc
  .record({
    partition: fc.nat(4_000_000),
    logStartOffset: fc.oneof(fc.nat(100), fc.constant(2 ** 50)),
    ranges: fc.array(range, { minLength: 1, maxLength: 20 }),
    prefix: fc.constantFrom('', 'shop', 'shop.orders'),
    isCompacted: fc.boolean(),
  })
  .map(({ ranges, ...facts }) => ({ ...facts, ranges: ranges.map((one) => ({ ...one })) }))
  .map((facts) => ({ ...facts, sizeBytes: facts.ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }));

test('parts come out as they went in', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      const plan = new PackedPlan(parts);
      assert.equal(plan.isEmpty, parts.length === 0);
      assert.equal(
        plan.sizeBytes,
        parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      );
      for (let time = 0; time < 2; time++) assert.deepEqual([...plan], parts);
    }),
  );
});
