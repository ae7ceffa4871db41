/**
 * Proves: the header accessors read what is where the table says, stamping changes only what it may, and each rule of
 * `validateBatch` refuses with its code and says why. What is inside the records is not looked at here.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { crc32c } from '../base/crc32c.ts';
import type { ErrorCode } from '../base/errors.ts';
import { encodeBatch } from './batch-builder.ts';
import * as batch from './record-batch.ts';

const LIMIT = batch.DEFAULT_MAX_BATCH_BYTES;

/** Written with DataView and bigint, apart from the code under test. */
function header(
  fields: Partial<Record<keyof typeof DEFAULTS, number | bigint>> = {},
  records: Uint8Array = ONE_RECORD,
): Uint8Array {
  const all = { ...DEFAULTS, batchLength: 49 + records.length, ...fields };
  const bytes = new Uint8Array(61 + records.length);
  bytes.set(records, 61);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(all.baseOffset));
  view.setInt32(8, Number(all.batchLength));
  view.setInt32(12, Number(all.leaderEpoch));
  view.setInt8(16, Number(all.magic));
  view.setInt16(21, Number(all.attributes));
  view.setInt32(23, Number(all.lastOffsetDelta));
  view.setBigInt64(27, BigInt(all.baseTimestamp));
  view.setBigInt64(35, BigInt(all.maxTimestamp));
  view.setBigInt64(43, BigInt(all.producerId));
  view.setInt16(51, Number(all.producerEpoch));
  view.setInt32(53, Number(all.baseSequence));
  view.setInt32(57, Number(all.recordCount));
  view.setUint32(17, crc32c(bytes.subarray(21)));
  return bytes;
}

const ONE_RECORD = Buffer.from('10000000026b027600', 'hex');
const DEFAULTS = {
  baseOffset: 0n as number | bigint,
  batchLength: 0,
  leaderEpoch: -1,
  magic: 2,
  attributes: 0,
  lastOffsetDelta: 0,
  baseTimestamp: 1_700_000_000_000n as number | bigint,
  maxTimestamp: 1_700_000_000_000n as number | bigint,
  producerId: -1,
  producerEpoch: -1,
  baseSequence: -1,
  recordCount: 1,
};

test('accessors read what DataView wrote, anywhere in a buffer', () => {
  const one = header({
    baseOffset: 2n ** 40n + 7n,
    leaderEpoch: 5,
    attributes: 0b11011,
    lastOffsetDelta: 41,
    maxTimestamp: 1_700_000_000_999n,
    producerId: 2 ** 41,
    producerEpoch: 300,
    baseSequence: 2 ** 31 - 1,
    recordCount: 42,
  });
  const bytes = new Uint8Array(one.length + 13);
  bytes.set(one, 13);
  assert.equal(batch.batchSizeBytes(bytes, 13), one.length);
  assert.equal(batch.baseOffset(bytes, 13), 2 ** 40 + 7);
  assert.equal(batch.lastOffset(bytes, 13), 2 ** 40 + 48);
  assert.equal(batch.leaderEpoch(bytes, 13), 5);
  assert.equal(batch.magic(bytes, 13), 2);
  assert.equal(batch.attributes(bytes, 13), 0b11011);
  assert.equal(batch.codec(bytes, 13), batch.CODEC.lz4);
  assert.equal(batch.timestampType(bytes, 13), 'log-append');
  assert.equal(batch.isTransactional(bytes, 13), true);
  assert.equal(batch.isControl(bytes, 13), false);
  assert.equal(batch.lastOffsetDelta(bytes, 13), 41);
  assert.equal(batch.baseTimestamp(bytes, 13), 1_700_000_000_000);
  assert.equal(batch.maxTimestamp(bytes, 13), 1_700_000_000_999);
  assert.equal(batch.producerId(bytes, 13), 2 ** 41);
  assert.equal(batch.producerEpoch(bytes, 13), 300);
  assert.equal(batch.baseSequence(bytes, 13), 2 ** 31 - 1);
  assert.equal(batch.recordCount(bytes, 13), 42);
  assert.equal(batch.crc(bytes, 13), batch.computeCrc(bytes, 13, one.length));
});

