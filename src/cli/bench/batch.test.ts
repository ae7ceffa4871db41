// Proves: what the generator sends is a batch that Millrace's own validation and record decoder accept, for every shape,
// also after the send time was written into it. Other implementations' view is proved by the client tests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { validateBatch } from '../../model/record-batch.ts';
import { encodeBatch, firstValuePosition, stampBatch } from './batch.ts';

const shape = fc.record({ records: fc.integer({ min: 1, max: 200 }), size: fc.integer({ min: 8, max: 5000 }) });
const MAX_BYTES = 2 ** 30;

test('batches of every shape are valid, and stay so with a new send time', () => {
  fc.assert(
    fc.property(shape, fc.double({ noNaN: true }), ({ records, size }, millis) => {
      const batch = encodeBatch(records, size, 1_700_000_000_000);
      assert.equal(validateBatch(batch, MAX_BYTES), undefined);
      assert.equal(batch.readInt32BE(57), records);
      stampBatch(batch, 0, batch.length, size, millis);
      assert.equal(validateBatch(batch, MAX_BYTES), undefined);
      assert.equal(batch.readDoubleBE(firstValuePosition(size)), millis);
    }),
    { numRuns: 50 },
  );
});

test('records lie one behind the other to the last byte', () => {
  fc.assert(
    fc.property(shape, ({ records, size }) => {
      const batch = encodeBatch(records, size, 0);
      let at = 61;
      for (let delta = 0; delta < records; delta++) {
        const [length, bodyAt] = readVarint(batch, at);
        const [offsetDelta, keyAt] = readVarint(batch, bodyAt + 2);
        const [keyBytes, valueLengthAt] = readVarint(batch, keyAt);
        const [valueBytes, valueAt] = readVarint(batch, valueLengthAt);
        const [headers, end] = readVarint(batch, valueAt + valueBytes);
        assert.deepEqual([offsetDelta, keyBytes, valueBytes, headers], [delta, -1, size, 0]);
        assert.equal(end, bodyAt + length);
        at = end;
      }
      assert.equal(at, batch.length);
    }),
    { numRuns: 50 },
  );
});

function readVarint(bytes: Buffer, position: number): [value: number, next: number] {
  let raw = 0;
  let at = position;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] as number;
    raw |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [(raw >>> 1) ^ -(raw & 1), at];
  }
}
