/** Rows put together and cut, few and many, agree with a plain array. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { cutRows, type PackedRows, withRow } from './packed-rows.ts';

const STRIDE = 7;

test('appends and cuts agree with an array, whatever rows a cut has left behind', () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 12 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), from: fc.nat(50), to: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), count: fc.nat(5) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let rows: PackedRows = [];
      let count = 0;
      let model: number[] = [];
      let next = 0.5;
      for (const one of steps) {
        if (one.kind === 'append') {
          for (let i = 0; i < one.count; i++) {
            const row = Array.from({ length: STRIDE }, () => next++);
            rows = withRow(rows, count * STRIDE, row);
            count += 1;
            model = model.concat(row);
          }
        } else if (one.kind === 'cut') {
          const from = Math.min(one.from, count);
          const to = Math.max(from, Math.min(one.to, count));
          rows = cutRows(rows, from * STRIDE, to * STRIDE);
          model = model.slice(from * STRIDE, to * STRIDE);
          count = to - from;
        } else {
          count = Math.max(0, count - one.count);
          model = model.slice(0, count * STRIDE);
        }
        assert.deepEqual(Array.from(rows).slice(0, count * STRIDE), model);
      }
    }),
  );
});
