/**
 * Proves that quotas hold over HTTP and WebSockets as they do for Kafka clients: requests of a client that owes time are
 * refused with 429 and when to come back, follows and sockets wait instead, and others go on; and that all who write wait while
 * the broker slows producers down (src/broker/governor). On a clock moved by hand.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpKit, until } from '../../../test/kit/http-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { WsKit } from '../../../test/kit/ws-kit.ts';

const DEADLINE = { timeout: 60_000 };
/** Answers count as they are sent, so these are not compressed. */
const ETL = { headers: { 'millrace-client-id': 'etl', 'accept-encoding': 'identity' } };
const RECORDS = '/v1/topics/t/records';

async function start(): Promise<{ kit: HttpKit; clock: ManualClock }> {
  const clock = new ManualClock();
  const kit = await HttpKit.start({ clock });
  await kit.broker.topics.create({ name: 't' });
  return { kit, clock };
}

test('a client that wrote too much is refused until it has waited, and no other', DEADLINE, async () => {
  const { kit, clock } = await start();
  await using _ = kit;
  const body = 'x'.repeat(3_000);
  const write = { ...ETL, type: 'text/plain' };
  assert.equal((await kit.post(RECORDS, body, write)).status, 200, 'without quotas');
  await kit.broker.quotas.change('etl', { producerByteRate: 1_000 });
  assert.equal((await kit.post(RECORDS, body, write)).status, 200, 'a request is never cut');
  const refused = await kit.refused([429, 'HTTP_QUOTA_EXCEEDED'], 'POST', RECORDS, { ...write, body });
  assert.equal(refused.headers.get('retry-after'), '2');
  assert.deepEqual(refused.json.details, { bytesPerSecond: 1_000, waitMs: 2_000 });
  // Every way to write counts.
  for (const [method, path] of [
    ['POST', '/v1/commit'],
    ['PUT', '/v1/stream/s'],
    ['POST', '/v1/stream/s'],
  ] as const) {
    await kit.refused([429, 'HTTP_QUOTA_EXCEEDED'], method, path, { ...ETL, body: {} });
  }
  assert.equal((await kit.post(RECORDS, body, { type: 'text/plain' })).status, 200, 'another client');
  assert.equal((await kit.get(`${RECORDS}?offset=0`, ETL)).status, 200, 'reading is another quota');
  clock.advance(2_000);
  assert.equal((await kit.post(RECORDS, body, write)).status, 200);
  await kit.broker.quotas.change('etl', { producerByteRate: null });
  assert.equal((await kit.post(RECORDS, body, write)).status, 200, 'no quota any more');
});

test('who names no client id is measured by its address, against the default', DEADLINE, async () => {
  const { kit } = await start();
  await using _ = kit;
  await kit.broker.quotas.change(undefined, { producerByteRate: 1_000 });
  const write = { type: 'text/plain' };
  assert.equal((await kit.post(RECORDS, 'x'.repeat(2_000), write)).status, 200);
  await kit.refused([429, 'HTTP_QUOTA_EXCEEDED'], 'POST', RECORDS, { ...write, body: 'x' });
  assert.equal((await kit.post(RECORDS, 'x', { ...write, ...ETL })).status, 200, 'one that names itself');
});

test('answers count for reading, and what is refused does not', DEADLINE, async () => {
  const { kit, clock } = await start();
  await using _ = kit;
  await kit.post(RECORDS, 'x'.repeat(5_000), { type: 'text/plain' });
  await kit.call('PUT', '/v1/stream/s', { body: 'y'.repeat(5_000), type: 'text/plain' });
  await kit.broker.quotas.change('etl', { consumerByteRate: 1_000 });
  for (const path of [`${RECORDS}?offset=0`, '/v1/subscribe?match=t', '/v1/stream/s']) {
    assert.equal((await kit.get(path, ETL)).status, 200, path);
    const refused = await kit.refused([429, 'HTTP_QUOTA_EXCEEDED'], 'GET', path, ETL);
    const { waitMs } = refused.json.details;
    assert.ok(waitMs > 3_900 && waitMs < 8_000, `${path}: ${waitMs} ms`);
    clock.advance(waitMs + 1_000);
  }
});

