/**
 * Proves: batches of kafkajs, @platformatic/kafka and librdkafka decode to the records that went in, ours decode with their
 * decoders, any records round trip in any codec, and hostile batches give a MillraceError without memory to match.
 * It cannot prove anything about Java's encoder, of which no bytes were at hand.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { compressionsAlgorithms, createRecordsBatch, Reader, readRecordsBatch } from '@platformatic/kafka';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { BatchBuilder, encodeBatch, encodeValueBatch } from './batch-builder.ts';
import type { RecordInput, StoredRecord } from './record.ts';
import * as batch from './record-batch.ts';
import { findRecordFault, openRecords, RecordCursor, readRecords } from './record-codec.ts';

const CODECS = Object.keys(batch.CODEC) as batch.CodecName[];
const GOLDEN = new URL('../../test/golden/batches/', import.meta.url);
const LIMIT = batch.DEFAULT_MAX_BATCH_BYTES;
const T0 = 1_700_000_000_000;

const utf8 = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());

/** A record as strings, which assert prints readably. */
function shown(record: StoredRecord): unknown {
  const headers = record.headers.map(({ key, value }) => [key, utf8(value)]);
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    key: utf8(record.key),
    value: utf8(record.value),
    headers,
  };
}

const samples: RecordInput[] = [
  { key: 'k1', value: 'value one', timestamp: T0 },
  { key: null, value: 'no key', timestamp: T0 + 5 },
  { key: 'tombstone', value: null, timestamp: T0 - 90_000 },
  { key: '', value: '', timestamp: T0 + 1 },
  { key: 'ключ', value: 'x'.repeat(70_000), timestamp: T0 + 86_400_000 },
  {
    key: 'h',
    value: 'headers',
    headers: [
      { key: 'trace', value: 'abc' },
      { key: 'ünïcode', value: '' },
    ],
    timestamp: T0,
  },
];

const samplesShown = samples.map((record, offset) => ({
  offset,
  timestamp: record.timestamp,
  key: record.key,
  value: record.value,
  headers: (record.headers ?? []).map(({ key, value }) => [key, value]),
}));

// ---- other implementations

