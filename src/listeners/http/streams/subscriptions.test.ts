/**
 * Proves what the public suite does not of subscriptions: wakes by other protocols' records, leases and retries on a clock
 * moved by hand, fencing, restart in every phase, hostile bodies. Webhooks go to a receiver of the test.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { batchOf, openBroker, produce } from '../../../../test/kit/broker-kit.ts';
import { type Answer, HttpKit, until } from '../../../../test/kit/http-kit.ts';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { TempDirectory } from '../../../../test/kit/temp-directory.ts';
import { HttpListener } from '../listener.ts';

const OPTIONS = { timeout: 60_000 } as const;
const offset = (record: number): string => `${String(record).padStart(16, '0')}_0000000000000000`;
const sub = (id: string, action = ''): string => `/v1/stream/__ds/subscriptions/${id}${action}`;
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

interface Notice {
  readonly wake_id: string;
  readonly generation: number;
  readonly callback_token: string;
  readonly callback_url: string;
  readonly streams: readonly { path: string; acked_offset: string; tail_offset: string; has_pending: boolean }[];
}

class Receiver implements Disposable {
  readonly notices: Notice[] = [];
  /** Status and body of the next answers; the last one stays. */
  answers: (readonly [number, object])[] = [[200, {}]];
  readonly #server = http.createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    request.on('end', () => {
      this.notices.push(JSON.parse(text) as Notice);
      const [status, body] = (this.answers.length > 1 ? this.answers.shift() : this.answers[0]) ?? [200, {}];
      response.writeHead(status).end(JSON.stringify(body));
    });
  });

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async notice(count: number): Promise<Notice> {
    await until(
      () => this.notices.length >= count,
      () => `${this.notices.length} of ${count} notices`,
    );
    return this.notices[count - 1] as Notice;
  }

  [Symbol.dispose](): void {
    this.#server.close().closeAllConnections();
  }
}

/** Waits until something that only answers tell is so. */
async function eventually(ask: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await ask()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail('never so');
}

const acked = async (kit: HttpKit, id: string): Promise<string[]> =>
  ((await kit.get(sub(id))).json.streams as { path: string; acked_offset: string }[]).map(
    (stream) => `${stream.path} ${Number(stream.acked_offset.slice(0, 16))}`,
  );

test('records of every protocol wake; existing streams begin at their end', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using receiver = await Receiver.start();
  receiver.answers = [[200, { done: true }]];
  await kit.call('PUT', '/v1/stream/events/old', { type: 'text/plain', body: 'before' });
  const created = await kit.call('PUT', sub('s'), {
    body: { type: 'webhook', pattern: 'events/**', webhook: { url: receiver.url } },
  });
  assert.equal(created.status, 201);
  assert.deepEqual(created.json.streams, [{ path: 'events/old', link_type: 'glob', acked_offset: offset(1) }]);
  const topic = kit.broker.topics.find('events.old');
  await produce(kit.broker, topic, 0, batchOf(['by', 'kafka']));
  const notice = await receiver.notice(1);
  assert.deepEqual(notice.streams, [
    { path: 'events/old', link_type: 'glob', acked_offset: offset(1), tail_offset: offset(3), has_pending: true },
  ]);
  await eventually(async () => (await acked(kit, 's')).includes('events/old 3'));
  await kit.post('/v1/topics/events.old/records', { value: 'by the records API' });
  assert.equal((await receiver.notice(2)).generation, 2);
  await kit.call('PUT', '/v1/stream/events/new/deep', { type: 'text/plain', body: 'x' });
  await until(() =>
    receiver.notices.some(({ streams }) => streams.some(({ path: name }) => name === 'events/new/deep')),
  );
  await kit.call('PUT', '/v1/stream/other', { type: 'text/plain', body: 'x' });
  await eventually(async () => (await acked(kit, 's')).join() === 'events/old 4,events/new/deep 1');
  await kit.call('DELETE', '/v1/stream/events/new/deep');
  assert.deepEqual(await acked(kit, 's'), ['events/old 4'], 'its cursor goes with the stream');
});

