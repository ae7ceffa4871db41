/**
 * Proves that a plain append to a stream gets the answer that it gets by way of fastify and does the same to the stream,
 * whatever is asked or wrong with it; that its bytes may come in any pieces; and that order is kept on a connection.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpKit, type HttpKitOptions, until } from '../../../../test/kit/http-kit.ts';
import { HttpTalk, type TalkAnswer } from '../../../../test/kit/http-talk.ts';

const OPTIONS = { timeout: 60_000 } as const;
/** Not in the list of what is understood. */
const BY_ROUTE = 'X-By-Route: 1\r\n';
const BYTES = 'application/octet-stream';
const JSON_TYPE = 'application/json';

interface Append {
  readonly stream: string;
  readonly body?: string | Buffer;
  readonly type?: string;
  /** Lines, each with its end. */
  readonly headers?: string;
  /** The route takes it whichever way it is sent. */
  readonly byRoute?: boolean;
}

function post({ stream, body = 'bytes', type = BYTES, headers = '' }: Append): Buffer {
  const bytes = Buffer.from(body as string);
  const head = `POST /v1/stream/${stream} HTTP/1.1\r\nHost: h\r\nContent-Type: ${type}\r\nContent-Length: ${bytes.length}\r\n`;
  return Buffer.concat([Buffer.from(`${head}${headers}\r\n`), bytes]);
}

async function start(options?: HttpKitOptions): Promise<{ kit: HttpKit; byRoute: () => number }> {
  const kit = await HttpKit.start(options);
  let count = 0;
  kit.listener.server.on('request', () => count++);
  return { kit, byRoute: () => count - kit.listener.counters.plainPosts };
}

const producer = (id: string, epoch: number | string, seq: number | string): string =>
  `Producer-Id: ${id}\r\nProducer-Epoch: ${epoch}\r\nProducer-Seq: ${seq}\r\n`;

/** One after the other, each on what those before it made of the streams. */
const APPENDS: readonly Append[] = [
  { stream: 'bytes' },
  { stream: 'bytes', body: Buffer.from([0, 255, 10, 13, 10]) },
  { stream: 'bytes', body: 'x', type: `${BYTES}; charset=utf-8` },
  { stream: 'bytes', body: 'x', type: 'APPLICATION/Octet-Stream' },
  { stream: 'bytes', body: Buffer.alloc(60_000, 7) },
  { stream: 'bytes', body: Buffer.alloc(64 * 1024, 8) },
  { stream: 'bytes', body: Buffer.alloc(64 * 1024 + 1, 9), byRoute: true },
  // Cut into batches of what the topic takes.
  { stream: 'small', body: Buffer.alloc(5_000, 1) },
  { stream: 'json', body: '1', type: JSON_TYPE },
  { stream: 'json', body: ' [{"x" : 1.0}, [2], "\u00e9"] ', type: JSON_TYPE },
  { stream: 'json', body: '[]', type: JSON_TYPE },
  { stream: 'json', body: '[1,', type: JSON_TYPE },
  { stream: 'json', body: Buffer.from([0x22, 0xff, 0x22]), type: JSON_TYPE },
  { stream: 'json', body: `[${'1,'.repeat(2_000)}1]`, type: JSON_TYPE },
  { stream: 'json', body: '['.repeat(600) + ']'.repeat(600), type: JSON_TYPE },
  { stream: 'small-json', body: `["${'x'.repeat(2_000)}"]`, type: JSON_TYPE },
  { stream: 'small-json', body: JSON.stringify(['x'.repeat(600), 'y'.repeat(600)]), type: JSON_TYPE },
  { stream: 'timed', body: 'stamped' },
  // Refused for what the stream is.
  { stream: 'bytes', type: 'text/plain' },
  { stream: 'none' },
  { stream: 'topic' },
  { stream: 'gone' },
  { stream: 'retired' },
  { stream: 'expired' },
  { stream: 'fork', body: 'behind what is inherited' },
  { stream: 'bytes', type: 'text', byRoute: true },
  { stream: 'bytes', body: '', byRoute: true },
  { stream: 'a//b', byRoute: true },
  { stream: 'bytes%20', byRoute: true },
  // What writers say of their order.
  { stream: 'seq', headers: 'Stream-Seq: a\r\n' },
  { stream: 'seq', headers: 'Stream-Seq: B\r\n' },
  { stream: 'seq', headers: 'Stream-Seq: aa\r\n' },
  { stream: 'seq', headers: `Stream-Seq: ${'b'.repeat(257)}\r\n`, byRoute: true },
  { stream: 'seq', headers: producer('p', 0, 1) },
  { stream: 'seq', headers: producer('p', 0, 0) },
  { stream: 'seq', headers: producer('p', 0, 0) },
  { stream: 'seq', headers: producer('p', 0, 1) + 'Stream-Seq: c\r\n' },
  { stream: 'seq', headers: producer('p', 0, 3) },
  { stream: 'seq', headers: producer('p', 2, 1) },
  { stream: 'seq', headers: producer('p', 2, 0) },
  { stream: 'seq', headers: producer('p', 1, 0) },
  { stream: 'seq', headers: producer('p', 'x', 0), byRoute: true },
  { stream: 'seq', headers: 'Producer-Id: p\r\n', byRoute: true },
  // Ends.
  { stream: 'seq', headers: `${producer('p', 2, 1)}Stream-Closed: true\r\n`, body: 'last' },
  { stream: 'seq', headers: `${producer('p', 2, 1)}Stream-Closed: true\r\n`, body: 'last' },
  { stream: 'seq', headers: `${producer('p', 2, 2)}Stream-Closed: true\r\n`, body: 'more' },
  { stream: 'seq' },
  { stream: 'bytes', headers: 'Stream-Closed: no\r\n' },
  { stream: 'bytes', headers: 'stream-closed: TRUE\r\n' },
  { stream: 'bytes', headers: 'Stream-Closed: true\r\n' },
  { stream: 'bytes', headers: 'Stream-Closed: true\r\n', body: '', byRoute: true },
  { stream: 'bytes' },
];