interface KafkajsBatch {
  readonly records: readonly {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: Readonly<Record<string, Buffer>>;
  }[];
}
interface Encoded {
  readonly buffer: Buffer;
}
interface KafkajsCodec {
  compress(encoder: Encoded): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

const load = createRequire(import.meta.url);
const kafkajs = {
  codecs: (load('kafkajs') as { CompressionCodecs: Record<number, () => KafkajsCodec> }).CompressionCodecs,
  batch: (load('kafkajs/src/protocol/recordBatch/v0') as { RecordBatch: (fields: object) => Promise<Encoded> })
    .RecordBatch,
  record: load('kafkajs/src/protocol/recordBatch/record/v0') as (fields: object) => object,
  decode: load('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: object) => Promise<KafkajsBatch>,
  Decoder: load('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object,
};
for (const name of ['snappy', 'lz4', 'zstd'] as const) {
  const codec = compressionsAlgorithms[name];
  kafkajs.codecs[batch.CODEC[name]] = () => ({
    compress: (encoder) => Promise.resolve(codec.compressSync(encoder.buffer)),
    decompress: (buffer) => Promise.resolve(codec.decompressSync(buffer)),
  });
}

/** Both clients cannot write a header value null; kafkajs no null value with headers. */
async function kafkajsBatch(codec: batch.CodecName): Promise<Uint8Array> {
  const records = samples.map((sample, i) => {
    const headers = Object.fromEntries((sample.headers ?? []).map(({ key, value }) => [key, value]));
    const { key, value } = sample;
    return kafkajs.record({ offsetDelta: i, timestampDelta: sample.timestamp - T0, key, value, headers });
  });
  const fields = { compression: batch.CODEC[codec], firstTimestamp: T0, maxTimestamp: T0, lastOffsetDelta: 5, records };
  return (await kafkajs.batch(fields)).buffer;
}

function bufferOf(text: RecordInput['key']): Buffer | undefined {
  return text === null || text === undefined ? undefined : Buffer.from(text);
}

function platformaticBatch(codec: batch.CodecName): Uint8Array {
  const messages = samples.map((sample) => ({
    topic: 't',
    partition: 0,
    key: bufferOf(sample.key) as Buffer,
    value: bufferOf(sample.value) as Buffer,
    timestamp: BigInt(sample.timestamp),
    headers: new Map((sample.headers ?? []).map(({ key, value }) => [Buffer.from(key), bufferOf(value) as Buffer])),
  }));
  const options = { compression: codec, producerId: -1n, producerEpoch: 0, partitionLeaderEpoch: 0 };
  return createRecordsBatch(messages, options).dynamicBuffer.buffer;
}

for (const codec of CODECS) {
  test(`${codec}: batches of kafkajs and @platformatic/kafka are valid and decode to what went in`, async () => {
    for (const bytes of [await kafkajsBatch(codec), platformaticBatch(codec)]) {
      assert.equal(batch.batchError(bytes, LIMIT), undefined);
      assert.equal(batch.codec(bytes, 0), batch.CODEC[codec]);
      assert.deepEqual([...readRecords(bytes)].map(shown), samplesShown);
      assert.equal(findRecordFault(bytes, openRecords(bytes, 0), false), undefined);
      assert.match(String(findRecordFault(bytes, openRecords(bytes, 0), true)?.message), /Record 1 .* has no key/);
    }
  });

  test(`${codec}: both decode ours`, async () => {
    const bytes = Buffer.from(encodeBatch(samples, { codec }));
    const theirs = await kafkajs.decode(new kafkajs.Decoder(bytes));
    const fromKafkajs = theirs.records.map(({ offset, timestamp, key, value, headers }) => ({
      offset: Number(offset),
      timestamp: Number(timestamp),
      key: utf8(key),
      value: utf8(value),
      headers: Object.entries(headers).map(([name, header]) => [name, utf8(header)]),
    }));
    assert.deepEqual(fromKafkajs, samplesShown);
    const read = readRecordsBatch(Reader.from(bytes));
    const fromPlatformatic = read.records.map((record) => ({
      offset: Number(read.firstOffset) + record.offsetDelta,
      timestamp: Number(read.firstTimestamp + record.timestampDelta),
      key: utf8(record.key),
      value: utf8(record.value),
      headers: record.headers.map(([name, header]) => [utf8(name), utf8(header)]),
    }));
    assert.deepEqual(fromPlatformatic, samplesShown);
  });

  test(`${codec}: a batch of librdkafka`, () => {
    const bytes = readFileSync(new URL(`librdkafka-2.0.2-${codec}.batch`, GOLDEN));
    assert.equal(batch.batchError(bytes, LIMIT), undefined);
    assert.equal(batch.codec(bytes, 0), batch.CODEC[codec]);
    const records = [...readRecords(bytes)].map(shown) as { timestamp: number }[];
    assert.equal(records.length, 200);
    for (const [i, record] of records.entries()) {
      assert.deepEqual(record, {
        offset: i,
        timestamp: record.timestamp,
        key: `key-${i % 7}`,
        value: `value ${i} ${'x'.repeat(i % 50)}`,
        headers: [
          ['source', 'kcat'],
          ['empty', ''],
        ],
      });
      assert.ok(record.timestamp >= batch.baseTimestamp(bytes, 0) && record.timestamp <= batch.maxTimestamp(bytes, 0));
    }
  });
}

test('a batch of an idempotent librdkafka producer', () => {
  const bytes = readFileSync(new URL('librdkafka-2.0.2-idempotent.batch', GOLDEN));
  assert.equal(batch.batchError(bytes, LIMIT), undefined);
  const fields = [batch.producerId(bytes, 0), batch.producerEpoch(bytes, 0), batch.baseSequence(bytes, 0)];
  assert.deepEqual(fields, [4711, 3, 0]);
  assert.deepEqual(
    [...readRecords(bytes)].map((record) => utf8(record.value)),
    ['one', 'two'],
  );
});

// ---- our own

const field = fc.option(fc.uint8Array({ maxLength: 80 }));
const plain = { noNullPrototype: true };
const anyHeader = fc.record({ key: fc.string({ maxLength: 10, unit: 'grapheme' }), value: field }, plain);
const anyRecord: fc.Arbitrary<RecordInput> = fc.record(
  {
    key: field,
    value: field,
    headers: fc.array(anyHeader, { maxLength: 4 }),
    timestamp: fc.oneof(fc.integer({ min: -1, max: 2 ** 42 }), fc.integer({ min: T0, max: T0 + 1000 })),
  },
  plain,
);

test('any records round trip in any codec, with offsets and producer fields', () => {
  const records = fc.array(anyRecord, { minLength: 1, maxLength: 40 });
  const producer = fc.option(
    fc.record({
      producerId: fc.maxSafeNat(),
      producerEpoch: fc.nat(32_767),
      baseSequence: fc.nat(2 ** 31 - 1),
      transactional: fc.boolean(),
    }),
    { nil: undefined },
  );
  fc.assert(
    fc.property(records, fc.constantFrom(...CODECS), producer, fc.maxSafeNat(), (input, codec, fields, offset) => {
      const base = Math.max(0, offset - 100);
      const bytes = encodeBatch(input, fields === undefined ? { codec } : { codec, producer: fields });
      assert.equal(batch.batchError(bytes, LIMIT), undefined);
      batch.stampBatch(bytes, 0, base, 7);
      assert.equal(batch.maxTimestamp(bytes, 0), Math.max(...input.map((record) => record.timestamp)));
      assert.equal(batch.producerId(bytes, 0), fields?.producerId ?? -1);
      assert.equal(batch.isTransactional(bytes, 0), fields?.transactional ?? false);
      const output = [...readRecords(bytes)].map(({ key, value, headers, timestamp }) => ({
        key: key && Uint8Array.from(key),
        value: value && Uint8Array.from(value),
        headers: headers.map((header) => ({ key: header.key, value: header.value && Uint8Array.from(header.value) })),
        timestamp,
      }));
      assert.deepEqual(output, input);
      assert.deepEqual(
        [...readRecords(bytes)].map((record) => record.offset),
        input.map((_, i) => base + i),
      );
    }),
  );
});

test('the documented example', () => {
  const bytes = encodeBatch([{ key: 'k', value: 'v', timestamp: T0 }]);
  assert.equal(Buffer.from(bytes.subarray(61)).toString('hex'), '10000000026b027600');
});

test('with log append time every record has the time of the batch', () => {
  const bytes = encodeBatch(samples, { codec: 'zstd' });
  batch.stampLogAppendTime(bytes, 0, T0 + 42);
  assert.deepEqual(new Set([...readRecords(bytes)].map((record) => record.timestamp)), new Set([T0 + 42]));
});

test('the cursor reads records in the middle of a buffer and makes views, not copies', () => {
  const one = encodeBatch([
    { key: 'a', value: 'b', timestamp: 1 },
    { value: 'c', timestamp: 2 },
  ]);
  const bytes = Buffer.concat([Buffer.alloc(9, 0xee), one, Buffer.alloc(4, 0xee)]);
  const cursor = new RecordCursor(bytes, 9, openRecords(bytes, 9));
  assert.deepEqual([cursor.index, cursor.recordCount], [-1, 2]);
  assert.equal(cursor.next(), true);
  assert.equal(cursor.value?.buffer, bytes.buffer);
  assert.deepEqual([cursor.hasKey, cursor.hasValue, cursor.headerCount, cursor.headers], [true, true, 0, []]);
  assert.equal(cursor.next(), true);
  assert.deepEqual([cursor.hasKey, cursor.key, cursor.offset, cursor.timestamp], [false, null, 1, 2]);
  assert.equal(cursor.next(), false);
  assert.equal(cursor.next(), false);
});

test('text is text only where the bytes are UTF-8, U+FFFD itself included', () => {
  const wrong = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x61, 0xc0, 0xaf]].map((bytes) => Uint8Array.from(bytes));
  const right = ['', 'a', '\u00e9\ufffd', '\ud83d\ude00', '\ufeffa'];
  const records = [...wrong, ...right].flatMap((value) => [
    { value, timestamp: 0 },
    { value: null, timestamp: 0 },
  ]);
  const bytes = encodeBatch(records);
  const cursor = new RecordCursor(bytes, 0, openRecords(bytes, 0));
  const found: (string | null | undefined)[] = [];
  while (cursor.next()) found.push(cursor.valueText);
  const texts = [...wrong.map(() => undefined), ...right];
  assert.deepEqual(
    found,
    texts.flatMap((text) => [text, null]),
  );
});

test('compaction leaves gaps: offsets follow the deltas', () => {
  const good = Buffer.from('0e000000010261000e000008010262000e00000c01026300', 'hex');
  const compacted = rebuilt(good, { count: 3, lastOffsetDelta: 9 });
  batch.stampBatch(compacted, 0, 100, 0);
  assert.deepEqual(
    [...readRecords(compacted)].map((record) => record.offset),
    [100, 104, 106],
  );
  assert.equal(findRecordFault(compacted, good, false), undefined, 'the header says so');
  const dense = rebuilt(good, { count: 3, lastOffsetDelta: 2 });
  assert.match(String(findRecordFault(dense, good, false)?.message), /offset delta 4/);
});

// ---- the builder

test('the builder says no when full, goes on after build, and refuses what fits no batch', () => {
  const builder = new BatchBuilder({ maxBytes: 300 });
  const record = { value: 'x'.repeat(100), timestamp: 1 };
  assert.deepEqual([builder.add(record), builder.add(record), builder.add(record)], [true, true, false]);
  assert.equal(builder.recordCount, 2);
  const size = builder.sizeBytes;
  const first = builder.build();
  assert.equal(first.length, size);
  assert.deepEqual([builder.recordCount, builder.add(record)], [0, true]);
  assert.equal([...readRecords(first)].length, 2, 'a built batch is not touched by what follows');
  builder.reset();
  assert.throws(() => builder.add({ value: 'x'.repeat(300), timestamp: 1 }), {
    code: 'MODEL_BATCH_TOO_LARGE',
    message: /max\.message\.bytes/,
  });
  assert.throws(() => builder.build(), TypeError);
  assert.throws(() => encodeBatch([record, record, record], { maxBytes: 300 }), {
    code: 'MODEL_BATCH_TOO_LARGE',
    message: /2 of them did/,
  });
});

test('timestamps that are no milliseconds are refused', () => {
  for (const timestamp of [Number.NaN, 1.5, 2 ** 53, Number.POSITIVE_INFINITY]) {
    assert.throws(() => encodeBatch([{ timestamp }]), { code: 'MODEL_RECORD_INVALID' });
  }
  const far = [{ timestamp: Number.MIN_SAFE_INTEGER }, { timestamp: Number.MAX_SAFE_INTEGER }];
  assert.throws(() => encodeBatch(far), { code: 'MODEL_RECORD_INVALID', message: /too far apart/ });
});

test('strings with lone surrogates take the room that was counted', () => {
  const [record] = [...readRecords(encodeBatch([{ key: '\ud800', value: 'a\udc00b', timestamp: 0 }]))];
  assert.deepEqual([utf8(record?.key ?? null), utf8(record?.value ?? null)], ['\ufffd', 'a\ufffdb']);
});

// ---- hostile

/** A batch around the given record bytes, with a checksum that fits. */
function rebuilt(
  records: Uint8Array,
  fields: { count?: number; lastOffsetDelta?: number; attributes?: number } = {},
): Buffer {
  const bytes = Buffer.concat([encodeBatch([{ timestamp: T0 }]).subarray(0, 61), records]);
  const count = fields.count ?? 1;
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt16BE(fields.attributes ?? 0, 21);
  bytes.writeInt32BE(fields.lastOffsetDelta ?? count - 1, 23);
  bytes.writeInt32BE(count, 57);
  bytes.writeUInt32BE(batch.computeCrc(bytes, 0, bytes.length), 17);
  return bytes;
}

function failure(bytes: Uint8Array): MillraceError {
  try {
    for (const record of readRecords(bytes)) shown(record);
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'the batch was read' });
}

