/** The index file: golden bytes, every damage noticed, and a builder that does not depend on what is live. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testBatch } from '../../test/kit/log-kit.ts';
import type { BatchRun } from '../journal/journal.ts';
import {
  decodeRow,
  INDEX_HEADER_BYTES,
  INDEX_ROW_BYTES,
  IndexBuilder,
  indexFault,
  indexHeaderFault,
} from './index-file.ts';

function run(partition: number, baseOffset: number, position: number, timestamp: number): BatchRun {
  const bytes = testBatch(10, timestamp).subarray(0, 61);
  return { partition, baseOffset, offsetCount: 1, bytes, file: 3, position, commit: 1, committedAt: 0 };
}

function small(): IndexBuilder {
  const builder = new IndexBuilder(3);
  builder.add(run(7, 100, 128, 1_700_000_000_123), 90);
  builder.add(run(2, 5, 218, 1_700_000_000_000), 90);
  builder.add(run(7, 101, 500, 1_700_000_000_001), 90);
  return builder;
}

/** docs/formats.md, "Index file", worked example. */
const GOLDEN =
  '4d52495801000000000000000000000300000003f35c13d80000000000000000' +
  '000000000000000000000000000000000000000000000000000000009372a83f' +
  '0000000000000005000000da0000005a0000018bcfe56800' +
  '0000000000000064000000800000005a0000018bcfe5687b' +
  '0000000000000065000001f40000005a0000018bcfe56801';

test('golden bytes, sorted by partition, and the ranges that point into them', () => {
  const built = small().build();
  assert.equal(Buffer.from(built.bytes).toString('hex'), GOLDEN);
  assert.deepEqual(
    [...built.ranges],
    [
      {
        partition: 2,
        range: {
          file: 3,
          baseOffset: 5,
          endOffset: 6,
          firstRow: 0,
          rowCount: 1,
          maxTimestamp: 1_700_000_000_000,
          sizeBytes: 90,
        },
      },
      {
        partition: 7,
        range: {
          file: 3,
          baseOffset: 100,
          endOffset: 102,
          firstRow: 1,
          rowCount: 2,
          maxTimestamp: 1_700_000_000_123,
          sizeBytes: 180,
        },
      },
    ],
  );
  const bytes = Buffer.from(GOLDEN, 'hex');
  assert.equal(indexFault(bytes, 3), undefined);
  assert.deepEqual(decodeRow(bytes, INDEX_HEADER_BYTES + 2 * INDEX_ROW_BYTES), {
    baseOffset: 101,
    position: 500,
    sizeBytes: 90,
    maxTimestamp: 1_700_000_000_001,
  });
});

test('a file without batches has an index without rows', () => {
  const { bytes, ranges } = new IndexBuilder(9).build();
  assert.deepEqual([bytes.length, ranges.count, indexFault(bytes, 9)], [64, 0, undefined]);
});

test('every cut and every flipped bit is noticed, and an index of another file', () => {
  const bytes = small().build().bytes;
  for (let length = 0; length < bytes.length; length++)
    assert.ok(indexFault(bytes.subarray(0, length), 3) !== undefined);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    (flipped[bit >> 3] as number) ^= 1 << (bit & 7);
    assert.ok(indexFault(flipped, 3) !== undefined, `bit ${bit}`);
  }
  assert.match(indexFault(bytes, 4) ?? '', /belongs to journal file 3/);
  assert.ok(indexFault(Buffer.concat([bytes, Buffer.alloc(24)]), 3) !== undefined);
  assert.equal(indexHeaderFault(bytes.subarray(0, 64), 3, bytes.length), undefined);
  assert.match(indexHeaderFault(bytes.subarray(0, 64), 3, 100) ?? '', /100 bytes/);
});
