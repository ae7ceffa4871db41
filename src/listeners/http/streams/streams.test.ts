/**
 * Proves what the public conformance suite (test/clients/durable-streams) does not: that a stream is a topic for Kafka
 * clients and back, what survives a restart and a checkpoint, expiry on a clock moved by hand, transactions, and refusals
 * of hostile input. It does not repeat what the suite checks.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { batchOf, openBroker, produce } from '../../../../test/kit/broker-kit.ts';
import { HttpKit, rawExchange, until } from '../../../../test/kit/http-kit.ts';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { TempDirectory } from '../../../../test/kit/temp-directory.ts';
import { HttpListener } from '../listener.ts';

const OPTIONS = { timeout: 60_000 } as const;
const JSON_TYPE = { type: 'application/json' };
const TEXT = { type: 'text/plain' };

const offset = (record: number): string => `${String(record).padStart(16, '0')}_0000000000000000`;

test('what is appended here is records for everyone else', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  assert.equal((await kit.call('PUT', '/v1/stream/food/eggs', { type: 'application/json' })).status, 201);
  const appended = await kit.post('/v1/stream/food/eggs', '[{"big": 12345678901234567890}, [1, 2] ,"x"]', JSON_TYPE);
  assert.equal(appended.headers.get('stream-next-offset'), offset(3));
  const { records } = (await kit.get('/v1/topics/food.eggs/records')).json;
  assert.deepEqual(
    records.map((record: { value: string; key: unknown }) => [record.key, record.value]),
    [
      [null, '{"big": 12345678901234567890}'],
      [null, '[1, 2]'],
      [null, '"x"'],
    ],
    'one record a message, its text as it was sent',
  );
});

test('what others produce is in the stream, and never breaks its JSON', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const topic = await kit.broker.topics.create({ name: 'orders' });
  await produce(kit.broker, topic, 0, batchOf(['{"id":1}', 'no json', '"s"']));
  await kit.post('/v1/topics/orders/records', { value: null });
  await kit.post('/v1/topics/orders/records', { valueBase64: '/w==' });
  await kit.refused([404, 'BROKER_STREAM_NOT_FOUND'], 'GET', '/v1/stream/orders');
  const adopted = await kit.call('PUT', '/v1/stream/orders', { type: 'application/json' });
  assert.deepEqual([adopted.status, adopted.headers.get('stream-next-offset')], [201, offset(5)]);
  assert.deepEqual((await kit.get('/v1/stream/orders')).json, [{ id: 1 }, 'no json', 's', null, '/w==']);
  const several = await kit.broker.topics.create({ name: 'several', partitions: 2 });
  assert.equal(several.partitions.length, 2);
  await kit.refused([409, 'BROKER_STREAM_CONFLICT'], 'PUT', '/v1/stream/several');
});

test('bytes: an append is a record; one larger than a batch is cut, and read back whole', OPTIONS, async () => {
  await using kit = await HttpKit.start({ broker: { maxMessageBytes: 1_000 } });
  const body = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7) % 256));
  await kit.call('PUT', '/v1/stream/blob', { type: 'application/octet-stream' });
  const appended = await kit.post('/v1/stream/blob', body, { type: 'application/octet-stream' });
  assert.equal(appended.headers.get('stream-next-offset'), offset(6));
  const response = await fetch(`http://127.0.0.1:${kit.port}/v1/stream/blob`);
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);
  // A fork whose place is in the third piece of the append.
  const forked = await kit.call('PUT', '/v1/stream/part', {
    headers: {
      'stream-forked-from': '/v1/stream/blob',
      'stream-fork-offset': offset(0),
      'stream-fork-sub-offset': '2000',
    },
  });
  assert.equal(forked.status, 201, forked.text);
  await kit.post('/v1/stream/part', 'tail', { type: 'application/octet-stream' });
  const part = Buffer.from(await (await fetch(`http://127.0.0.1:${kit.port}/v1/stream/part`)).arrayBuffer());
  assert.deepEqual(part, Buffer.concat([body.subarray(0, 2000), Buffer.from('tail')]));
  await kit.refused([413, 'MODEL_BATCH_TOO_LARGE'], 'PUT', '/v1/stream/json', { body: ['x'.repeat(2_000)] });
});

test('large appends at once, and streams made with large bodies, keep their bytes', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const bodies = Array.from({ length: 24 }, (_, i) => `${i} `.repeat(100_000));
  const made = bodies.map((body, i) => kit.call('PUT', `/v1/stream/made${i}`, { body, ...TEXT }));
  assert.deepEqual(new Set((await Promise.all(made)).map(({ status }) => status)), new Set([201]));
  const appended = await Promise.all(
    bodies.map((_, i) => kit.post(`/v1/stream/made${i}`, bodies[(i + 1) % bodies.length], TEXT)),
  );
  assert.deepEqual(new Set(appended.map(({ status }) => status)), new Set([204]));
  for (const [i, body] of bodies.entries()) {
    const response = await fetch(`http://127.0.0.1:${kit.port}/v1/stream/made${i}`);
    assert.ok((await response.text()) === body + bodies[(i + 1) % bodies.length], `stream ${i}`);
  }
  await kit.idle();
});

test('a closed stream takes nothing from anybody, and stays one partition', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.call('PUT', '/v1/stream/s', { ...TEXT, body: 'a' });
  const topic = kit.broker.topics.find('s');
  assert.ok(topic !== undefined);
  await assert.rejects(kit.broker.topics.addPartitions(topic, 2), { code: 'BROKER_PARTITIONS_INVALID' });
  await kit.post('/v1/stream/s', 'b', { ...TEXT, headers: { 'stream-closed': 'true' } });
  const item = await produce(kit.broker, topic, 0, batchOf(['late']));
  assert.equal(item.error, 'BROKER_STREAM_CLOSED');
  await kit.refused([409, 'BROKER_STREAM_CLOSED'], 'POST', '/v1/topics/s/records', { body: { value: 'late' } });
  assert.equal((await kit.get('/v1/stream/s')).text, 'ab');
});

test('a source with forks cannot be deleted as a topic; a truncated one says so', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.call('PUT', '/v1/stream/source', { ...TEXT, body: 'one' });
  await kit.post('/v1/stream/source', 'two', TEXT);
  await kit.call('PUT', '/v1/stream/fork', { headers: { 'stream-forked-from': '/v1/stream/source' } });
  await kit.post('/v1/stream/fork', 'three', TEXT);
  await kit.refused([409, 'BROKER_STREAM_FORKED'], 'DELETE', '/v1/topics/source');
  // The fork's own records have the offsets behind those of the source.
  const { records } = (await kit.get('/v1/topics/fork/records')).json;
  assert.deepEqual(
    records.map((record: { offset: number; value: string }) => [record.offset, record.value]),
    [[2, 'three']],
  );
  assert.equal((await kit.call('DELETE', '/v1/topics/source/records?partition=0&before=1')).status, 200);
  assert.equal((await kit.get('/v1/stream/fork')).text, 'twothree', 'the beginning is what is retained');
  await kit.refused([410, 'BROKER_STREAM_GONE'], 'GET', `/v1/stream/fork?offset=${offset(0)}`);
  await kit.refused([416, 'STORE_OFFSET_OUT_OF_RANGE'], 'GET', `/v1/stream/fork?offset=${offset(9)}`);
});

/** All there is to know about the streams of `restarting`, as answers. */
async function facts(port: number): Promise<unknown> {
  const url = (name: string) => `http://127.0.0.1:${port}/v1/stream/${name}`;
  const head = async (name: string) => {
    const { status, headers } = await fetch(url(name), { method: 'HEAD' });
    const names = ['content-type', 'stream-next-offset', 'stream-closed', 'stream-ttl', 'stream-expires-at'];
    return [status, ...names.map((header) => headers.get(header))];
  };
  const text = async (name: string) => (await fetch(url(name))).text();
  return {
    closed: [await head('closed'), await text('closed')],
    ttl: await head('ttl'),
    dated: await head('dated'),
    fork: [await head('fork'), await text('fork')],
    source: await head('source'),
  };
}