const hostile: [string, string, RegExp, { count?: number; lastOffsetDelta?: number }?][] = [
  ['2^31 - 1 records in no bytes', '', /2147483647 records in 0 bytes/, { count: 2 ** 31 - 1 }],
  ['a negative record count', '0c000000010100', /-3 records/, { count: -3 }],
  ['no record length', '80808080808080', /a length of NaN/],
  ['a negative record length', '01000000010100', /a length of -1/],
  ['a record longer than the batch', '7e000000010100', /a length of 63/],
  ['a record too short to be one', '0a0000000101ff', /a length of 5/],
  ['2^31 - 1 headers', '14000000 0101 feffffff0f', /a header count of 2147483647/],
  ['a negative header count', '0c000000010103', /a header count of -2/],
  ['more headers than bytes', '0c000000010102', /a header count of 1/],
  ['a header key that is null', '10000000 0101 02 01 01', /a header key length of -1/],
  ['a header value beyond the record', '10000000 0101 02 00 7e', /a header value length of 63/],
  ['a key beyond the record', '0c0000007e0100', /a key length of 63/],
  ['a negative key length', '0c000000030100', /a key length of -2/],
  ['a value beyond the record', '0c000000017e00', /a value length of 63/],
  ['bytes behind the headers', '0e000000010100ff', /1 bytes behind its headers/],
  ['bytes behind the last record', '0c000000010100ff', /1 bytes follow the last record/],
  ['fewer records than declared', '0c000000010100 7c0000000101ff', /Record 1 .* a length of 62/, { count: 2 }],
  ['offsets that stand still', '0c000000010100 0c000000010100', /offset delta 0 after 0/, { count: 2 }],
  ['an offset beyond the batch', '0c000004010100', /offset delta 2 after -1 with a last of 0/],
  ['a negative offset', '0c000001010100', /offset delta -1/],
  ['a timestamp of 2^63', '1e00 feffffffffffffffff01 00010100', /timestamp/],
];

