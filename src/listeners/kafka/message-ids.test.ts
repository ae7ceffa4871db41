/**
 * Repeated messages over the Kafka protocol: pipelined requests keep their order while compressed ones are opened, refusals
 * have their codes and words, and a client that hangs up takes nothing along. Rules: src/broker/message-ids.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { KafkaKit } from '../../../test/kit/kafka-kit.ts';
import { messageBatch, placesOf } from '../../../test/kit/message-batch.ts';
import { batchSizeBytes, computeCrc } from '../../model/record-batch.ts';
import { produce } from '../../wire/index.ts';

const DEADLINE = { timeout: 60_000 };
const CONFIG = { 'dedup.window.ms': '600000' };

function places(bytes: Uint8Array | null): string[] {
  const found: string[] = [];
  const records = bytes ?? new Uint8Array(0);
  for (let at = 0; at < records.length; at += batchSizeBytes(records, at))
    found.push(...placesOf(records.subarray(at)));
  return found.map((place) => place.slice(0, 40));
}

test('requests sent ahead: answers and records in their order, compressed or not', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 't', config: CONFIG });
  const client = await kit.client();
  const large = randomBytes(150_000).toString('base64');
  const producer = { producerId: 77, producerEpoch: 0 };
  const batches = [
    messageBatch([`a=${large}`, 'b=2'], { codec: 'zstd', producer: { ...producer, baseSequence: 0 } }),
    messageBatch(['b=2', 'c=3'], { producer: { ...producer, baseSequence: 2 } }),
    messageBatch(['c=3', 'a=1'], { codec: 'gzip', producer: { ...producer, baseSequence: 4 } }),
    messageBatch(['d=4'], { producer: { ...producer, baseSequence: 6 } }),
  ];
  for (const records of batches) {
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
    client.send(client.encode(produce, 9, { acks: -1, timeoutMs: 1000, topicData }));
  }
  const offsets: (readonly [number, number])[] = [];
  for (const _ of batches) {
    const { responses } = await client.answer(produce, 9);
    const { errorCode = -1, baseOffset = -1 } = responses[0]?.partitionResponses[0] ?? {};
    offsets.push([errorCode, baseOffset]);
  }
  assert.deepEqual(offsets, [
    [0, 0],
    [0, 2],
    [0, 3],
    [0, 4],
  ]);
  const { records } = await client.fetch('t', 0, 0);
  assert.deepEqual(places(records), [`0:${large}`.slice(0, 40), '1:2', '3:3', '4:4']);
});

test('an id that is too long: INVALID_RECORD, in words', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 't', config: CONFIG });
  const client = await kit.client();
  const answer = await client.produce('t', 0, messageBatch([`${'x'.repeat(257)}=1`]));
  assert.equal(answer.errorCode, 87);
  assert.match(String(answer.errorMessage), /message-id is longer than 256 bytes/);
});

test('hostile batches under a right checksum are refused, whatever they claim', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 't', config: CONFIG });
  const client = await kit.client();
  for (let position = 61; position < 90; position++) {
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const batch = messageBatch(['id-1=value', 'id-2=value']);
      batch[position] = value;
      new DataView(batch.buffer).setUint32(17, computeCrc(batch, 0, batch.length));
      const answer = await client.produce('t', 0, batch);
      assert.ok(answer.errorCode === 0 || answer.errorCode === 87, `${position}=${value}: ${answer.errorCode}`);
    }
  }
  const last = await client.produce('t', 0, messageBatch(['another=1']));
  assert.equal(last.errorCode, 0);
});

test('a client that hangs up while its batch is opened: stored once, and the next one finds it', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 't', config: CONFIG });
  const large = randomBytes(150_000).toString('base64');
  const batch = messageBatch([`a=${large}`], { codec: 'zstd' });
  const gone = await kit.client();
  gone.send(
    gone.encode(produce, 9, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: batch }] }],
    }),
  );
  await new Promise((resolve) => setImmediate(resolve));
  gone.destroy();
  const client = await kit.client();
  const answer = await client.produce('t', 0, batch);
  assert.deepEqual([answer.errorCode, answer.baseOffset], [0, 0]);
  const { records } = await client.fetch('t', 0, 0);
  assert.equal(places(records).length, 1);
});