const producer = (epoch: number, seq: number) => ({
  'producer-id': 'p',
  'producer-epoch': String(epoch),
  'producer-seq': String(seq),
});

test('everything survives a restart, and a checkpoint', OPTIONS, async () => {
  using directory = new TempDirectory();
  const data = path.join(directory.path, 'data');
  const open = async () => {
    const broker = await openBroker(data);
    const listener = await HttpListener.start({ broker, host: '127.0.0.1', port: 0 });
    return { broker, listener, port: listener.address.port };
  };
  let { broker, listener, port } = await open();
  const call = (method: string, name: string, headers: Record<string, string>, body?: string) =>
    fetch(`http://127.0.0.1:${port}/v1/stream/${name}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = { 'content-type': 'text/plain;charset=utf-8' };
  await call('PUT', 'closed', text, 'a');
  await call('POST', 'closed', { ...text, ...producer(3, 0), 'stream-seq': 'm' }, 'b');
  await call('POST', 'closed', { ...text, ...producer(3, 1), 'stream-closed': 'true' }, 'c');
  await call('PUT', 'ttl', { ...text, 'stream-ttl': '3600' });
  await call('PUT', 'dated', { ...text, 'stream-expires-at': '2099-01-01T00:00:00+02:00' });
  await call('PUT', 'source', text, 'hello');
  await call('PUT', 'fork', {
    'stream-forked-from': '/v1/stream/source',
    'stream-fork-offset': offset(0),
    'stream-fork-sub-offset': '4',
  });
  await call('POST', 'fork', { ...text, ...producer(0, 0), 'stream-seq': 'x' }, '!');
  assert.equal((await call('DELETE', 'source', {})).status, 204);
  const before = await facts(port);
  assert.deepEqual((before as { fork: unknown[] }).fork[1], 'hell!');
  await listener.stop();
  await broker.close();

  ({ broker, listener, port } = await open());
  assert.deepEqual(await facts(port), before);
  const repeated = await call('POST', 'closed', { ...text, ...producer(3, 1), 'stream-closed': 'true' }, 'c');
  assert.deepEqual([repeated.status, repeated.headers.get('stream-closed')], [204, 'true'], 'the closing append again');
  assert.equal((await call('POST', 'closed', { ...text, ...producer(2, 0) }, 'z')).status, 403);
  const duplicate = await call('POST', 'fork', { ...text, ...producer(0, 0), 'stream-seq': 'x' }, '!');
  assert.equal(duplicate.status, 204);
  assert.equal((await call('POST', 'fork', { ...text, 'stream-seq': 'x' }, '?')).status, 409);
  assert.equal((await call('PUT', 'source', text)).status, 409, 'still blocked by its fork');
  await listener.stop();
  await broker.close();

  // A checkpoint of that state, taken in and out again, is the same bytes.
  const again = await openBroker(data, { settings: { journalFileBytes: 1024 * 1024, checkpointBytes: 1024 } });
  const topic = await again.topics.create({ name: 'filler' });
  for (let i = 0; i < 3; i++) await produce(again, topic, 0, batchOf(['x'.repeat(900_000)]));
  await until(() => again.checkpointer.waitingFiles === 0);
  await again.close();
  const restored = await openBroker(data);
  const kept = [...restored.streams.list()].map((stream) => [
    stream.topic.name,
    stream.closed,
    stream.retired,
    stream.forkCount,
  ]);
  assert.deepEqual(kept, [
    ['closed', true, false, 0],
    ['ttl', false, false, 0],
    ['dated', false, false, 0],
    ['source', false, true, 1],
    ['fork', false, false, 0],
  ]);
  await restored.close();
});

test(
  'expiry: idle streams go, reads keep them, a dated one goes at its time; forks keep what they need',
  OPTIONS,
  async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    await using kit = await HttpKit.start({ clock });
    const status = async (name: string) => (await kit.call('HEAD', `/v1/stream/${name}`)).status;
    await kit.call('PUT', '/v1/stream/idle', { ...TEXT, headers: { 'stream-ttl': '100' } });
    await kit.call('PUT', '/v1/stream/read', { ...TEXT, body: 'x', headers: { 'stream-ttl': '100' } });
    await kit.call('PUT', '/v1/stream/dated', { ...TEXT, headers: { 'stream-expires-at': '2026-01-01T00:02:00Z' } });
    await kit.call('PUT', '/v1/stream/fork', {
      headers: { 'stream-forked-from': '/v1/stream/read', 'stream-ttl': '9000' },
    });
    clock.advance(60_000);
    await kit.get('/v1/stream/read');
    clock.advance(50_000);
    assert.deepEqual([await status('idle'), await status('read'), await status('dated')], [404, 200, 200]);
    await until(() => kit.broker.topics.find('idle') === undefined);
    clock.advance(20_000);
    assert.equal(await status('dated'), 404);
    await until(
      () => kit.broker.topics.find('dated') === undefined,
      () => 'its topic is deleted by itself',
    );
    clock.advance(100_000);
    assert.equal(await status('read'), 410, 'expired, with a fork');
    assert.equal((await kit.get('/v1/stream/fork')).text, 'x');
    await until(() => kit.broker.topics.find('read')?.stream?.retired === true);
    clock.advance(9_000_000);
    await until(
      () => kit.broker.topics.size === 0,
      () => 'the fork expires, and its source goes with it',
    );
    assert.equal((await kit.call('PUT', '/v1/stream/read', TEXT)).status, 201, 'the name is free');
  },
);

test('hostile input is refused with a reason, and disturbs nothing', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.call('PUT', '/v1/stream/s', { ...TEXT, body: 'whole' });
  const put = (headers: Record<string, string>) =>
    kit.refused([400, 'HTTP_REQUEST_INVALID'], 'PUT', '/v1/stream/x', { headers });
  for (const ttl of ['-1', '1e3', '99999999999999999999', ' ', '0x10', '1,2']) await put({ 'stream-ttl': ttl });
  for (const at of ['tomorrow', '2026-13-01T00:00:00Z', '2026-01-01', '1735689600', '9'.repeat(300)])
    await put({ 'stream-expires-at': at });
  await put({ 'stream-forked-from': 'http://other/v1/stream/s' });
  await put({ 'stream-forked-from': '/v1/stream/s', 'stream-fork-offset': '5' });
  await put({ 'stream-fork-offset': offset(0) });
  await kit.refused([400, 'MODEL_TOPIC_NAME_INVALID'], 'PUT', '/v1/stream/x', {
    headers: { 'stream-forked-from': '/v1/stream/../../etc' },
  });
  for (const name of ['a//b', 'a/', '..', 'a%00b', 'a b', 'ü', '%2e%2e/x', 'a'.repeat(300)]) {
    const { status } = await kit.call('PUT', `/v1/stream/${name.replace(' ', '%20')}`);
    assert.ok(status === 400 || status === 404, `${name}: ${status}`);
  }
  const bad = await rawExchange(kit.port, ['GET /v1/stream/%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n']);
  assert.match(bad, /^HTTP\/1\.1 400 /);
  for (const query of [
    'offset=',
    'offset=1&offset=2',
    'offset=0_0',
    'offset=-2',
    'live=sse',
    'offset=-1&live=forever',
  ]) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', `/v1/stream/s?${query}`);
  }
  const post = (headers: Record<string, string>) =>
    kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/stream/s', { ...TEXT, body: 'x', headers });
  await post({ 'producer-id': 'p' });
  await post({ 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '9007199254740992' });
  await post({ 'producer-id': 'p'.repeat(300), 'producer-epoch': '0', 'producer-seq': '0' });
  await post({ 'stream-seq': 's'.repeat(300) });
  await kit.call('PUT', '/v1/stream/j', JSON_TYPE);
  for (const body of ['', '[', '{"a":1}}', '[1,]', '\u0000', '['.repeat(100_000), '[]']) {
    const { status } = await kit.post('/v1/stream/j', body, JSON_TYPE);
    assert.equal(status, 400, body.slice(0, 20));
  }
  await kit.refused([400, 'HTTP_JSON_INVALID'], 'POST', '/v1/stream/j', {
    ...JSON_TYPE,
    body: new Uint8Array([0x22, 0xff, 0x22]),
  });
  await kit.refused([405, 'HTTP_METHOD_NOT_ALLOWED'], 'PATCH', '/v1/stream/s', TEXT);
  await kit.refused([415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'], 'POST', '/v1/stream/s', {
    ...TEXT,
    body: 'x',
    headers: { 'content-encoding': 'br' },
  });
  assert.equal((await kit.get('/v1/stream/s')).text, 'whole');
  assert.equal((await kit.get('/v1/stream/j')).text, '[]');
  await kit.idle();
});

test('chunked bodies cut anywhere are one append; one that never ends is cut off', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxStreamBodyBytes: 1_000 } });
  await kit.call('PUT', '/v1/stream/s', TEXT);
  const head =
    'POST /v1/stream/s HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n';
  const whole = await rawExchange(kit.port, [head, '3\r\n', 'ab', 'c\r\n2', '\r\nde\r', '\n0\r\n', '\r\n']);
  assert.match(whole, /^HTTP\/1\.1 204 [\s\S]*stream-next-offset: 0{15}1_/i);
  const endless = await rawExchange(kit.port, [
    head,
    ...Array.from({ length: 20 }, () => `64\r\n${'x'.repeat(100)}\r\n`),
  ]);
  assert.match(endless, /^HTTP\/1\.1 413 /);
  const cut = await rawExchange(kit.port, [head, '5\r\nab'], { endAfter: true });
  assert.doesNotMatch(cut, /^HTTP\/1\.1 2/);
  assert.equal((await kit.get('/v1/stream/s')).text, 'abcde', 'nothing of what did not arrive whole');
  await kit.idle();
});

test(
  'large answers are whole, at once and one by one, and who leaves while its answer is read holds nothing',
  OPTIONS,
  async () => {
    await using kit = await HttpKit.start();
    const type = 'application/octet-stream';
    await kit.call('PUT', '/v1/stream/s', { type });
    const sent = [300_000, 1, 900_000, 70_000, 40_000, 2_500_000].map((size, i) => Buffer.alloc(size, i + 1));
    for (const body of sent) await kit.post('/v1/stream/s', body, { type });
    const readAll = async (): Promise<Buffer> => {
      const got: Buffer[] = [];
      for (let from = '-1'; ; ) {
        const answer = await fetch(`http://127.0.0.1:${kit.port}/v1/stream/s?offset=${from}`);
        got.push(Buffer.from(await answer.arrayBuffer()));
        from = answer.headers.get('stream-next-offset') ?? '';
        if (answer.headers.get('stream-up-to-date') === 'true') return Buffer.concat(got);
      }
    };
    const whole = Buffer.concat(sent);
    for (const each of await Promise.all([readAll(), readAll(), readAll()])) assert.ok(each.equals(whole));
    assert.ok((await readAll()).equals(whole));
    await kit.idle();
    const { streamReader } = kit.broker;
    const read = streamReader.read.bind(streamReader);
    streamReader.read = async (...call) => {
      const result = await read(...call);
      for (const socket of kit.listener.counters.sockets.keys()) socket.destroy();
      await until(() => kit.listener.counters.sockets.size === 0);
      return result;
    };
    await assert.rejects(kit.get('/v1/stream/s?offset=-1'));
    await kit.idle();
  },
);

