/**
 * Proves that a plain POST gets the answer that it gets by way of fastify, whatever is wrong with it; that its bytes may come
 * in any pieces; that everything else, sent on the same connection, is served as before; and that nothing stays held.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpKit, type HttpKitOptions, rawExchange, until } from '../../../../test/kit/http-kit.ts';
import { HttpTalk } from '../../../../test/kit/http-talk.ts';

const OPTIONS = { timeout: 60_000 } as const;
/** Not in the list of what is understood. */
const BY_ROUTE = 'X-By-Route: 1\r\n';

interface Post {
  readonly target?: string;
  readonly body?: string;
  readonly headers?: string;
}

function post({ target = '/v1/topics/t/records', body = '{"value":1}', headers = '' }: Post = {}): string {
  const length = Buffer.byteLength(body);
  return `POST ${target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${headers}\r\n${body}`;
}

/** A broker, and a count of the requests that the routes got. */
async function start(options?: HttpKitOptions): Promise<{ kit: HttpKit; byRoute: () => number }> {
  const kit = await HttpKit.start(options);
  let count = 0;
  kit.listener.server.on('request', () => count++);
  return { kit, byRoute: () => count - kit.listener.counters.plainPosts };
}

const POSTS: readonly Post[] = [
  {},
  { body: ' {"key":"k","value":{"x" : 1.0},"headers":{"h":"v"},"timestamp":5} ' },
  { body: '{"value":"\u00e9\ud83d\ude00"}' },
  { body: '[{"value":1},{"value":null}]' },
  { body: '[]' },
  { target: '/v1/topics/t/records?ack=written' },
  { target: '/v1/topics/t/records?ack=admitted' },
  { target: '/v1/topics/t/records?format=text', body: '{"value":"text"}' },
  { target: '/v1/topics/t/records?partition=0' },
  { target: '/v1/topics/three/records', body: '{"key":"some key","value":1}' },
  { target: '/v1/topics/three/records?partition=2' },
  { target: '/v1/topics/once/records', body: '{"value":1,"headers":{"message-id":"m1"}}' },
  { target: '/v1/topics/compacted/records', body: '{"key":"k","value":1}' },
  { target: '/v1/topics/zstd/records', body: '{"key":"k","value":1}' },
  // Refused.
  { target: '/v1/topics/t/records?partition=7' },
  { target: '/v1/topics/three/records', body: '{"value":1,"partition":9}' },
  { target: '/v1/topics/t/records?format=text', body: '{"value":1}' },
  { target: '/v1/topics/compacted/records', body: '{"value":1}' },
  { target: '/v1/topics/small/records', body: `{"value":"${'x'.repeat(2_000)}"}` },
  { target: '/v1/topics/small/records', body: `[{"value":"${'x'.repeat(2_000)}"}]` },
  { body: '{' },
  { body: '{"value":1} {"value":2}' },
  { body: '{"value":1,"value":2}' },
  { body: '{"velue":1}' },
  { body: '"text"' },
  { body: '{"value":"\\ud800"}' },
  { body: `{"value":${'['.repeat(600)}${']'.repeat(600)}}` },
];

/** Without what a second request must have different. */
function blank(body: unknown): string {
  return JSON.stringify(body).replaceAll(/"baseOffset":\d+|,"repeats":1/g, '');
}

