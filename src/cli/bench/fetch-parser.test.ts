// Proves: a Fetch answer is read the same however it is cut, batches end only when their last byte came, a cut last
// batch is left out, and damaged answers end in a MillraceError and nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { MillraceError } from '../../base/errors.ts';
import { encodeBatch } from './batch.ts';
import { FetchParser } from './fetch-parser.ts';

interface AnswerPartition {
  readonly index: number;
  readonly aborted: number;
  readonly batches: readonly Buffer[];
  /** Bytes of a further batch that the fetch limit cut. */
  readonly cutBytes: number;
}
interface AnswerTopic {
  readonly name: string;
  readonly partitions: readonly AnswerPartition[];
}

function int(size: 2 | 4, value: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeIntBE(value, 0, size);
  return bytes;
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function encodeAnswer(topics: readonly AnswerTopic[]): Buffer {
  const parts = [int(4, 0), int(4, 0), int(2, 0), int(4, 0), int(4, topics.length)];
  for (const { name, partitions } of topics) {
    parts.push(int(2, name.length), Buffer.from(name), int(4, partitions.length));
    for (const { index, aborted, batches, cutBytes } of partitions) {
      const records = Buffer.concat([...batches, (batches[0] ?? Buffer.alloc(0)).subarray(0, cutBytes)]);
      parts.push(int(4, index), int(2, 0), long(99), long(99), long(0), int(4, aborted));
      parts.push(Buffer.alloc(16 * Math.max(0, aborted)), int(4, -1), int(4, records.length), records);
    }
  }
  const body = Buffer.concat(parts);
  return Buffer.concat([int(4, body.length), body]);
}

function expectedEvents(topics: readonly AnswerTopic[]): string[] {
  const events = topics.flatMap(({ name, partitions }) =>
    partitions.flatMap(({ index, batches }) => [
      `partition ${name} ${index} 99`,
      ...batches.flatMap((batch) => [
        `batch ${batch.readBigInt64BE(0)} ${batch.readInt32BE(57)} ${batch.length} ${batch[61]}`,
        'batch end',
      ]),
    ]),
  );
  return [...events, 'end'];
}

function collect(lookAhead: number): { readonly parser: FetchParser; readonly events: string[] } {
  const events: string[] = [];
  const parser = new FetchParser(lookAhead, {
    onPartition: (topic, partition, highWatermark) => events.push(`partition ${topic} ${partition} ${highWatermark}`),
    onBatch: (base, end, size, bytes, at) =>
      events.push(`batch ${base} ${end - base} ${size} ${lookAhead > 0 ? bytes[at + 61] : '?'}`),
    onBatchEnd: () => events.push('batch end'),
    onEnd: () => events.push('end'),
  });
  return { parser, events };
}

const batch = fc
  .record({ records: fc.integer({ min: 1, max: 5 }), size: fc.integer({ min: 8, max: 300 }), base: fc.nat(2 ** 40) })
  .map(({ records, size, base }) => {
    const bytes = encodeBatch(records, size, 1_700_000_000_000);
    bytes.writeBigInt64BE(BigInt(base));
    return bytes;
  });
const partition = fc.record({
  index: fc.nat(1000),
  aborted: fc.integer({ min: -1, max: 3 }),
  batches: fc.array(batch, { maxLength: 4 }),
  cutBytes: fc.integer({ min: 0, max: 60 }),
});
const topic = fc.record({
  name: fc.stringMatching(/^[a-z]{1,60}$/),
  partitions: fc.array(partition, { maxLength: 3 }),
});
const answer = fc.array(topic, { maxLength: 3 });

test('the same events however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(answer, { minLength: 1, maxLength: 3 }),
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }),
      (answers, cuts) => {
        const stream = Buffer.concat(answers.map(encodeAnswer));
        const { parser, events } = collect(1);
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = Math.min(stream.length - at, cuts[i % cuts.length] as number);
          parser.push(Buffer.concat([stream.subarray(at, at + size), Buffer.alloc(8, 0xee)]), size);
          at += size;
        }
        assert.deepEqual(events, answers.flatMap(expectedEvents));
      },
    ),
  );
});

test('a batch ends with its last byte and the answer with its own, not before', () => {
  const bytes = encodeAnswer([
    { name: 't', partitions: [{ index: 0, aborted: -1, batches: [encodeBatch(3, 100, 0)], cutBytes: 0 }] },
  ]);
  const { parser, events } = collect(0);
  parser.push(bytes, bytes.length - 1);
  assert.deepEqual(events, ['partition t 0 99', `batch 0 3 ${encodeBatch(3, 100, 0).length} ?`]);
  parser.push(bytes.subarray(bytes.length - 1), 1);
  assert.deepEqual(events.slice(2), ['batch end', 'end']);
});

test('an error code ends the run with its name', () => {
  const bytes = encodeAnswer([{ name: 'topic', partitions: [{ index: 7, aborted: -1, batches: [], cutBytes: 0 }] }]);
  bytes.writeInt16BE(1, 4 + 4 + 4 + 2 + 4 + 4 + 2 + 5 + 4 + 4);
  const { parser } = collect(0);
  assert.throws(() => parser.push(bytes, bytes.length), /Fetch for topic, partition 7 with OFFSET_OUT_OF_RANGE \(1\)/);
});

test('damaged answers give a MillraceError or nothing', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(answer, damage, (topics, changes) => {
      const bytes = encodeAnswer(topics);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const { parser } = collect(1);
      try {
        parser.push(bytes, bytes.length);
      } catch (error) {
        assert.ok(error instanceof MillraceError, String(error));
      }
    }),
  );
});