test('a follow waits between two pieces, says that it lives, and goes on', DEADLINE, async () => {
  const { kit, clock } = await start();
  await using _ = kit;
  await kit.broker.quotas.change('etl', { consumerByteRate: 1_000 });
  const lines = await kit.follow(`${RECORDS}?follow=true&offset=0`, ETL.headers);
  lines.start();
  const produce = (value: string) => kit.post(RECORDS, value, { type: 'text/plain' });
  await produce('x'.repeat(20_000));
  assert.equal((await lines.next()).value.length, 20_000);
  await produce('second');
  // It owes some 19 s: at the heartbeat there is an empty line and no record. When it has begun to wait nobody says.
  const said: unknown[] = [];
  const alive = lines.next().then((line: unknown) => void said.push(line));
  for (let waited = 0; said.length === 0 && waited < 18_000; waited += 1_000) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.advance(1_000);
  }
  await alive;
  assert.deepEqual(said, [null]);
  clock.advance(20_000);
  let record = null;
  while (record === null) record = await lines.next();
  assert.equal(record.value, 'second');
  lines.close();
  await kit.idle();
});

function produced(id: number, value: string): object {
  return { op: 'produce', id, topic: 't', records: [{ value }] };
}

test('a WebSocket is not read from while its client owes time', DEADLINE, async () => {
  const clock = new ManualClock();
  await using kit = await WsKit.start({ clock });
  await kit.http.broker.topics.create({ name: 't' });
  await kit.http.broker.quotas.change('etl', { producerByteRate: 1_000 });
  const [client, other] = [await kit.connect('?clientId=etl'), await kit.connect()];
  client.say(produced(1, 'x'.repeat(5_000)));
  assert.equal((await client.op('ack'))['upTo'], 1);
  client.say(produced(2, 'y'));
  other.say(produced(1, 'z'));
  assert.equal((await other.op('ack'))['upTo'], 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(client.received, 0);
  clock.advance(5_000);
  await until(() => client.received > 0);
  assert.equal((await client.op('ack'))['upTo'], 2);
});

test('while the broker slows producers down every write waits, and nothing else', DEADLINE, async () => {
  const { kit, clock } = await start();
  await using _ = kit;
  const { governor } = kit.broker;
  governor.waitMs = () => 700;
  // Asked where requests are served without the hooks of the others.
  Object.defineProperty(governor, 'slows', { get: () => true });
  const writes = [
    kit.call('POST', RECORDS, { body: { value: 'w' } }),
    kit.call('POST', RECORDS, { body: 'x', type: 'text/plain' }),
    kit.call('POST', '/v1/commit', { body: { writes: [{ topic: 't', records: [{ value: 'y' }] }] } }),
    kit.call('PUT', '/v1/stream/s', { body: 'z', type: 'text/plain' }),
  ];
  let answered = 0;
  for (const write of writes) void write.then(() => (answered += 1));
  await until(() => kit.listener.counters.inFlight === writes.length);
  assert.equal((await kit.get(`${RECORDS}?offset=0`)).status, 200);
  // What writes no records does not wait, whatever its method is called.
  assert.equal(
    (await kit.call('POST', '/v1/stream/__ds/subscriptions/s/claim', { body: { worker: 'w' } })).status,
    404,
  );
  assert.equal((await kit.call('POST', '/v1/absent', { body: {} })).status, 404);
  clock.advance(699);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(answered, 0);
  clock.advance(1);
  for (const write of writes) assert.ok((await write).status < 300, `${(await write).status}`);
});

test('a WebSocket is not read from while the broker slows producers down', DEADLINE, async () => {
  const clock = new ManualClock();
  await using kit = await WsKit.start({ clock });
  await kit.http.broker.topics.create({ name: 't' });
  kit.http.broker.governor.waitMs = () => 700;
  const client = await kit.connect();
  client.say(produced(1, 'x'));
  assert.equal((await client.op('ack'))['upTo'], 1);
  client.say(produced(2, 'y'));
  clock.advance(699);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(client.received, 0);
  kit.http.broker.governor.waitMs = () => 0;
  clock.advance(1);
  assert.equal((await client.op('ack'))['upTo'], 2);
});