test('a reader of events that reads nothing holds one piece and no more', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { stallTimeoutMs: 2_000 } });
  await kit.call('PUT', '/v1/stream/s', { type: 'application/octet-stream' });
  const request = http.get({ port: kit.port, path: '/v1/stream/s?offset=-1&live=sse', agent: false });
  request.on('error', () => {});
  const response = await new Promise<http.IncomingMessage>((resolve) => request.once('response', resolve));
  response.pause();
  response.on('error', () => {});
  const block = Buffer.alloc(512 * 1024, 1);
  // On a slow disk the reader may be cut before the last of them is written.
  let peak = 0;
  const look = (): number => (peak = Math.max(peak, kit.held()['answers'] ?? 0));
  for (let i = 0; i < 24; i++) {
    await kit.post('/v1/stream/s', block, { type: 'application/octet-stream' });
    look();
  }
  await until(() => look() > 0);
  assert.ok(peak <= 1024 * 1024, `${peak} bytes were held`);
  // Nobody waits for it for ever.
  await kit.idle();
});

test('live readers hear of the end and of a deletion at once', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.call('PUT', '/v1/stream/s', TEXT);
  const poll = kit.get(`/v1/stream/s?offset=now&live=long-poll`);
  const events = kit.get(`/v1/stream/s?offset=now&live=sse`);
  await until(() => kit.held()['readers'] === 2);
  await kit.post('/v1/stream/s', undefined, { headers: { 'stream-closed': 'TRUE' } });
  assert.deepEqual([(await poll).status, (await poll).headers.get('stream-closed')], [204, 'true']);
  assert.match((await events).text, /"streamClosed":true/);
  await kit.call('PUT', '/v1/stream/t', TEXT);
  const gone = kit.get(`/v1/stream/t?offset=now&live=long-poll`);
  await until(() => kit.held()['readers'] === 1);
  await kit.call('DELETE', '/v1/stream/t');
  assert.equal((await gone).status, 404);
  await kit.idle();
});
