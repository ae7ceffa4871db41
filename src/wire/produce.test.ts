/**
 * Proves that the hand-written Produce path reads and writes, in every version it serves, exactly what the table in
 * messages/produce.ts says; and that cut or changed requests are refused with a WIRE_ code and nothing else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { produce, writeResponse } from './index.ts';
import { PRODUCE_BY_ID_VERSION, ProduceCursor, type ProduceOutcome, writeProduceResponse } from './produce.ts';
import { Writer } from './writer.ts';

const VERSIONS = Array.from({ length: 11 }, (_, i) => i + 3);

const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));

const arbitraryRequest = fc.record({
  transactionalId: fc.option(fc.string({ maxLength: 10 })),
  acks: fc.constantFrom(-1, 0, 1, 7),
  timeoutMs: fc.nat(100_000),
  topicData: fc.array(
    fc.record({
      name: fc.string({ maxLength: 200 }),
      topicId: uuid,
      partitionData: fc.array(
        fc.record({ index: fc.integer(), records: fc.option(fc.uint8Array({ maxLength: 200 })) }),
        { maxLength: 4 },
      ),
    }),
    { maxLength: 4 },
  ),
});

/** What a cursor shows of a request, in the shape of the table. */
function walk(bytes: Buffer, version: number) {
  const cursor = new ProduceCursor();
  cursor.reset(bytes, 0, bytes.length, version);
  const topics: { name: string; partitionData: { index: number; records: Buffer | null }[] }[] = [];
  while (cursor.next()) {
    const name = bytes.toString(version < PRODUCE_BY_ID_VERSION ? 'utf8' : 'hex', cursor.nameStart, cursor.nameEnd);
    if (cursor.startsTopic) topics.push({ name, partitionData: [] });
    const { recordsStart, recordsEnd } = cursor;
    const records = recordsStart < 0 ? null : Buffer.from(bytes.subarray(recordsStart, recordsEnd));
    topics.at(-1)?.partitionData.push({ index: cursor.partition, records });
  }
  return { transactional: cursor.transactional, acks: cursor.acks, timeoutMs: cursor.timeoutMs, topics };
}

function encode(version: number, request: Parameters<typeof produce.request.write>[2]): Buffer {
  const writer = new Writer();
  produce.request.write(writer, version, request);
  return Buffer.from(writer.written());
}

test('requests of every version read as the table writes them', () => {
  fc.assert(
    fc.property(fc.constantFrom(...VERSIONS), arbitraryRequest, (version, request) => {
      const seen = walk(encode(version, request), version);
      assert.equal(seen.transactional, request.transactionalId !== null);
      assert.deepEqual([seen.acks, seen.timeoutMs], [request.acks, request.timeoutMs]);
      const expected = request.topicData
        .filter(({ partitionData }) => partitionData.length > 0)
        .map(({ name, topicId, partitionData }) => ({
          name: version < PRODUCE_BY_ID_VERSION ? name : topicId,
          partitionData: partitionData.map(({ index, records }) => ({
            index,
            records: records === null ? null : Buffer.from(records),
          })),
        }));
      assert.deepEqual(seen.topics, expected);
    }),
  );
});

test('cut or changed requests are refused, never anything else', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...VERSIONS),
      arbitraryRequest,
      fc.nat(),
      fc.nat(255),
      (version, request, place, value) => {
        const bytes = encode(version, request);
        const changed = Buffer.from(bytes);
        changed[place % bytes.length] = value;
        for (const hostile of [bytes.subarray(0, place % bytes.length), changed]) {
          try {
            walk(hostile, version);
          } catch (error) {
            assert.ok(error instanceof MillraceError, String(error));
            assert.match(error.code, /^WIRE_(TRUNCATED|MALFORMED)$/);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('a count beyond the bytes left is refused before it is used', () => {
  const bytes = encode(7, { acks: 1, timeoutMs: 1, topicData: [] });
  bytes.writeInt32BE(0x7fff_ffff, bytes.length - 4);
  assert.throws(() => walk(bytes, 7), { code: 'WIRE_TRUNCATED' });
});

const arbitraryOutcomes = fc.array(
  fc.record({
    name: fc.string({ maxLength: 200 }),
    topicId: uuid,
    partitions: fc.array(
      fc.record({
        partitionIndex: fc.integer(),
        errorCode: fc.integer({ min: -1, max: 133 }),
        errorMessage: fc.option(fc.string({ maxLength: 20 })),
        faultyRecords: fc.option(fc.array(fc.nat(), { maxLength: 3 }), { nil: undefined }),
        baseOffset: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
        logAppendTimeMs: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
        logStartOffset: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  { maxLength: 4 },
);

test('responses of every version are written as the table writes them', () => {
  fc.assert(
    fc.property(fc.constantFrom(...VERSIONS), fc.integer(), arbitraryOutcomes, (version, correlationId, topics) => {
      const outcomes = topics.flatMap(({ name, topicId, partitions }) => {
        const topicName = version < PRODUCE_BY_ID_VERSION ? Buffer.from(name) : Buffer.from(topicId, 'hex');
        return partitions.map((partition, i): ProduceOutcome => ({ ...partition, startsTopic: i === 0, topicName }));
      });
      const [ours, table] = [new Writer(), new Writer()];
      ours.raw(Buffer.from('before'));
      writeProduceResponse(ours, version, correlationId, outcomes);
      const responses = topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitionResponses: partitions.map(({ partitionIndex, faultyRecords = [], ...rest }) => ({
          index: partitionIndex,
          recordErrors: faultyRecords.map((batchIndex) => ({ batchIndex })),
          ...rest,
        })),
      }));
      writeResponse(table, produce, version, correlationId, { responses });
      assert.deepEqual(ours.written(6), table.written());
    }),
  );
});

test('the worked example', () => {
  const writer = new Writer();
  writeProduceResponse(writer, 7, 1, [
    {
      startsTopic: true,
      topicName: Buffer.from('t'),
      partitionIndex: 0,
      errorCode: 0,
      errorMessage: null,
      faultyRecords: undefined,
      baseOffset: 5,
      logAppendTimeMs: -1,
      logStartOffset: 0,
    },
  ]);
  assert.equal(
    writer.written().toString('hex'),
    '000000310000000100000001000174000000010000000000000000000000000005ffffffffffffffff000000000000000000000000',
  );
});