/** The same streams twice: below `plain` and below `route`. */
async function prepare(kit: HttpKit): Promise<void> {
  for (const side of ['plain', 'route']) {
    const put = async (name: string, type: string, headers: Record<string, string> = {}): Promise<void> => {
      const { status, text } = await kit.call('PUT', `/v1/stream/${side}/${name}`, { type, headers });
      assert.equal(status, 201, text);
    };
    const config = { 'max.message.bytes': '1024' };
    for (const name of ['small', 'small-json']) await kit.post('/v1/topics', { name: `${side}/${name}`, config });
    await kit.post('/v1/topics', { name: `${side}/timed`, config: { 'message.timestamp.type': 'LogAppendTime' } });
    await kit.post('/v1/topics', { name: `${side}/topic` });
    for (const name of ['bytes', 'small', 'timed', 'seq', 'gone', 'retired']) await put(name, BYTES);
    for (const name of ['json', 'small-json']) await put(name, JSON_TYPE);
    await put('expired', BYTES, { 'stream-expires-at': new Date(Date.now() + 50).toISOString() });
    await kit.post(`/v1/stream/${side}/retired`, 'inherited', { type: BYTES });
    await put('fork', BYTES, { 'stream-forked-from': `/v1/stream/${side}/retired` });
    for (const name of ['gone', 'retired']) await kit.call('DELETE', `/v1/stream/${side}/${name}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 60));
}

/** Without the name, which only one of them has. */
function blank({ status, headers, body }: TalkAnswer): unknown {
  return [status, headers, JSON.stringify(body).replaceAll(/(?:plain|route)[./]/g, '')];
}

/** Records without their time and the name of their topic. */
function bare(text = ''): string {
  return text.replaceAll(/"(?:timestamp|topic)":[^,}]+|plain\.|route\./g, '');
}

test('a plain append is answered as by way of fastify, and the stream is the same', OPTIONS, async () => {
  const started = await start({ http: { maxRecordsPerRequest: 1_000 } });
  await using kit = started.kit;
  await prepare(kit);
  const counts = (): (readonly [string, number])[] =>
    [...kit.listener.counters.requests].filter(([key]) => key.startsWith('POST /v1/stream/*'));
  const countedBefore = counts().reduce((sum, [, count]) => sum + count, 0);
  using plain = await HttpTalk.open(kit);
  using byRoute = await HttpTalk.open(kit);
  for (const [i, each] of APPENDS.entries()) {
    const byRouteBefore = started.byRoute();
    const answer = await plain.ask(post({ ...each, stream: `plain/${each.stream}` }));
    assert.equal(started.byRoute() - byRouteBefore, each.byRoute === true ? 1 : 0, `append ${i} to ${each.stream}`);
    const stream = `route/${each.stream}`;
    const other = await byRoute.ask(post({ ...each, stream, headers: BY_ROUTE + (each.headers ?? '') }));
    assert.deepEqual(blank(answer), blank(other), `append ${i} to ${each.stream}`);
  }
  await until(() => counts().reduce((sum, [, count]) => sum + count, 0) - countedBefore === 2 * APPENDS.length);
  for (const name of ['bytes', 'small', 'timed', 'seq', 'json', 'small-json', 'fork']) {
    const [one, two] = [await kit.get(`/v1/stream/plain/${name}`), await kit.get(`/v1/stream/route/${name}`)];
    assert.equal(one.text, two.text, name);
    assert.ok(one.text.length > 4, name);
    const offsets = [one, two].map(({ headers }) => headers.get('stream-next-offset'));
    assert.equal(offsets[0], offsets[1], name);
    const [ours, theirs] = await Promise.all(
      ['plain', 'route'].map((side) => kit.get(`/v1/topics/${side}/${name}/records?limit=1000`)),
    );
    assert.equal(bare(ours?.text), bare(theirs?.text), `records of ${name}`);
  }
  await kit.idle();
});

test('bytes may come in any pieces, and order is kept', OPTIONS, async () => {
  const started = await start();
  await using kit = started.kit;
  await kit.call('PUT', '/v1/stream/s', { type: BYTES });
  const request = post({ stream: 's', body: '0123456789' });
  const bodyAt = request.indexOf('\r\n\r\n') + 4;
  using talk = await HttpTalk.open(kit);
  const before = started.byRoute();
  for (const cut of [bodyAt, bodyAt + 1, request.length - 1]) {
    talk.socket.write(request.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal((await talk.ask(request.subarray(cut))).status, 204);
  }
  assert.equal(started.byRoute(), before, 'a body behind its head is plain');
  using drip = await HttpTalk.open(kit);
  for (const byte of request) drip.socket.write(Uint8Array.of(byte));
  assert.equal((await drip.next()).status, 204);
  assert.equal((await kit.get('/v1/stream/s')).text, '0123456789'.repeat(4));
  // Sent ahead, at once and one by one, in both ways in turns.
  await kit.call('PUT', '/v1/stream/order', { type: BYTES });
  using pipe = await HttpTalk.open(kit);
  const sent = Array.from({ length: 40 }, (_, i) =>
    post({ stream: 'order', body: `${i},`, headers: i % 3 === 0 ? BY_ROUTE : '' }),
  );
  pipe.socket.write(Buffer.concat(sent.slice(0, 20)));
  for (const each of sent.slice(20)) {
    pipe.socket.write(each);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = 0; i < 40; i++) {
    const { status, headers } = await pipe.next();
    assert.equal(status, 204);
    assert.ok(
      headers.some((each) => each === `stream-next-offset: ${String(i + 1).padStart(16, '0')}_${'0'.repeat(16)}`),
    );
  }
  assert.equal((await kit.get('/v1/stream/order')).text, Array.from({ length: 40 }, (_, i) => `${i},`).join(''));
  // Who leaves before the body is whole has sent nothing.
  const gone = await HttpTalk.open(kit);
  gone.socket.write(request.subarray(0, -1));
  await until(() => (kit.listener.counters.bodies?.usedBytes ?? 0) > 0);
  gone.socket.destroy();
  await kit.idle();
  assert.equal((await kit.get('/v1/stream/s')).text, '0123456789'.repeat(4));
});

test('quotas, a full budget and pages of other origins send it to the route', OPTIONS, async () => {
  const started = await start({ http: { maxBodiesBytes: 1_000, corsOrigins: ['https://page.example'] } });
  await using kit = started.kit;
  await kit.call('PUT', '/v1/stream/s', { type: BYTES });
  const before = started.byRoute();
  using talk = await HttpTalk.open(kit);
  assert.equal((await talk.ask(post({ stream: 's' }))).status, 204);
  assert.equal(started.byRoute(), before);
  kit.listener.context.bodies.force(998);
  assert.equal((await talk.ask(post({ stream: 's' }))).body['code'], 'HTTP_OVERLOADED');
  kit.listener.context.bodies.give(998);
  using other = await HttpTalk.open(kit);
  const { headers } = await other.ask(post({ stream: 's', headers: 'Origin: https://page.example\r\n' }));
  assert.ok(headers.includes('access-control-allow-origin: https://page.example'));
  assert.equal(started.byRoute(), before + 2);
  assert.equal((await kit.call('PUT', '/v1/quotas/default', { body: { producerByteRate: 1 } })).status, 200);
  assert.equal((await other.ask(post({ stream: 's' }))).status, 204);
  assert.equal((await other.ask(post({ stream: 's' }))).body['code'], 'HTTP_QUOTA_EXCEEDED');
  await kit.call('DELETE', '/v1/quotas/default');
  assert.equal((await other.ask(post({ stream: 's' }))).status, 204);
  await kit.idle();
});