test('stampBatch changes offset and epoch and leaves the checksum valid', () => {
  const before = header();
  const bytes = Uint8Array.from(before);
  batch.stampBatch(bytes, 0, 2 ** 45 + 3, 9);
  assert.equal(batch.baseOffset(bytes, 0), 2 ** 45 + 3);
  assert.equal(batch.leaderEpoch(bytes, 0), 9);
  assert.deepEqual(bytes.subarray(16), before.subarray(16));
  assert.deepEqual(bytes.subarray(8, 12), before.subarray(8, 12));
  assert.equal(batch.validateBatch(bytes, LIMIT), undefined);
});

test('stampLogAppendTime sets type, time and a checksum that fits', () => {
  const bytes = header({ attributes: 0b10000, producerId: 1, producerEpoch: 0, baseSequence: 0 });
  batch.stampLogAppendTime(bytes, 0, 1_800_000_000_123);
  assert.equal(batch.isLogAppendTime(bytes, 0), true);
  assert.equal(batch.isTransactional(bytes, 0), true);
  assert.equal(batch.maxTimestamp(bytes, 0), 1_800_000_000_123);
  assert.equal(batch.baseTimestamp(bytes, 0), 1_700_000_000_000);
  assert.equal(batch.crc(bytes, 0), crc32c(bytes.subarray(21)));
});

test('good batches pass', () => {
  assert.equal(batch.validateBatch(header(), LIMIT), undefined);
  assert.equal(batch.validateBatch(header(), header().length), undefined, 'the limit is inclusive');
  // kafkajs and @platformatic/kafka send epoch and sequence 0 where there is no producer id.
  assert.equal(batch.validateBatch(header({ producerEpoch: 0, baseSequence: 0 }), LIMIT), undefined);
  assert.equal(batch.validateBatch(header({ producerId: 0, producerEpoch: 0, baseSequence: 0 }), LIMIT), undefined);
  assert.equal(batch.validateBatch(header({ baseTimestamp: -1, maxTimestamp: -1 }), LIMIT), undefined, 'no timestamp');
  // A compressed blob may hold more records than its bytes suggest.
  assert.equal(
    batch.validateBatch(header({ attributes: 4, recordCount: 5000, lastOffsetDelta: 4999 }), LIMIT),
    undefined,
  );
  assert.equal(batch.batchError(header(), LIMIT), undefined);
});