test('a wake in flight takes all that comes; a lease that ends wakes again', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  using receiver = await Receiver.start();
  await kit.call('PUT', '/v1/stream/a', { type: 'text/plain' });
  await kit.call('PUT', sub('s'), {
    body: { type: 'webhook', streams: ['a'], webhook: { url: receiver.url }, lease_ttl_ms: 5_000 },
  });
  await kit.post('/v1/stream/a', '1', { type: 'text/plain' });
  const first = await receiver.notice(1);
  await kit.post('/v1/stream/a', '2', { type: 'text/plain' });
  await kit.post('/v1/stream/a', '3', { type: 'text/plain' });
  clock.advance(4_000);
  const report = { wake_id: first.wake_id, generation: first.generation };
  const heartbeat = await kit.post(sub('s', '/callback'), report, bearer(first.callback_token));
  assert.deepEqual([heartbeat.status, heartbeat.json], [200, { ok: true, next_wake: false }]);
  clock.advance(4_000);
  assert.equal(receiver.notices.length, 1, 'the heartbeat extended the lease');
  const partial = { ...report, acks: [{ stream: 'a', offset: offset(1) }], done: true };
  const done = await kit.post(sub('s', '/callback'), partial, bearer(first.callback_token));
  assert.deepEqual(done.json, { ok: true, next_wake: true });
  const second = await receiver.notice(2);
  assert.deepEqual([second.generation, second.streams[0]?.acked_offset], [2, offset(1)]);
  await kit.refused([409, 'BROKER_SUBSCRIPTION_FENCED'], 'POST', sub('s', '/callback'), {
    body: partial,
    ...bearer(first.callback_token),
  });
  clock.advance(5_001);
  const third = await receiver.notice(3);
  assert.equal(third.generation, 3, 'nobody called back in time');
  assert.equal(kit.broker.subscriptions.counters.leasesExpired, 1);
});

test('failed calls are tried again, later and later, and heal', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  using receiver = await Receiver.start();
  receiver.answers = [
    [500, {}],
    [503, {}],
    [404, {}],
    [200, { done: true }],
  ];
  await kit.call('PUT', '/v1/stream/a', { type: 'text/plain' });
  await kit.call('PUT', sub('s'), {
    body: { type: 'webhook', streams: ['a'], webhook: { url: receiver.url }, lease_ttl_ms: 1_000 },
  });
  await kit.post('/v1/stream/a', '1', { type: 'text/plain' });
  const status = async () => (await kit.get(sub('s'))).json.status as string;
  for (const [failures, delayMs] of [
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
  ] as const) {
    await until(() => kit.broker.subscriptions.counters.webhookFailures === failures);
    await eventually(async () => (await status()) === 'failed');
    clock.advance(delayMs * 0.79);
    assert.equal(receiver.notices.length, failures, 'not yet');
    clock.advance(delayMs * 0.42);
    await receiver.notice(failures + 1);
  }
  assert.deepEqual(
    [...new Set(receiver.notices.map(({ generation }) => generation))],
    [1],
    'one wake, called four times',
  );
  await eventually(async () => (await status()) === 'active' && (await acked(kit, 's')).join() === 'a 1');
});

