/** The order file: what is written is read back, the golden file is read, and no damaged bit passes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import * as fc from '../../test/kit/properties.ts';
import { writeUint32 } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import {
  decodeOrderHeader,
  ORDER_BLOCK_BYTES,
  ORDER_HEADER_BYTES,
  OrderBuilder,
  type OrderRow,
  orderRows,
} from './order-file.ts';

const GOLDEN = Buffer.from(
  readFileSync(new URL('../../test/golden/order/version-1.hex', import.meta.url), 'utf8').replaceAll(/\s/g, ''),
  'hex',
);

const SMALL: readonly OrderRow[] = [
  { commit: 41, entry: 0, partition: 2, baseOffset: 5, offsetCount: 3, sizeBytes: 210 },
  { commit: 41, entry: 2, partition: 7, baseOffset: 100, offsetCount: 1, sizeBytes: 72 },
  { commit: 43, entry: 0, partition: 2, baseOffset: 8, offsetCount: 1, sizeBytes: 70 },
];

function fileOf(rows: readonly OrderRow[]): Buffer {
  const builder = new OrderBuilder();
  for (const row of rows) builder.add(row);
  return Buffer.concat(builder.finish(3, 40, 45));
}

function read(bytes: Uint8Array): (OrderRow | string)[] {
  return [...orderRows(bytes, 3)].flatMap((rows): readonly (OrderRow | string)[] =>
    typeof rows === 'string' ? [rows] : rows,
  );
}

test('golden bytes are read, and written but for the way they are deflated', () => {
  assert.deepEqual(read(GOLDEN), SMALL);
  assert.deepEqual(decodeOrderHeader(GOLDEN, 3), { file: 3, firstCommit: 40, lastCommit: 45, blockCount: 1 });
  const written = fileOf(SMALL);
  assert.deepEqual(written.subarray(0, ORDER_HEADER_BYTES), GOLDEN.subarray(0, ORDER_HEADER_BYTES));
});

test('rows come back as they were, however many', () => {
  const row = fc.record({
    step: fc.nat(3),
    entry: fc.nat(20_000),
    partition: fc.nat(4_000_000),
    baseOffset: fc.maxSafeNat(),
    offsetCount: fc.integer({ min: 1, max: 2 ** 31 }),
    sizeBytes: fc.integer({ min: 61, max: 2 ** 30 }),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 60 }), fc.constantFrom(1, 100), (some, times) => {
      let commit = 40;
      const rows = Array.from({ length: times }, () => some)
        .flat()
        .map(({ step, ...rest }) => {
          commit += step;
          return { ...rest, commit };
        });
      assert.deepEqual(read(fileOf(rows)), rows);
    }),
    { numRuns: 50 },
  );
});

test('no flipped bit and no cut passes', () => {
  for (let bit = 0; bit < GOLDEN.length * 8; bit++) {
    const damaged = Buffer.from(GOLDEN);
    (damaged as Uint8Array)[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.equal(typeof read(damaged)[0], 'string', `bit ${bit}`);
  }
  for (let length = 0; length < GOLDEN.length; length++) {
    assert.equal(typeof read(GOLDEN.subarray(0, length))[0], 'string', `the first ${length} bytes`);
  }
  assert.deepEqual([...orderRows(GOLDEN, 4)], ['it belongs to journal file 3']);
});

test('a block that inflates to more than it may is refused', () => {
  const bomb = deflateRawSync(Buffer.alloc(4 * 1024 * 1024));
  const head = Buffer.from(GOLDEN.subarray(ORDER_HEADER_BYTES, ORDER_HEADER_BYTES + ORDER_BLOCK_BYTES));
  writeUint32(head, 0, bomb.length);
  writeUint32(head, 20, crc32c(bomb, crc32c(head.subarray(0, 20))));
  const file = Buffer.concat([GOLDEN.subarray(0, ORDER_HEADER_BYTES), head, bomb]);
  assert.deepEqual(read(file), ['a block has another number of rows than it says']);
});