const refusals: [string, Uint8Array, ErrorCode, RegExp][] = [
  ['no bytes', new Uint8Array(), 'MODEL_BATCH_CORRUPT', /0 bytes are fewer than the 61/],
  ['half a header', header().subarray(0, 60), 'MODEL_BATCH_CORRUPT', /60 bytes are fewer/],
  ['cut records', header().subarray(0, 65), 'MODEL_BATCH_CORRUPT', /says 70 bytes in all, but 65 arrived/],
  ['two batches', Buffer.concat([header(), header()]), 'MODEL_BATCH_CORRUPT', /one batch per partition/],
  ['negative length', header({ batchLength: -1 }), 'MODEL_BATCH_CORRUPT', /says 11 bytes/],
  ['format 1', header({ magic: 1 }), 'MODEL_BATCH_UNSUPPORTED', /message format 1/],
  ['format 3', header({ magic: 3 }), 'MODEL_BATCH_UNSUPPORTED', /message format 3/],
  ['codec 5', header({ attributes: 5 }), 'MODEL_CODEC_UNSUPPORTED', /codec 5 is unknown/],
  ['codec 7', header({ attributes: 7 }), 'MODEL_CODEC_UNSUPPORTED', /codec 7 is unknown/],
  ['control', header({ attributes: 32 }), 'MODEL_BATCH_INVALID', /control batch/],
  ['delete horizon', header({ attributes: 64 }), 'MODEL_BATCH_INVALID', /delete horizon/],
  ['log append time', header({ attributes: 8 }), 'MODEL_BATCH_INVALID', /log append time/],
  ['no records', header({ recordCount: 0, lastOffsetDelta: -1 }), 'MODEL_BATCH_INVALID', /declares 0 records/],
  ['negative count', header({ recordCount: -5, lastOffsetDelta: -6 }), 'MODEL_BATCH_INVALID', /declares -5 records/],
  [
    'count and delta differ',
    header({ recordCount: 1, lastOffsetDelta: 1 }),
    'MODEL_BATCH_INVALID',
    /last offset delta of 1/,
  ],
  [
    '2^31 - 1 records in 61 bytes',
    header({ recordCount: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 2 }, new Uint8Array()),
    'MODEL_BATCH_INVALID',
    /2147483647 records in 0 bytes/,
  ],
  [
    'two records in nine bytes',
    header({ recordCount: 2, lastOffsetDelta: 1 }),
    'MODEL_BATCH_INVALID',
    /2 records in 9 bytes/,
  ],
  [
    'an empty compressed blob',
    header({ attributes: 1 }, new Uint8Array()),
    'MODEL_BATCH_INVALID',
    /1 records in 0 bytes/,
  ],
  ['endless timestamp', header({ maxTimestamp: 2n ** 63n - 1n }), 'MODEL_BATCH_INVALID', /beyond 2\^53/],
  ['endless base timestamp', header({ baseTimestamp: -(2n ** 63n) }), 'MODEL_BATCH_INVALID', /beyond 2\^53/],
  [
    'producer without sequence',
    header({ producerId: 7, producerEpoch: 0 }),
    'MODEL_BATCH_INVALID',
    /producer id 7, epoch 0, sequence -1/,
  ],
  ['producer without epoch', header({ producerId: 7, baseSequence: 0 }), 'MODEL_BATCH_INVALID', /epoch -1/],
  [
    'producer id -2',
    header({ producerId: -2, producerEpoch: 0, baseSequence: 0 }),
    'MODEL_BATCH_INVALID',
    /producer id -2/,
  ],
  [
    'producer id 2^60',
    header({ producerId: 2 ** 60, producerEpoch: 0, baseSequence: 0 }),
    'MODEL_BATCH_INVALID',
    /producer id NaN/,
  ],
  [
    'transaction without producer',
    header({ attributes: 16 }),
    'MODEL_BATCH_INVALID',
    /transactional batch needs all three/,
  ],
];

for (const [name, bytes, code, message] of refusals) {
  test(`refused: ${name}`, () => {
    assert.equal(batch.validateBatch(bytes, LIMIT), code);
    const error = batch.batchError(bytes, LIMIT);
    assert.equal(error?.code, code);
    assert.match(error.message, message);
  });
}

test('refused: one byte over the limit', () => {
  const bytes = header();
  assert.equal(batch.validateBatch(bytes, bytes.length - 1), 'MODEL_BATCH_TOO_LARGE');
  assert.match(String(batch.batchError(bytes, bytes.length - 1)?.message), /max\.message\.bytes/);
});

test('any flipped bit behind the stamped fields is noticed', () => {
  const good = encodeBatch([{ key: 'k', value: 'some value', timestamp: 1 }]);
  fc.assert(
    fc.property(fc.integer({ min: 16 * 8, max: good.length * 8 - 1 }), (bit) => {
      const bytes = Uint8Array.from(good);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.notEqual(batch.validateBatch(bytes, LIMIT), undefined);
    }),
  );
});

test('any bytes at all: an answer, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(batch.batchError(bytes, LIMIT)?.code, batch.validateBatch(bytes, LIMIT));
    }),
  );
});