for (const [name, hex, message, fields] of hostile) {
  test(`hostile: ${name}`, () => {
    const error = failure(rebuilt(Buffer.from(hex.replaceAll(' ', ''), 'hex'), fields));
    assert.equal(error.code, 'MODEL_RECORD_INVALID');
    assert.match(error.message, message);
  });
}

test('records cut at every byte, in every codec: only MillraceError', () => {
  const small = samples.filter((record) => record.value !== samples[4]?.value);
  for (const codec of CODECS) {
    const whole = encodeBatch(small, { codec });
    for (let end = 61; end < whole.length; end++) {
      failure(rebuilt(whole.subarray(61, end), { count: small.length, attributes: batch.CODEC[codec] }));
    }
  }
});

test('any bytes as records, any count: records within bounds or a MillraceError', () => {
  const bytes = fc.uint8Array({ maxLength: 120 });
  const nearly = fc.tuple(fc.nat(200), fc.nat(255)).map(([at, byte]) => {
    const records = Uint8Array.from(encodeBatch(samples.slice(0, 4)).subarray(61));
    records[at % records.length] = byte;
    return records;
  });
  fc.assert(
    fc.property(fc.oneof(bytes, nearly), fc.integer({ min: -1, max: 20 }), fc.nat(7), (records, count, codec) => {
      try {
        const found = [...readRecords(rebuilt(records, { count, attributes: codec }), 0, 10_000)];
        assert.equal(found.length, count);
      } catch (error) {
        assert.ok(error instanceof MillraceError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a compressed blob with 2^31 - 1 records passes the header check and takes no memory', () => {
  const packed = encodeBatch(samples.slice(0, 1), { codec: 'gzip' }).subarray(61);
  const bytes = rebuilt(packed, { count: 2 ** 31 - 1, attributes: batch.CODEC.gzip });
  assert.equal(batch.validateBatch(bytes, LIMIT), undefined);
  const before = process.memoryUsage().arrayBuffers;
  assert.match(failure(bytes).message, /2147483647 records/);
  assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
});

test('a batch of one value is what a builder makes of it', () => {
  for (const size of [0, 1, 63, 64, 127, 128, 8_191, 8_192, 1_000_000]) {
    const value = Buffer.alloc(size, 7);
    const expected = encodeBatch([{ value, timestamp: 1_700_000_000_123 }]);
    assert.deepEqual(Buffer.from(encodeValueBatch(value, 1_700_000_000_123)), Buffer.from(expected), `${size} bytes`);
  }
});
