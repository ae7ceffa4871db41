/**
 * Proves the connection rules against raw frames: order, pipelining, acks, limits, back pressure, hostile bytes (an error or a
 * closed connection as Kafka does, others unaffected), the advertised address, and a stop that answers what is in flight.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { KafkaKit } from '../../../test/kit/kafka-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { stampBatch } from '../../model/record-batch.ts';
import { apiVersions, createTopics, fetch, findCoordinator, metadata, produce } from '../../wire/index.ts';
import { SERVED_APIS } from './registry.ts';

const DEADLINE = { timeout: 60_000 };

function produceBody(topic: string, records: Uint8Array | null, acks = -1) {
  return { acks, timeoutMs: 1000, topicData: [{ name: topic, partitionData: [{ index: 0, records }] }] };
}

/** A frame with these bytes, at most 255. */
function frameOf(...body: number[]): Buffer {
  return Buffer.from([0, 0, 0, body.length, ...body]);
}

/** Turns the event loop until the condition holds; the test's deadline bounds it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

test('a stream of requests, byte by byte', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'split' });
  const client = await kit.client();
  const batch = batchOf(['one', 'two']);
  const bytes = Buffer.concat([
    client.encode(apiVersions, 3, { clientSoftwareName: 'kit', clientSoftwareVersion: '1' }),
    client.encode(produce, 9, produceBody('split', batch)),
    client.encode(metadata, 12, { topics: [{ name: 'split' }] }),
  ]);
  for (const byte of bytes) {
    client.send(Buffer.from([byte]));
    if (byte % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await client.answer(apiVersions, 3)).errorCode, 0);
  assert.equal((await client.answer(produce, 9)).responses[0]?.partitionResponses[0]?.errorCode, 0);
  assert.equal((await client.answer(metadata, 12)).topics[0]?.errorCode, 0);
  const { records } = await client.fetch('split', 0, 0);
  const expected = Buffer.from(batch);
  stampBatch(expected, 0, 0, 0);
  assert.deepEqual(Buffer.from(records ?? []), expected, 'byte for byte');
});

test('pipelined requests of all kinds are answered in order', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'order' });
  const client = await kit.client();
  const frames: Buffer[] = [];
  for (let i = 0; i < 300; i++) {
    if (i % 50 === 49) frames.push(client.encode(findCoordinator, 2, { key: 'g' }));
    else if (i % 70 === 69) {
      const topics = [{ topic: 'order', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }];
      frames.push(client.encode(fetch, 11, { maxWaitMs: 5, minBytes: 1, topics }));
    } else frames.push(client.encode(produce, 7, produceBody('order', batchOf([`${i}`]), i % 3 === 0 ? 1 : -1)));
  }
  client.send(Buffer.concat(frames));
  for (let i = 1; i <= frames.length; i++) assert.equal((await client.frame()).readInt32BE(0), i);
});

test('offsets of pipelined produces follow their order, large and small frames mixed', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'sizes' });
  const client = await kit.client();
  const sizes = [10, 200_000, 10, 40_000, 700_000, 5, 33_000, 500_000];
  const batches = sizes.map((size) => batchOf(['x'.repeat(size)]));
  client.send(Buffer.concat(batches.map((batch) => client.encode(produce, 8, produceBody('sizes', batch)))));
  for (let i = 0; i < sizes.length; i++) {
    const answer = (await client.answer(produce, 8)).responses[0]?.partitionResponses[0];
    assert.deepEqual([answer?.errorCode, answer?.baseOffset], [0, i]);
  }
  for (let i = 0; i < sizes.length; i++) {
    const { records } = await client.fetch('sizes', 0, i);
    const size = batches[i]?.length ?? 0;
    assert.deepEqual(
      Buffer.from(records ?? []).subarray(12, size),
      Buffer.from(batches[i] ?? [])
        .subarray(12)
        .fill(0, 0, 4),
    );
  }
  await until(() => kit.listener.metrics.fetchedBytes === 0);
  assert.equal(kit.listener.metrics.landingBytes, 0);
});

test('a parked request holds back later ones of its connection and no others', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'parked' });
  const [waiting, other] = [await kit.client(), await kit.client()];
  const topics = [{ topic: 'parked', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }];
  waiting.send(waiting.encode(fetch, 11, { maxWaitMs: 30_000, minBytes: 1, topics }));
  waiting.send(waiting.encode(apiVersions, 0, {}));
  await until(() => kit.broker.fetchPath.counters.parked === 1);
  assert.equal((await other.call(apiVersions, 0, {})).errorCode, 0);
  assert.equal(waiting.waitingFrames, 0);
  assert.equal((await other.produce('parked', 0, batchOf(['now']))).errorCode, 0);
  const [fetched] = [await waiting.answer(fetch, 11)];
  assert.ok((fetched.responses[0]?.partitions[0]?.records?.length ?? 0) > 0);
  assert.equal((await waiting.answer(apiVersions, 0)).errorCode, 0);
});

test('a client that goes away while its fetch is parked leaves nothing behind', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'gone' });
  const client = await kit.client();
  const topics = [{ topic: 'gone', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }];
  client.send(client.encode(fetch, 11, { maxWaitMs: 30_000, minBytes: 1, topics }));
  await until(() => kit.broker.fetchPath.counters.parked === 1);
  client.destroy();
  await until(() => kit.listener.connections() === 0);
  assert.equal(kit.broker.fetchPath.counters.parked, 0);
});

test('acks=0: no answer; an error closes the connection', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'silent' });
  const client = await kit.client();
  for (let i = 0; i < 10; i++) client.send(client.encode(produce, 9, produceBody('silent', batchOf([`${i}`]), 0)));
  const answer = await client.produce('silent', 0, batchOf(['last']));
  assert.equal(answer.baseOffset, 10, 'the first answer is that of the request with acks=-1');
  client.send(client.encode(produce, 9, produceBody('nosuch', batchOf(['x']), 0)));
  await client.ended();
  assert.equal(client.waitingFrames, 0);
  assert.match(kit.reasons.join(), /acks=0 failed/);
});

test('what is wrong with a batch is said per partition, in numbers and in words', DEADLINE, async () => {
  await using kit = await KafkaKit.start({ broker: { maxMessageBytes: 5_000 } });
  await kit.broker.topics.create({ name: 'wrong' });
  const client = await kit.client();
  const good = batchOf(['x']);
  const corrupt = Uint8Array.from(good);
  corrupt[corrupt.length - 1] = 0x55;
  const cases: [Uint8Array, number, RegExp | undefined][] = [
    [corrupt, 2, /checksum/],
    [good.subarray(0, 30), 2, /header/],
    [batchOf(['x'.repeat(6_000)]), 10, /limit is 5000/],
    [new Uint8Array(0), 87, undefined],
    [Uint8Array.from(good).fill(1, 16, 17), 87, /message format 1/],
    [Buffer.concat([good, good]), 2, /one batch per partition/],
  ];
  for (const [batch, errorCode, message] of cases) {
    const answer = await client.produce('wrong', 0, batch);
    assert.deepEqual([answer.errorCode, answer.baseOffset], [errorCode, -1]);
    if (message !== undefined) assert.match(answer.errorMessage ?? '', message);
  }
  assert.equal((await client.produce('wrong', 1, good)).errorCode, 3);
  assert.equal((await client.produce('nosuch', 0, good)).errorCode, 3);
  assert.equal((await client.produce('wrong', 0, good, 2)).errorCode, 21);
  const stranger = { producerId: 77, producerEpoch: 0, baseSequence: 0, transactional: true };
  const transactional = { ...produceBody('wrong', batchOf(['x'], stranger)), transactionalId: 'tx' };
  const refused = await client.call(produce, 9, transactional);
  assert.equal(refused.responses[0]?.partitionResponses[0]?.errorCode, 49);
  const nothing = await client.call(produce, 9, produceBody('wrong', null));
  assert.equal(nothing.responses[0]?.partitionResponses[0]?.errorCode, 87);
  assert.equal((await client.produce('wrong', 0, good)).baseOffset, 0, 'nothing of all that was stored');
});

test('bytes that are no request close the connection, with a reason in the log, and no other', DEADLINE, async () => {
  await using kit = await KafkaKit.start({ settings: { maxFrameBytes: 100_000, maxControlFrameBytes: 50_000 } });
  await kit.broker.topics.create({ name: 'healthy' });
  const healthy = await kit.client();
  const large = Buffer.alloc(60_004);
  large.writeInt32BE(60_000, 0);
  large.writeInt16BE(3, 4);
  large.writeInt16BE(9, 6);
  const cases: [string, Uint8Array, RegExp][] = [
    ['negative size', Buffer.from([0x80, 0, 0, 0]), /negative size/],
    ['oversized', Buffer.from([0x7f, 0xff, 0xff, 0xff]), /at most 100000/],
    ['TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]), /TLS hello/],
    ['HTTP', Buffer.from('POST /topics HTTP/1.1\r\n\r\n'), /HTTP/],
    ['no header', frameOf(), /no header/],
    ['short header', frameOf(0, 18, 0, 0), /no header/],
    ['cut client id', frameOf(0, 18, 0, 0, 0, 0, 0, 1, 0, 9, 65), /WIRE_TRUNCATED|bytes/],
    ['unknown key', frameOf(0, 99, 0, 0, 0, 0, 0, 1, 0, 0), /API 99 .*not served/],
    ['negative key', frameOf(0xff, 0xff, 0, 0, 0, 0, 0, 1, 0, 0), /API -1 .*not served/],
    ['unserved key', frameOf(0, 17, 0, 1, 0, 0, 0, 1, 0, 0), /SaslHandshake\) version 1 is not served/],
    ['unknown version', frameOf(0, 3, 0, 77, 0, 0, 0, 1, 0, 0), /Metadata\) version 77/],
    ['produce 2', frameOf(0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), /Produce\) version 2/],
    ['fetch 18', frameOf(0, 1, 0, 18, 0, 0, 0, 1, 0, 0), /Fetch\) version 18/],
    ['counts beyond the bytes', frameOf(0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff), /array|elements/],
    ['a control request too large', large, /at most 50000/],
  ];
  for (const [index, [name, bytes, reason]] of cases.entries()) {
    const client = await kit.client();
    client.send(bytes);
    await client.ended();
    assert.equal(client.waitingFrames, 0, name);
    assert.match(kit.reasons.at(-1) ?? '', reason, name);
    assert.equal(kit.reasons.length, index + 1, name);
    assert.equal((await healthy.produce('healthy', 0, batchOf([name]))).baseOffset, index);
  }
  assert.equal(kit.listener.metrics.rejected, cases.length);
  await until(() => kit.listener.connections() === 1);
  assert.equal(kit.listener.metrics.landingBytes, 0);
});

test('produces before a malformed request still get their answers', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'before' });
  const client = await kit.client();
  const good = client.encode(produce, 9, produceBody('before', batchOf(['x'])));
  client.send(Buffer.concat([good, good, Buffer.from([0x80, 0, 0, 0])]));
  for (const offset of [0, 1]) {
    assert.equal((await client.answer(produce, 9)).responses[0]?.partitionResponses[0]?.baseOffset, offset);
  }
  await client.ended();
});

test('ApiVersions: the table of what is served; an unknown version is answered in version 0', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const { apiKeys } = await client.call(apiVersions, 4, { clientSoftwareName: 'a-b.c', clientSoftwareVersion: '1.2' });
  assert.deepEqual(
    apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, minVersion, maxVersion]),
    [
      [0, 0, 13],
      [1, 4, 17],
      [2, 1, 11],
      [3, 0, 13],
      [8, 2, 10],
      [9, 1, 10],
      [10, 0, 6],
      [11, 0, 9],
      [12, 0, 4],
      [13, 0, 5],
      [14, 0, 5],
      [15, 0, 6],
      [16, 0, 5],
      [18, 0, 4],
      [19, 2, 7],
      [20, 1, 6],
      [21, 0, 2],
      [22, 0, 5],
      [23, 2, 4],
      [24, 0, 5],
      [25, 0, 4],
      [26, 0, 5],
      [28, 0, 5],
      [29, 1, 3],
      [30, 1, 3],
      [31, 1, 3],
      [32, 1, 4],
      [33, 0, 2],
      [35, 1, 4],
      [37, 0, 3],
      [42, 0, 2],
      [43, 0, 2],
      [44, 0, 1],
      [47, 0, 0],
      [48, 0, 1],
      [49, 0, 1],
      [60, 0, 2],
      [61, 0, 0],
      [65, 0, 0],
      [66, 0, 2],
      [68, 0, 1],
      [69, 0, 1],
      [75, 0, 0],
    ],
  );
  assert.equal(apiKeys.length, SERVED_APIS.length);
  const newer = client.encode(apiVersions, 3, { clientSoftwareName: 'x', clientSoftwareVersion: '1' });
  newer.writeInt16BE(9, 6);
  client.send(newer);
  const refused = await client.answer(apiVersions, 0);
  assert.equal(refused.errorCode, 35);
  assert.equal(refused.apiKeys.length, SERVED_APIS.length);
  const named = await client.call(apiVersions, 3, { clientSoftwareName: '-bad-', clientSoftwareVersion: '1' });
  assert.equal(named.errorCode, 42);
});

test('surplus bytes after a request are ignored, as librdkafka needs', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const request = client.encode(metadata, 9, { topics: null });
  const padded = Buffer.concat([request, Buffer.alloc(3)]);
  padded.writeInt32BE(padded.length - 4, 0);
  client.send(padded);
  assert.equal((await client.answer(metadata, 9)).brokers.length, 1);
});

test('clients are told the address they used, or the advertised one', DEADLINE, async () => {
  {
    await using kit = await KafkaKit.start({ host: '::' });
    const client = await kit.client();
    const { brokers } = await client.call(metadata, 1, { topics: null });
    assert.deepEqual([brokers[0]?.host, brokers[0]?.port], ['127.0.0.1', kit.listener.address.port]);
    const coordinator = await client.call(findCoordinator, 2, { key: 'g' });
    assert.deepEqual([coordinator.host, coordinator.port], ['127.0.0.1', kit.listener.address.port]);
  }
  await using kit = await KafkaKit.start({ advertised: { host: 'kafka.example.org', port: 443 } });
  const client = await kit.client();
  const { brokers } = await client.call(metadata, 1, { topics: null });
  assert.deepEqual([brokers[0]?.host, brokers[0]?.port], ['kafka.example.org', 443]);
});

test('a client that does not read gets back pressure, not our memory', DEADLINE, async () => {
  const settings = { maxOutgoingBytes: 100_000, maxFetchedBytes: 2_000_000 };
  await using kit = await KafkaKit.start({ settings });
  await kit.broker.topics.create({ name: 'slow' });
  const writer = await kit.client();
  for (let i = 0; i < 8; i++) await writer.produce('slow', 0, batchOf(['x'.repeat(900_000)]));
  const slow = await kit.client();
  slow.socket.pause();
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50_000_000 }];
  const request = { maxWaitMs: 0, minBytes: 1, maxBytes: 50_000_000, topics: [{ topic: 'slow', partitions }] };
  const wanted = 60;
  for (let i = 0; i < wanted; i++) slow.send(slow.encode(fetch, 11, request));
  let served = -1;
  // Requests are taken until the socket's buffers are full, then no more.
  for (let quiet = 0; quiet < 200; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = kit.listener.metrics.requests[1] ?? 0;
    quiet = now === served ? quiet + 1 : 0;
    served = now;
    assert.ok(kit.listener.metrics.fetchedBytes <= 3_000_000, `${kit.listener.metrics.fetchedBytes} bytes held`);
  }
  assert.ok(served < wanted, `${served} of ${wanted} were taken`);
  assert.equal((await writer.produce('slow', 0, batchOf(['still served']))).errorCode, 0);
  slow.socket.resume();
  for (let i = 0; i < wanted; i++) assert.equal((await slow.answer(fetch, 11)).errorCode, 0);
  await until(() => kit.listener.metrics.fetchedBytes === 0);
});

test('fetch memory comes back when a slow client dies', DEADLINE, async () => {
  await using kit = await KafkaKit.start({ settings: { maxOutgoingBytes: 100_000 } });
  await kit.broker.topics.create({ name: 'dies' });
  const writer = await kit.client();
  for (let i = 0; i < 8; i++) await writer.produce('dies', 0, batchOf(['x'.repeat(900_000)]));
  const slow = await kit.client();
  slow.socket.pause();
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50_000_000 }];
  const topics = [{ topic: 'dies', partitions }];
  for (let i = 0; i < 20; i++) slow.send(slow.encode(fetch, 11, { maxWaitMs: 0, minBytes: 1, topics }));
  await until(() => kit.listener.metrics.fetchedBytes > 0);
  slow.destroy();
  await until(() => kit.listener.connections() === 1 && kit.listener.metrics.fetchedBytes === 0);
});

test('while the journal is congested, producing connections wait and others do not', DEADLINE, async () => {
  await using kit = await KafkaKit.start({ broker: { maxStagedBytes: 1_000_000 } });
  await kit.broker.topics.create({ name: 'congested' });
  const [producer, other] = [await kit.client(), await kit.client()];
  const batch = batchOf(['x'.repeat(300_000)]);
  const count = 40;
  for (let i = 0; i < count; i++) producer.send(producer.encode(produce, 9, produceBody('congested', batch)));
  assert.equal((await other.call(apiVersions, 0, {})).errorCode, 0);
  for (let i = 0; i < count; i++) {
    const answer = (await producer.answer(produce, 9)).responses[0]?.partitionResponses[0];
    assert.deepEqual([answer?.errorCode, answer?.baseOffset], [0, i], 'nothing was refused as overload');
  }
});

test('large frames that find no room wait for it', DEADLINE, async () => {
  await using kit = await KafkaKit.start({ settings: { maxLandingBytes: 500_000 } });
  await kit.broker.topics.create({ name: 'room' });
  const clients = await Promise.all(Array.from({ length: 4 }, () => kit.client()));
  const halves = clients.map((client) => {
    const frame = client.encode(produce, 9, produceBody('room', batchOf(['x'.repeat(400_000)])));
    client.send(frame.subarray(0, 100_000));
    return frame.subarray(100_000);
  });
  await until(() => kit.listener.metrics.landingBytes >= 400_000);
  for (const [i, client] of clients.entries()) client.send(halves[i] as Buffer);
  for (const client of clients) {
    assert.equal((await client.answer(produce, 9)).responses[0]?.partitionResponses[0]?.errorCode, 0);
  }
  assert.equal(kit.listener.metrics.landingBytes, 0);
});

test('half frames and idle connections are closed, busy ones are not', DEADLINE, async () => {
  const clock = new ManualClock();
  await using kit = await KafkaKit.start({ clock, settings: { halfFrameTimeoutMs: 1_000, maxIdleMs: 10_000 } });
  await kit.broker.topics.create({ name: 'time' });
  const [half, idle, busy] = [await kit.client(), await kit.client(), await kit.client()];
  half.send(Buffer.from([0, 0, 0, 50, 0, 18]));
  assert.equal((await idle.call(apiVersions, 0, {})).errorCode, 0);
  await until(() => kit.listener.metrics.bytesIn > 20);
  clock.advance(1_600);
  await half.ended();
  assert.match(kit.reasons.at(-1) ?? '', /not continued/);
  await until(() => kit.listener.connections() === 2);
  for (let i = 0; i < 12; i++) {
    clock.advance(1_000);
    assert.equal((await busy.call(apiVersions, 0, {})).errorCode, 0);
  }
  await idle.ended();
  assert.equal(kit.listener.metrics.idleClosed, 1);
  assert.equal(busy.closed, false);
});

test('connections beyond the limit are closed at once', DEADLINE, async () => {
  await using kit = await KafkaKit.start({ settings: { maxConnections: 2 } });
  const [first, second, third] = [await kit.client(), await kit.client(), await kit.client()];
  await third.ended();
  assert.equal(kit.listener.metrics.refused, 1);
  first.destroy();
  await until(() => kit.listener.connections() === 1);
  const fourth = await kit.client();
  assert.equal((await fourth.call(apiVersions, 0, {})).errorCode, 0);
  assert.equal((await second.call(apiVersions, 0, {})).errorCode, 0);
});

test('stop: what is in flight is answered, parked fetches end, then a clean close', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'stop' });
  const [producer, consumer, idle] = [await kit.client(), await kit.client(), await kit.client()];
  let resets = 0;
  for (const { socket } of [producer, consumer, idle]) socket.on('error', () => (resets += 1));
  const topics = [{ topic: 'stop', partitions: [{ partition: 0, fetchOffset: 5, partitionMaxBytes: 1000 }] }];
  for (let i = 0; i < 5; i++) await producer.produce('stop', 0, batchOf(['x']));
  consumer.send(consumer.encode(fetch, 11, { maxWaitMs: 30_000, minBytes: 1, topics }));
  await until(() => kit.broker.fetchPath.counters.parked === 1);
  const count = 20;
  for (let i = 0; i < count; i++) producer.send(producer.encode(produce, 9, produceBody('stop', batchOf([`${i}`]), 1)));
  await until(() => (kit.listener.metrics.requests[0] ?? 0) === 5 + count);
  const stopped = kit.listener.stop();
  for (let i = 0; i < count; i++) {
    assert.equal((await producer.answer(produce, 9)).responses[0]?.partitionResponses[0]?.errorCode, 0);
  }
  assert.equal((await consumer.answer(fetch, 11)).responses[0]?.partitions[0]?.errorCode, 0);
  await Promise.all([producer.ended(), consumer.ended(), idle.ended()]);
  await stopped;
  assert.deepEqual([kit.listener.connections(), resets], [0, 0]);
  await assert.rejects(async () => {
    const late = await kit.client();
    await late.call(apiVersions, 0, {});
  });
});

test('a stop whose deadline passes cuts what is left', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  await kit.broker.topics.create({ name: 'deaf' });
  const writer = await kit.client();
  for (let i = 0; i < 8; i++) await writer.produce('deaf', 0, batchOf(['x'.repeat(900_000)]));
  const deaf = await kit.client();
  deaf.socket.pause();
  const topics = [{ topic: 'deaf', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50_000_000 }] }];
  deaf.send(deaf.encode(fetch, 11, { maxWaitMs: 0, minBytes: 1, topics }));
  await until(() => kit.listener.metrics.fetchedBytes > 0);
  await kit.listener.stop({ deadlineMs: 50 });
  assert.equal(kit.listener.connections(), 0);
  assert.equal(kit.listener.metrics.fetchedBytes, 0);
});

test('counters: requests by key, bytes, connections', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await client.call(createTopics, 7, { topics: [{ name: 'counted', numPartitions: 1, replicationFactor: 1 }] });
  await client.produce('counted', 0, batchOf(['x']));
  const { metrics } = kit.listener;
  assert.deepEqual([metrics.requests[19], metrics.requests[0], metrics.connections, metrics.accepted], [1, 1, 1, 1]);
  assert.equal(metrics.bytesIn, client.socket.bytesWritten);
  await until(() => metrics.bytesOut === client.socket.bytesRead);
  client.destroy();
  await once(client.socket, 'close');
  await until(() => metrics.connections === 0);
});
