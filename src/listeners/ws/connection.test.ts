/**
 * Proves the WebSocket protocol over a real broker, with a client of the ws library: produces and cumulative
 * acknowledgements in text and binary, subscriptions with credit that resume, slow peers, refusals, stop.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { until } from '../../../test/kit/http-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { type WsClient, WsKit } from '../../../test/kit/ws-kit.ts';
import { writeUint16, writeUint32 } from '../../base/bytes.ts';

const OPTIONS = { timeout: 40_000 } as const;

function binaryProduce(id: number, topic: string, partition: number, batch: Uint8Array, ack = 0): Uint8Array {
  const name = Buffer.from(topic);
  const message = new Uint8Array(12 + name.length + batch.length);
  message[0] = 1;
  message[1] = ack;
  writeUint16(message, 2, name.length);
  writeUint32(message, 4, id);
  writeUint32(message, 8, partition);
  message.set(name, 12);
  message.set(batch, 12 + name.length);
  return message;
}

/** Values that come, in order, until there are so many; gives credit back where asked. */
async function values(client: WsClient, count: number, renew?: { sub: string; records: number }): Promise<unknown[]> {
  const seen: unknown[] = [];
  while (seen.length < count) {
    const { records } = (await client.op('records')) as { records: { value: unknown }[] };
    seen.push(...records.map(({ value }) => value));
    if (renew !== undefined) client.say({ op: 'credit', ...renew, records: records.length });
  }
  return seen;
}

/** Status of the answer to an upgrade that is refused. */
async function refusedUpgrade(url: string, headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(url, { headers });
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  return response.statusCode;
}

test('text: produces in order, one acknowledgement for many, places when asked for', OPTIONS, async () => {
  await using kit = await WsKit.start();
  const client = await kit.connect();
  for (let id = 0; id < 50; id++) client.say({ op: 'produce', id, topic: 'chat/room', records: [{ value: id }] });
  let upTo = -1;
  while (upTo < 49) {
    const ack = await client.op('ack');
    assert.ok(ack.upTo > upTo);
    ({ upTo } = ack);
  }
  const { json } = await kit.http.get('/v1/topics/chat.room/records?format=json');
  assert.deepEqual(
    json.records.map((record: { value: number }) => record.value),
    Array.from({ length: 50 }, (_, i) => i),
  );
  client.socket.send(
    '{"op":"produce","id":99,"topic":"chat/room","offsets":true,"records":{"key":"k","value":{"n": 12345678901234567890}}}',
  );
  const produced = await client.op('produced');
  assert.deepEqual(produced.partitions, [{ partition: 0, baseOffset: 50, count: 1 }]);
  assert.equal((await client.op('ack')).upTo, 99);
  const last = await kit.http.get('/v1/topics/chat.room/records?offset=50');
  assert.equal(last.json.records[0].value, '{"n": 12345678901234567890}', 'stored as it was written');
  client.say({ op: 'ping' });
  await client.op('pong');
  client.close();
});

test('binary: batches go in as they are, and are acknowledged in binary', OPTIONS, async () => {
  await using kit = await WsKit.start();
  const client = await kit.connect();
  await kit.http.post('/v1/topics', { name: 'b', partitions: 3 });
  for (let id = 1; id <= 30; id++) client.socket.send(binaryProduce(id, 'b', id % 3, batchOf([`v${id}`]), id % 2));
  let upTo = 0;
  while (upTo < 30) {
    const ack = (await client.next()) as Buffer;
    assert.deepEqual([ack[0], ack.length], [129, 8]);
    upTo = ack.readUInt32BE(4);
  }
  for (let partition = 0; partition < 3; partition++) {
    const { json } = await kit.http.get(`/v1/topics/b/records?partition=${partition}`);
    const expected = Array.from({ length: 30 }, (_, i) => i + 1).filter((id) => id % 3 === partition);
    assert.deepEqual(
      json.records.map((record: { value: string }) => record.value),
      expected.map((id) => `v${id}`),
    );
  }
  client.close();
});

