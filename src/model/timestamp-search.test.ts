/** Proves: the search agrees with a plain loop over the records, in any codec, and decides from the header where it can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { writeInt64 } from '../base/bytes.ts';
import { encodeBatch } from './batch-builder.ts';
import { type CodecName, MAX_TIMESTAMP_POSITION, stampBatch, stampLogAppendTime } from './record-batch.ts';
import { openRecords } from './record-codec.ts';
import { findMaxTimestamp, findTimestamp, needsRecords, type TimestampMatch } from './timestamp-search.ts';

const NOTHING = new Uint8Array();

function made(timestamps: number[], codec: CodecName = 'none'): Uint8Array {
  const bytes = encodeBatch(
    timestamps.map((timestamp) => ({ value: 'v', timestamp })),
    { codec },
  );
  stampBatch(bytes, 0, 1000, 0);
  return bytes;
}

test('any timestamps: as a loop would find it', () => {
  const times = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      times,
      fc.integer({ min: -2, max: 52 }),
      fc.constantFrom<CodecName>('none', 'lz4'),
      (all, wanted, codec) => {
        const bytes = made(all, codec);
        const records = openRecords(bytes, 0);
        const expected = (index: number): TimestampMatch | undefined =>
          index < 0 ? undefined : { offset: 1000 + index, timestamp: all[index] as number };
        const first = all.findIndex((timestamp) => timestamp >= wanted);
        assert.deepEqual(findTimestamp(bytes, 0, records, wanted), expected(first));
        assert.deepEqual(findMaxTimestamp(bytes, 0, records), expected(all.indexOf(Math.max(...all))));
        assert.equal(needsRecords(bytes, 0, wanted), first >= 0);
      },
    ),
  );
});

test('with log append time the header decides: nothing is opened', () => {
  const bytes = made([5, 6, 7]);
  stampLogAppendTime(bytes, 0, 90);
  assert.equal(needsRecords(bytes, 0, 80), false);
  assert.deepEqual(findTimestamp(bytes, 0, NOTHING, 80), { offset: 1000, timestamp: 90 });
  assert.deepEqual(findMaxTimestamp(bytes, 0, NOTHING), { offset: 1000, timestamp: 90 });
  assert.equal(findTimestamp(bytes, 0, NOTHING, 91), undefined);
});

test('a header that promises more than the records hold', () => {
  const bytes = made([5, 9, 7]);
  writeInt64(bytes, MAX_TIMESTAMP_POSITION, 100);
  const records = openRecords(bytes, 0);
  assert.equal(findTimestamp(bytes, 0, records, 50), undefined);
  assert.deepEqual(findMaxTimestamp(bytes, 0, records), { offset: 1001, timestamp: 9 });
});