test('pull-wake: one worker at a time, fenced by generation', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  await kit.call('PUT', '/v1/stream/wake', { type: 'application/json' });
  await kit.call('PUT', '/v1/stream/work/a', { type: 'text/plain' });
  const body = { type: 'pull-wake', pattern: '**', wake_stream: 'wake', lease_ttl_ms: 2_000 };
  assert.equal((await kit.call('PUT', sub('p'), { body })).status, 201);
  assert.equal((await kit.call('PUT', sub('p'), { body })).status, 200);
  await kit.refused([409, 'BROKER_SUBSCRIPTION_EXISTS'], 'PUT', sub('p'), { body: { ...body, lease_ttl_ms: 3_000 } });
  await kit.refused([409, 'BROKER_SUBSCRIPTION_IDLE'], 'POST', sub('p', '/claim'), { body: { worker: 'w' } });
  await kit.post('/v1/stream/work/a', 'x', { type: 'text/plain' });
  const events = async () => (await kit.get('/v1/stream/wake')).json as { generation: number; stream: string }[];
  await eventually(async () => (await events()).length === 1);
  assert.deepEqual((await events())[0], {
    type: 'wake',
    subscription_id: 'p',
    stream: 'work/a',
    generation: 1,
    ts: clock.now(),
  });
  const claim = (worker: string): Promise<Answer> => kit.post(sub('p', '/claim'), { worker });
  const one = (await claim('one')).json;
  const busy = await kit.refused([409, 'BROKER_SUBSCRIPTION_CLAIMED'], 'POST', sub('p', '/claim'), {
    body: { worker: 'two' },
  });
  assert.deepEqual(
    [busy.json.error.code, busy.json.error.current_holder, busy.json.error.generation],
    ['ALREADY_CLAIMED', 'one', 1],
  );
  clock.advance(2_001);
  await eventually(async () => (await events()).length === 2);
  const late = {
    wake_id: one.wake_id,
    generation: one.generation,
    acks: [{ stream: 'work/a', offset: offset(1) }],
    done: true,
  };
  await kit.refused([409, 'BROKER_SUBSCRIPTION_FENCED'], 'POST', sub('p', '/ack'), {
    body: late,
    ...bearer(one.token),
  });
  const two = (await claim('two')).json;
  assert.equal(two.generation, 2);
  const now = { wake_id: two.wake_id, generation: 2 };
  // A token of another generation does not pass with the right numbers.
  await kit.refused([409, 'BROKER_SUBSCRIPTION_FENCED'], 'POST', sub('p', '/ack'), { body: now, ...bearer(one.token) });
  for (const bad of [offset(2), offset(9), '-1', 'x']) {
    await kit.refused([409, 'BROKER_SUBSCRIPTION_OFFSET_INVALID'], 'POST', sub('p', '/ack'), {
      body: { ...now, acks: [{ stream: 'work/a', offset: bad }] },
      ...bearer(two.token),
    });
  }
  assert.equal((await kit.post(sub('p', '/release'), now, bearer(two.token))).status, 204);
  await eventually(async () => (await events()).length === 3);
  assert.equal((await claim('three')).json.generation, 3);
});