test('a plain POST is answered as by way of fastify', OPTIONS, async () => {
  const started = await start();
  await using kit = started.kit;
  const topics = [
    { name: 't' },
    { name: 'three', partitions: 3 },
    { name: 'once', config: { 'dedup.window.ms': '60000' } },
    { name: 'compacted', config: { 'cleanup.policy': 'compact' } },
    { name: 'zstd', config: { 'compression.type': 'zstd' } },
    { name: 'small', config: { 'max.message.bytes': '1024' } },
  ];
  for (const topic of topics) assert.equal((await kit.post('/v1/topics', topic)).status, 201, topic.name);
  const before = started.byRoute();
  using plain = await HttpTalk.open(kit);
  using byRoute = await HttpTalk.open(kit);
  for (const each of POSTS) {
    const one = await plain.ask(post(each));
    const other = await byRoute.ask(post({ ...each, headers: BY_ROUTE }));
    // The second record stands behind the first, where it was not known from it.
    const offsetsOf = ({ body }: typeof one): number[] =>
      ((body['partitions'] ?? []) as { baseOffset: number }[]).map(({ baseOffset }) => baseOffset);
    assert.deepEqual([one.status, one.headers, blank(one.body)], [other.status, other.headers, blank(other.body)]);
    if (each.target?.includes('once') === true) assert.deepEqual(offsetsOf(one), offsetsOf(other));
    else assert.ok(offsetsOf(other).every((offset, i) => offset > (offsetsOf(one)[i] as number)));
  }
  assert.equal(started.byRoute() - before, POSTS.length, 'half of them came to the route');
  const counted = [...kit.listener.counters.requests].filter(([key]) => key.includes('/:name/records'));
  await until(() => counted.reduce((sum, [, count]) => sum + count, 0) === 2 * POSTS.length);
  await kit.idle();
});

test('a topic that is not there is made by a good request, and only by a good one', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using talk = await HttpTalk.open(kit);
  const target = '/v1/topics/new/one/records';
  assert.equal((await talk.ask(post({ target, body: '{"velue":1}' }))).body['code'], 'HTTP_REQUEST_INVALID');
  assert.equal(kit.broker.topics.find('new.one'), undefined);
  const { status, body } = await talk.ask(post({ target }));
  assert.deepEqual([status, body['topic'], body['count']], [200, 'new.one', 1]);
  await using strict = await HttpKit.start({ broker: { autoCreateTopics: false } });
  using other = await HttpTalk.open(strict);
  assert.equal((await other.ask(post({ target }))).body['code'], 'BROKER_TOPIC_NOT_FOUND');
});

