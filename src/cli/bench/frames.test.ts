// Proves: the requests encoded by hand are what the wire room's tables read in those versions, and answers written by
// those tables are understood by the hand-written checks and the Fetch parser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeResponse } from '../../wire/codec.ts';
import { decodeRequest } from '../../wire/decode-request.ts';
import { fetch } from '../../wire/messages/fetch.ts';
import { produce } from '../../wire/messages/produce.ts';
import { encodeBatch } from './batch.ts';
import { FetchParser } from './fetch-parser.ts';
import { createTopicsFrame, fetchFrame, listOffsetsFrame, metadataFrame, produceFrame } from './frames.ts';
import { checkProduceResponse } from './responses.ts';

/** The body as plain data; the frame's size must be right. */
function decode(frame: Buffer, name: string): Record<string, unknown> {
  assert.equal(frame.readInt32BE(0), frame.length - 4);
  const request = decodeRequest(frame.subarray(4));
  assert.equal(request.name, name);
  assert.equal(request.header.clientId, 'millrace-bench');
  return { ...request.body };
}

function produceAnswer(errorCode: number): Buffer {
  return encodeResponse(produce, 7, 42, {
    responses: [{ name: 'food', partitionResponses: [{ index: 3, errorCode, baseOffset: 7 }] }],
    throttleTimeMs: 0,
  });
}

const TARGETS = [
  { topic: 'a', partition: 0 },
  { topic: 'a', partition: 3 },
  { topic: 'longer', partition: 1 },
];

test('Produce carries the batch byte for byte', () => {
  const batch = encodeBatch(3, 50, 1_700_000_000_000);
  const body = decode(produceFrame(5, { topic: 'food', partition: 2 }, -1, batch), 'Produce');
  assert.equal(body['acks'], -1);
  assert.equal(body['transactionalId'], null);
  const [topic] = body['topicData'] as { name: string; partitionData: { index: number; records: Uint8Array }[] }[];
  assert.equal(topic?.name, 'food');
  assert.equal(topic?.partitionData[0]?.index, 2);
  assert.deepEqual(Buffer.from(topic?.partitionData[0]?.records ?? []), batch);
});

test('Fetch asks for each partition at the offset written into its place', () => {
  const frame = fetchFrame(1, TARGETS, { maxWaitMs: 500, maxBytes: 4096 });
  for (const [i, position] of frame.offsetPositions.entries()) frame.bytes.writeBigInt64BE(BigInt(1000 + i), position);
  const body = decode(frame.bytes, 'Fetch');
  const { maxWaitMs, minBytes, maxBytes, isolationLevel, sessionId, sessionEpoch, forgottenTopicsData } = body;
  const seen = { maxWaitMs, minBytes, maxBytes, isolationLevel, sessionId, sessionEpoch, forgottenTopicsData };
  const asked = { maxWaitMs: 500, minBytes: 1, maxBytes: 4096, isolationLevel: 0, sessionId: 0, sessionEpoch: -1 };
  assert.deepEqual(seen, { ...asked, forgottenTopicsData: [] });
  const topics = body['topics'] as { topic: string; partitions: { partition: number; fetchOffset: number }[] }[];
  const places = topics.flatMap(({ topic, partitions }) => partitions.map((p) => [topic, p.partition, p.fetchOffset]));
  assert.deepEqual(places, [
    ['a', 0, 1000],
    ['a', 3, 1001],
    ['longer', 1, 1002],
  ]);
});

test('ListOffsets, Metadata and CreateTopics ask what they are told', () => {
  const offsets = decode(listOffsetsFrame(1, TARGETS, -2), 'ListOffsets');
  const topics = offsets['topics'] as { name: string; partitions: { partitionIndex: number; timestamp: number }[] }[];
  assert.deepEqual(
    topics.flatMap(({ name, partitions }) => partitions.map((p) => [name, p.partitionIndex, p.timestamp])),
    [
      ['a', 0, -2],
      ['a', 3, -2],
      ['longer', 1, -2],
    ],
  );
  const metadata = decode(metadataFrame(1, ['x', 'y']), 'Metadata');
  assert.deepEqual(
    (metadata['topics'] as { name: string }[]).map(({ name }) => name),
    ['x', 'y'],
  );
  assert.equal(metadata['allowAutoTopicCreation'], false);
  const created = decode(createTopicsFrame(1, ['x'], 6), 'CreateTopics');
  const [topic] = created['topics'] as { name: string; numPartitions: number; replicationFactor: number }[];
  assert.deepEqual([topic?.name, topic?.numPartitions, topic?.replicationFactor], ['x', 6, 1]);
});

test('a Produce answer gives its correlation id, or its error by name', () => {
  const fine = produceAnswer(0);
  assert.equal(checkProduceResponse(fine, 4, fine.length), 42);
  const refused = produceAnswer(10);
  assert.throws(
    () => checkProduceResponse(refused, 4, refused.length),
    /food, partition 3 with MESSAGE_TOO_LARGE \(10\)/,
  );
});

test('a Fetch answer of the wire room is read to its end', () => {
  const [first, second] = [encodeBatch(2, 30, 0), encodeBatch(4, 30, 0)];
  second.writeBigInt64BE(2n, 0);
  const partition = { errorCode: 0, highWatermark: 6, lastStableOffset: 6, logStartOffset: 0 };
  const bytes = encodeResponse(fetch, 11, 9, {
    throttleTimeMs: 0,
    responses: [
      {
        topic: 'food',
        partitions: [
          { ...partition, partitionIndex: 0, abortedTransactions: null, records: Buffer.concat([first, second]) },
          { ...partition, partitionIndex: 1, abortedTransactions: [], records: Buffer.alloc(0) },
        ],
      },
    ],
  });
  const events: string[] = [];
  const parser = new FetchParser(0, {
    onPartition: (topic, index, highWatermark) => events.push(`${topic} ${index} ${highWatermark}`),
    onBatch: (base, end) => events.push(`${base} to ${end}`),
    onBatchEnd: () => undefined,
    onEnd: () => events.push('end'),
  });
  parser.push(bytes, bytes.length);
  assert.deepEqual(events, ['food 0 6', '0 to 2', '2 to 6', 'food 1 6', 'end']);
});