test('a restart goes on in every phase', OPTIONS, async () => {
  using directory = new TempDirectory();
  using receiver = await Receiver.start();
  const data = path.join(directory.path, 'data');
  const clock = new ManualClock();
  const open = async () => {
    const broker = await openBroker(data, { clock });
    const listener = await HttpListener.start({ broker, host: '127.0.0.1', port: 0 });
    const call = async (method: string, name: string, body?: object | string, headers: Record<string, string> = {}) => {
      const text = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      const type = { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' };
      const answer = await fetch(`http://127.0.0.1:${listener.address.port}${name}`, {
        method,
        ...text,
        headers: { ...type, ...headers },
      });
      const answered = await answer.text();
      return {
        status: answer.status,
        json: answered.startsWith('{') ? (JSON.parse(answered) as Record<string, unknown>) : {},
      };
    };
    const close = async (): Promise<void> => {
      await listener.stop();
      await broker.close();
    };
    return { broker, call, close };
  };
  let server = await open();
  await server.call('PUT', '/v1/stream/a', 'x');
  await server.call('PUT', '/v1/stream/wake', {});
  await server.call('PUT', sub('claimed'), {
    type: 'pull-wake',
    streams: ['a'],
    wake_stream: 'wake',
    lease_ttl_ms: 60_000,
  });
  receiver.answers = [[500, {}]];
  await server.call('PUT', sub('failed'), { type: 'webhook', streams: ['a'], webhook: { url: receiver.url } });
  const [keysBefore] = await server.broker.subscriptions.keys();
  await server.call('POST', '/v1/stream/a', 'y');
  await until(
    () =>
      server.broker.subscriptions.counters.webhookFailures === 1 && server.broker.subscriptions.counters.wakes === 2,
  );
  const { json: claim } = await server.call('POST', sub('claimed', '/claim'), { worker: 'w' });
  await until(() => server.broker.subscriptions.get('failed').wake.retryCount === 1);
  await server.close();

  server = await open();
  const [keysAfter] = await server.broker.subscriptions.keys();
  assert.deepEqual(keysAfter, keysBefore, 'receivers go on with the keys that they have');
  const report = {
    wake_id: claim['wake_id'],
    generation: claim['generation'],
    acks: [{ stream: 'a', offset: offset(2) }],
    done: true,
  };
  const ack = await server.call('POST', sub('claimed', '/ack'), report, {
    authorization: `Bearer ${String(claim['token'])}`,
  });
  assert.deepEqual([ack.status, ack.json], [200, { ok: true, next_wake: false }], 'a claim outlives the broker');
  assert.equal(receiver.notices.length, 1, 'the retry waits for its time');
  receiver.answers = [[200, { done: true }]];
  clock.advance(1_300);
  assert.equal((await receiver.notice(2)).generation, 1);
  await until(() => server.broker.subscriptions.get('failed').links.get('a')?.ackedOffset === 2);
  await server.close();

  // Into a checkpoint and out of it.
  const filler = await openBroker(data, { clock, settings: { journalFileBytes: 1024 * 1024, checkpointBytes: 1024 } });
  const topic = await filler.topics.create({ name: 'filler' });
  for (let i = 0; i < 3; i++) await produce(filler, topic, 0, batchOf(['x'.repeat(900_000)]));
  await until(() => filler.checkpointer.waitingFiles === 0);
  await filler.close();

  server = await open();
  await server.call('POST', '/v1/stream/a', 'z');
  assert.equal((await receiver.notice(3)).generation, 2, 'and new records wake after it');
  await server.close();
});

test('hostile bodies and tokens are refused', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const valid = { type: 'pull-wake', streams: ['a'], wake_stream: 'w' };
  const bodies: readonly unknown[] = [
    {},
    [],
    null,
    1,
    'x',
    { ...valid, type: 'push' },
    { ...valid, streams: 'a' },
    { ...valid, streams: [1] },
    { ...valid, streams: ['w'] },
    { ...valid, wake_stream: 7 },
    { ...valid, wake_stream: undefined },
    { ...valid, lease_ttl_ms: 999 },
    { ...valid, lease_ttl_ms: 600_001 },
    { ...valid, lease_ttl_ms: '1000' },
    { ...valid, lease_ttl_ms: 1000.5 },
    { ...valid, description: 'x'.repeat(2_000) },
    { ...valid, streams: [], pattern: '' },
    { type: 'webhook', streams: ['a'] },
    { type: 'webhook', streams: ['a'], webhook: 'x' },
    { type: 'webhook', streams: ['a'], webhook: { url: 7 } },
    { ...valid, streams: ['__ds/x'] },
    { ...valid, streams: ['../x'] },
    { ...valid, pattern: 'a[' },
    { ...valid, pattern: '***' },
    { ...valid, pattern: 'x'.repeat(900) },
  ];
  for (const body of bodies) {
    const { status, json } = await kit.call('PUT', sub('s'), {
      body: JSON.stringify(body) ?? '',
      type: 'application/json',
    });
    assert.ok(
      (status === 400 || status === 404) && typeof json.error.code === 'string',
      `${JSON.stringify(body)}: ${status}`,
    );
  }
  for (const text of ['', '{', '{"type":"pull-wake"}}', '['.repeat(50_000), '\ud800']) {
    assert.equal((await kit.call('PUT', sub('s'), { body: text, type: 'application/json' })).status, 400);
  }
  for (const url of ['http://10.0.0.1/', 'https://169.254.169.254/', 'gopher://x/', 'https://[::1]/']) {
    const body = { type: 'webhook', streams: ['a'], webhook: { url } };
    assert.equal(
      (await kit.refused([400, 'HTTP_WEBHOOK_URL_REJECTED'], 'PUT', sub('s'), { body })).json.error.code,
      'WEBHOOK_URL_REJECTED',
    );
  }
  assert.equal(kit.broker.subscriptions.size, 0);
  await kit.call('PUT', sub('s'), { body: valid });
  const report = { wake_id: 'w', generation: 0 };
  for (const token of ['x', 'a.b', `${'A'.repeat(5_000)}.x`, 'eyJ9.AAAA', '..']) {
    await kit.refused([401, 'HTTP_TOKEN_INVALID'], 'POST', sub('s', '/ack'), { body: report, ...bearer(token) });
  }
  await kit.refused([401, 'HTTP_TOKEN_INVALID'], 'POST', sub('s', '/release'), { body: report });
  await kit.refused([404, 'BROKER_SUBSCRIPTION_NOT_FOUND'], 'GET', sub('none'));
  await kit.refused([404, 'BROKER_SUBSCRIPTION_NOT_FOUND'], 'POST', sub('none', '/claim'), { body: { worker: 'w' } });
  await kit.refused([404, 'HTTP_ROUTE_NOT_FOUND'], 'GET', '/v1/stream/__ds/other');
  await kit.refused([400, 'BROKER_REQUEST_INVALID'], 'POST', sub('s', '/callback'), { body: report, ...bearer('a.b') });
  for (const id of ['x'.repeat(300), '%00%ff']) assert.ok((await kit.get(sub(id))).status >= 400);
  assert.equal((await kit.call('DELETE', sub('s'))).status, 204);
  assert.equal((await kit.call('DELETE', sub('s'))).status, 204);
});