test('bytes may come in any pieces, and several requests at once', OPTIONS, async () => {
  const started = await start();
  await using kit = started.kit;
  await kit.post('/v1/topics', { name: 't' });
  const before = started.byRoute();
  const request = post({ body: '{"value":"\u00e9"}' });
  const bytes = Buffer.from(request);
  const bodyAt = bytes.indexOf('\r\n\r\n') + 4;
  using talk = await HttpTalk.open(kit);
  for (const cut of [bodyAt, bodyAt + 1, bytes.length - 1]) {
    talk.socket.write(bytes.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal((await talk.ask(bytes.subarray(cut))).status, 200);
  }
  assert.equal(started.byRoute(), before, 'a body behind its head is plain');
  for (const cut of [1, 10, bodyAt - 2]) {
    using other = await HttpTalk.open(kit);
    other.socket.write(bytes.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal((await other.ask(bytes.subarray(cut))).status, 200);
  }
  using drip = await HttpTalk.open(kit);
  for (const byte of bytes) drip.socket.write(Uint8Array.of(byte));
  assert.equal((await drip.next()).status, 200);
  using pipe = await HttpTalk.open(kit);
  pipe.socket.write(request.repeat(3));
  const offsets = [await pipe.next(), await pipe.next(), await pipe.next()].map(
    ({ body }) => (body['partitions'] as { baseOffset: number }[])[0]?.baseOffset ?? -1,
  );
  assert.deepEqual(offsets, [7, 8, 9], 'in the order in which they were sent');
  // One by one, without waiting for the answers.
  using ahead = await HttpTalk.open(kit);
  for (let i = 0; i < 20; i++) {
    ahead.socket.write(request);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 20; i++) {
    const [place] = (await ahead.next()).body['partitions'] as { baseOffset: number }[];
    assert.equal(place?.baseOffset, 10 + i);
  }
  await kit.idle();
});

test('a connection that turns to something else is the routes\u2019', OPTIONS, async () => {
  const started = await start();
  await using kit = started.kit;
  using talk = await HttpTalk.open(kit);
  assert.equal((await talk.ask(post())).status, 200);
  const { body } = await talk.ask('GET /v1/topics/t HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.equal(body['name'], 't');
  assert.equal((await talk.ask(post())).status, 200);
  assert.equal(started.byRoute(), 1);
  const chunked = 'POST /v1/topics/t/records HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n';
  using other = await HttpTalk.open(kit);
  assert.equal((await other.ask(post())).status, 200);
  const answer = await other.ask(`${chunked}Transfer-Encoding: chunked\r\n\r\nb\r\n{"value":1}\r\n0\r\n\r\n`);
  assert.equal(answer.status, 200);
  using both = await HttpTalk.open(kit);
  const smuggled = `${chunked}Content-Length: 11\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
  assert.equal((await both.ask(smuggled)).status, 400);
  await kit.idle();
});

test('quotas, a full budget and a stop send it to the route', OPTIONS, async () => {
  const started = await start({ http: { maxBodiesBytes: 1_000 } });
  await using kit = started.kit;
  using talk = await HttpTalk.open(kit);
  assert.equal((await talk.ask(post())).status, 200);
  kit.listener.context.bodies.force(995);
  assert.equal((await talk.ask(post())).body['code'], 'HTTP_OVERLOADED');
  kit.listener.context.bodies.give(995);
  assert.equal(started.byRoute(), 1);
  using limited = await HttpTalk.open(kit);
  assert.equal((await limited.ask(post())).status, 200);
  const quota = await kit.call('PUT', '/v1/quotas/default', { body: { producerByteRate: 1 } });
  assert.equal(quota.status, 200, quota.text);
  assert.equal((await limited.ask(post())).status, 200);
  assert.equal((await limited.ask(post())).body['code'], 'HTTP_QUOTA_EXCEEDED');
  assert.equal(started.byRoute(), 4, 'with the one that set the quota');
  await kit.call('DELETE', '/v1/quotas/default');
  using idle = await HttpTalk.open(kit);
  assert.equal((await idle.ask(post())).status, 200);
  using fresh = await HttpTalk.open(kit);
  await until(() => kit.listener.counters.sockets.size >= 3);
  const startedAt = performance.now();
  await kit.listener.stop({ deadlineMs: 20_000 });
  assert.ok(performance.now() - startedAt < 15_000, 'idle connections do not hold up a stop');
  await until(() => idle.socket.destroyed && fresh.socket.destroyed);
});

test('who sends half a request gets a word, and its bytes are given back', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { requestTimeoutMs: 300, headersTimeoutMs: 200 } });
  const [slow, cut, gone] = await Promise.all([
    rawExchange(kit.port, [post().slice(0, -3)]),
    rawExchange(kit.port, [post().slice(0, -3)], { endAfter: true }),
    HttpTalk.open(kit),
  ]);
  assert.match(slow, /^HTTP\/1\.1 408 /);
  assert.match(cut, /^HTTP\/1\.1 400 /);
  gone.socket.write(post().slice(0, -3));
  await until(() => (kit.listener.counters.bodies?.usedBytes ?? 0) > 0);
  gone.socket.destroy();
  await kit.idle();
  await until(() => kit.listener.counters.sockets.size === 0);
});

test('an idle connection is closed after its time', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { keepAliveTimeoutMs: 200 } });
  using talk = await HttpTalk.open(kit);
  assert.equal((await talk.ask(post())).status, 200);
  await until(() => talk.socket.destroyed || talk.socket.readableEnded);
});

test('what is sent ahead keeps its order, whichever way it goes', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const many = JSON.stringify(Array.from({ length: 5_000 }, () => ({ value: 1 })));
  // Several turns of the event loop, and a topic that has to be made.
  for (const [topic, headers] of [
    ['by-node', BY_ROUTE],
    ['plain', ''],
  ] as const) {
    const target = `/v1/topics/${topic}/records`;
    using talk = await HttpTalk.open(kit);
    talk.socket.write(post({ target, body: many, headers }) + post({ target }) + post({ target, headers: BY_ROUTE }));
    const offsets: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { body } = await talk.next();
      offsets.push((body['partitions'] as { baseOffset: number }[])[0]?.baseOffset ?? -1);
    }
    assert.deepEqual(offsets, [0, 5_000, 5_001], topic);
  }
  await kit.idle();
});