test('a refused produce is named, and the ones around it are acknowledged', OPTIONS, async () => {
  await using kit = await WsKit.start({ broker: { autoCreateTopics: false } });
  await kit.http.post('/v1/topics', { name: 't', partitions: 1 });
  const client = await kit.connect();
  client.say({ op: 'produce', id: 1, topic: 't', records: [{ value: 1 }] });
  assert.equal((await client.op('ack')).upTo, 1);
  client.say({ op: 'produce', id: 2, topic: 'absent', records: [{ value: 1 }] });
  assert.equal((await client.refused('BROKER_TOPIC_NOT_FOUND'))['id'], 2);
  assert.equal((await client.op('ack')).upTo, 2);
  const refusals: readonly (readonly [string | Uint8Array, string])[] = [
    ['no JSON', 'HTTP_REQUEST_INVALID'],
    ['{"op":', 'HTTP_JSON_INVALID'],
    ['[1]', 'HTTP_REQUEST_INVALID'],
    ['{"op":"dance"}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"__proto__"}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"produce","id":2,"topic":"t","records":[]}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"produce","id":3,"topic":"t"}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"produce","id":3.5,"topic":"t","records":[]}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"produce","id":4,"topic":"t/","records":[]}', 'MODEL_TOPIC_NAME_INVALID'],
    ['{"op":"produce","id":5,"topic":"t","unknown":1,"records":[]}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"credit","sub":"absent","records":5}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"subscribe","sub":"s"}', 'HTTP_REQUEST_INVALID'],
    ['{"op":"subscribe","sub":"s","match":"a/**b"}', 'MODEL_TOPIC_PATTERN_INVALID'],
    ['{"op":"subscribe","sub":"s","match":"a","cursor":"x"}', 'BROKER_CURSOR_INVALID'],
    ['{"op":"subscribe","sub":"s","topic":"t","partition":7}', 'BROKER_PARTITION_NOT_FOUND'],
    ['{"op":"subscribe","sub":"s","topic":"t","offset":-1}', 'HTTP_REQUEST_INVALID'],
    [Uint8Array.of(), 'HTTP_REQUEST_INVALID'],
    [Uint8Array.of(7, 7, 7), 'HTTP_REQUEST_INVALID'],
    [binaryProduce(6, 't', 0, batchOf(['x']), 9), 'HTTP_REQUEST_INVALID'],
    [binaryProduce(6, 't', 0, batchOf(['x'])).subarray(0, 13), 'HTTP_REQUEST_INVALID'],
  ];
  for (const [message, code] of refusals) {
    client.socket.send(message);
    await client.refused(code);
  }
  client.say({ op: 'produce', id: 6, topic: 't', records: [{ wrong: 1 }] });
  await client.refused('HTTP_REQUEST_INVALID');
  assert.equal((await client.op('ack')).upTo, 6);
  client.socket.send(binaryProduce(7, 't', 0, batchOf(['x']).fill(1, 30)));
  await client.refused('MODEL_BATCH_CORRUPT');
  assert.deepEqual([...((await client.next()) as Buffer)], [129, 0, 0, 0, 0, 0, 0, 7]);
  client.socket.send(binaryProduce(8, 't', 5, batchOf(['x'])));
  await client.refused('BROKER_PARTITION_NOT_FOUND');
  client.close();
});

test('subscriptions: credit is kept, several at once, ended by name', OPTIONS, async () => {
  await using kit = await WsKit.start();
  for (let i = 0; i < 30; i++) await kit.http.post(`/v1/topics/s.${i % 2}/records`, { value: i });
  const client = await kit.connect();
  client.say({ op: 'subscribe', sub: 'all', match: ['s/*'], cursor: 'earliest', credit: 7 });
  assert.deepEqual(await values(client, 7), [0, 1, 2, 3, 4, 5, 6]);
  client.say({ op: 'ping' });
  await client.op('pong');
  assert.equal(client.received, 0, 'nothing without credit');
  client.say({ op: 'credit', sub: 'all', records: 100 });
  assert.deepEqual((await values(client, 23)).length, 23);
  client.say({ op: 'subscribe', sub: 'one', topic: 's/1', offset: 13 });
  assert.deepEqual(await values(client, 2), [27, 29]);
  client.say({ op: 'subscribe', sub: 'one', topic: 's/1' });
  await client.refused('HTTP_REQUEST_INVALID');
  await kit.http.post('/v1/topics/s.1/records', { value: 'new' });
  assert.deepEqual(await values(client, 2), ['new', 'new']);
  client.say({ op: 'unsubscribe', sub: 'one' });
  assert.equal((await client.op('ended')).sub, 'one');
  client.close();
  await until(() => kit.listener.counters.subscriptions === 0);
  await kit.http.idle();
});