test(
  'links by name: added where they end, removed without the glob, kept for a stream made anew',
  OPTIONS,
  async () => {
    await using kit = await HttpKit.start();
    using receiver = await Receiver.start();
    await kit.call('PUT', '/v1/stream/g/a', { type: 'text/plain', body: 'x' });
    const body = { type: 'webhook', pattern: 'g/*', streams: ['later'], webhook: { url: receiver.url } };
    await kit.call('PUT', sub('s'), { body });
    const links = async () =>
      ((await kit.get(sub('s'))).json.streams as { path: string; link_type: string }[])
        .map((link) => `${link.path} ${link.link_type}`)
        .sort();
    assert.deepEqual(await links(), ['g/a glob', 'later explicit']);
    assert.equal((await kit.post(sub('s', '/streams'), { streams: ['g/a', 'b'] })).status, 204);
    assert.deepEqual(await links(), ['b explicit', 'g/a explicit', 'later explicit']);
    assert.equal((await kit.call('DELETE', sub('s', '/streams/g%2Fa'))).status, 204);
    assert.equal((await kit.call('DELETE', sub('s', '/streams/b'))).status, 204);
    assert.equal((await kit.call('DELETE', sub('s', '/streams/never/there'))).status, 204);
    assert.deepEqual(await links(), ['g/a glob', 'later explicit']);
    await kit.call('PUT', '/v1/stream/later', { type: 'text/plain', body: 'first' });
    assert.equal((await receiver.notice(1)).streams.find(({ path: name }) => name === 'later')?.has_pending, true);
    await kit.call('DELETE', '/v1/stream/later');
    assert.deepEqual(await links(), ['g/a glob', 'later explicit']);
  },
);