test('a subscription: a record after silence goes out at once, those behind it together', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await WsKit.start({ clock, http: { followPaceMs: 5, denseFollowPaceMs: 40 } });
  const client = await kit.connect();
  const write = (...list: number[]) =>
    kit.http.post(
      '/v1/topics/t/records',
      list.map((value) => ({ value })),
    );
  const pong = async (): Promise<void> => {
    client.say({ op: 'ping' });
    await client.op('pong');
  };
  await kit.http.post('/v1/topics', { name: 't' });
  client.say({ op: 'subscribe', sub: 'x', match: '*', cursor: 'latest' });
  await pong();
  await write(1);
  assert.deepEqual(await values(client, 1), [1], 'without any time');
  await write(2);
  await write(3);
  await pong();
  assert.equal(client.received, 0);
  clock.advance(5);
  const { records } = await client.op('records');
  assert.equal(records.length, 2);
  await write(...Array.from({ length: 50 }, (_, i) => i));
  clock.advance(5);
  assert.equal((await values(client, 50)).length, 50);
  await write(4);
  clock.advance(39);
  await pong();
  assert.equal(client.received, 0, 'the next piece of a dense stream is due in forty');
  clock.advance(1);
  assert.deepEqual(await values(client, 1), [4]);
  client.close();
});

test('a subscriber that comes back goes on where it was: each record once', OPTIONS, async () => {
  await using kit = await WsKit.start({ ws: { pieceBytes: 300 } });
  for (let i = 0; i < 100; i++) await kit.http.post(`/v1/topics/r.${i % 3}/records`, { value: i });
  const seen: unknown[] = [];
  let cursor = 'earliest';
  while (seen.length < 100) {
    const client = await kit.connect();
    client.say({ op: 'subscribe', sub: 'x', match: 'r/*', cursor, credit: 9 });
    const message = await client.op('records');
    seen.push(...message.records.map((record: { value: number }) => record.value));
    cursor = message.next;
    client.socket.terminate();
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 100 }, (_, i) => i),
  );
  const client = await kit.connect(`?match=${encodeURIComponent('r/*')}&cursor=${cursor}`);
  await kit.http.post('/v1/topics/r.0/records', { value: 'by address' });
  assert.deepEqual(await values(client, 1), ['by address']);
  client.close();
});

test('a peer that sends more than it may have in flight is not read from, and loses nothing', OPTIONS, async () => {
  await using kit = await WsKit.start({ ws: { maxInFlight: 4 } });
  const client = await kit.connect();
  for (let id = 0; id < 300; id++) client.say({ op: 'produce', id, topic: 'p', records: [{ value: id }] });
  let upTo = -1;
  while (upTo < 299) ({ upTo } = await client.op('ack'));
  const { json } = await kit.http.get('/v1/topics/p/records?format=json');
  assert.deepEqual(
    json.records.map((record: { value: number }) => record.value),
    Array.from({ length: 300 }, (_, i) => i),
  );
  client.close();
});

test(
  'a subscriber that takes nothing is let go with its own code, and held in memory meanwhile by one piece',
  OPTIONS,
  async () => {
    await using kit = await WsKit.start({ ws: { stallTimeoutMs: 300 } });
    const value = 'v'.repeat(100_000);
    for (let i = 0; i < 200; i++) await kit.http.post('/v1/topics/big/records', { value });
    const client = await kit.connect();
    client.socket.pause();
    client.say({ op: 'subscribe', sub: 's', topic: 'big', offset: 'earliest' });
    await until(() => kit.listener.counters.tooSlow === 1);
    assert.ok(process.memoryUsage().arrayBuffers < 256 * 1024 * 1024);
    await until(() => kit.listener.counters.connections === 0);
    client.socket.resume();
    await client.ended();
    await kit.http.idle();
  },
);

test('upgrades are refused with a problem; oversized and broken messages close', OPTIONS, async () => {
  await using kit = await WsKit.start({
    ws: { maxMessageBytes: 1000, maxConnections: 1 },
    http: { corsOrigins: ['https://ok.example'] },
  });
  assert.equal(await refusedUpgrade(kit.url.replace('/v1/ws', '/v1/other')), 404);
  assert.equal(await refusedUpgrade(kit.url, { origin: 'https://evil.example' }), 403);
  const allowed = new WebSocket(kit.url, { headers: { origin: 'https://ok.example' } });
  await once(allowed, 'open');
  assert.equal(await refusedUpgrade(kit.url), 503);
  allowed.close();
  await until(() => kit.listener.counters.connections === 0);
  const client = await kit.connect();
  client.socket.send('x'.repeat(2000));
  assert.equal((await client.ended()).code, 1009);
  const plain = await kit.http.get('/v1/ws');
  assert.equal(plain.status, 404, 'without an upgrade it is no route');
});

test('a stop says goodbye', OPTIONS, async () => {
  const kit = await WsKit.start();
  const client = await kit.connect();
  client.say({ op: 'subscribe', sub: 's', match: 'other/**' });
  client.say({ op: 'produce', id: 1, topic: 't', records: [{ value: 1 }] });
  await client.op('ack');
  await kit[Symbol.asyncDispose]();
  assert.equal((await client.ended()).code, 1001);
});
