/**
 * Proves deliveries over a real broker to an application of the test: order, offset verification, partial acceptance,
 * retries on a clock moved by hand, dead letters, pause, restart, and applications that misbehave. That the effect is
 * exactly once while everything is killed: `test/soak/push-kill-9.slice.ts`.
 */
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBroker } from '../../../../test/kit/broker-kit.ts';
import { HttpKit, until } from '../../../../test/kit/http-kit.ts';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { TempDirectory } from '../../../../test/kit/temp-directory.ts';
import { TransactionalWriter } from '../../../../test/kit/transactional-writer.ts';
import { HttpListener } from '../listener.ts';
import { parsePushAnswer } from './push-answer.ts';

const OPTIONS = { timeout: 60_000 } as const;

interface Delivery {
  readonly push: string;
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly attempt: number;
  readonly lost?: number;
  readonly records: readonly { readonly offset: number; readonly value: string }[];
}

type Answer = readonly [status: number, body: unknown];

/** An application: by default one that verifies offsets and applies what it gets. */
class Application implements Disposable {
  readonly deliveries: Delivery[] = [];
  readonly requests: { readonly headers: http.IncomingHttpHeaders; readonly text: string }[] = [];
  /** By `topic/partition`. */
  readonly offsets = new Map<string, number>();
  readonly applied: string[] = [];
  /** Answers instead of the application, while it gives something. */
  instead: (delivery: Delivery) => Answer | undefined = () => undefined;
  readonly #server = http.createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    request.on('end', () => {
      this.requests.push({ headers: request.headers, text });
      const delivery = JSON.parse(text) as Delivery;
      this.deliveries.push(delivery);
      const [status, body] = this.instead(delivery) ?? this.apply(delivery);
      response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });

  static async start(): Promise<Application> {
    const application = new Application();
    application.#server.listen(0, '127.0.0.1');
    await once(application.#server, 'listening');
    return application;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  apply({ topic, partition, fromOffset, nextOffset, records }: Delivery): Answer {
    const place = `${topic}/${partition}`;
    const stored = this.offsets.get(place) ?? 0;
    if (fromOffset !== stored) return [200, { code: 'incorrect_base_offset', offset: stored }];
    this.applied.push(...records.map(({ value }) => value));
    this.offsets.set(place, nextOffset);
    return [200, { code: 'ok' }];
  }

  [Symbol.dispose](): void {
    this.#server.close().closeAllConnections();
  }
}

async function write(kit: HttpKit, topic: string, ...values: readonly string[]): Promise<void> {
  const { status } = await kit.post(
    `/v1/topics/${topic}/records?partition=0`,
    values.map((valueText) => ({ valueText })),
  );
  assert.equal(status, 200);
}

function put(kit: HttpKit, application: Application, body: object = {}, id = 'p') {
  return kit.call('PUT', `/v1/push/${id}`, { body: { match: 't', url: application.url, ...body } });
}

/** Lets time pass until something is so. */
async function passing(clock: ManualClock, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await condition()) return;
    clock.advance(100);
    await sleep(1);
  }
  assert.fail('never so');
}

test('records are delivered in order, those that come later too; new topics that match as well', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using application = await Application.start();
  await write(kit, 'food.eggs', 'a', 'b');
  const created = await put(kit, application, { match: ['food/**'], maxRecords: 2 });
  assert.deepEqual([created.status, created.headers.get('location')], [201, '/v1/push/p']);
  await until(() => application.applied.length === 2);
  await write(kit, 'food.eggs', 'c', 'd', 'e');
  await write(kit, 'food.new.deep', 'f');
  await write(kit, 'drinks', 'no');
  await until(() => application.applied.length === 6);
  assert.deepEqual(
    application.applied.filter((value) => value !== 'f'),
    ['a', 'b', 'c', 'd', 'e'],
  );
  const [first] = application.deliveries;
  assert.deepEqual(first, {
    push: 'p',
    topic: 'food.eggs',
    partition: 0,
    fromOffset: 0,
    nextOffset: 2,
    endOffset: 2,
    attempt: 1,
    records: first?.records,
  });
  assert.ok(application.deliveries.every(({ records }) => records.length <= 2));
  const view = (await kit.get('/v1/push/p')).json;
  assert.deepEqual([view.lag, view.paused, view.partitionCount], [0, false, 2]);
  const { counters } = kit.broker.pushes;
  assert.deepEqual([counters.records, counters.failures], [6, 0]);
  await kit.idle();
});

test('deliveries are signed with the key of the broker', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using application = await Application.start();
  await write(kit, 't', 'a');
  await put(kit, application);
  await until(() => application.requests.length === 1);
  const { headers, text } = application.requests[0] ?? assert.fail();
  const signature = /^t=(\d+),kid=([^,]+),ed25519=(.+)$/.exec(String(headers['webhook-signature']));
  const { keys } = JSON.parse((await kit.get('/v1/stream/__ds/jwks.json')).text);
  assert.equal(keys[0].kid, signature?.[2]);
  const key = createPublicKey({ key: keys[0], format: 'jwk' });
  const signed = Buffer.from(signature?.[3] ?? '', 'base64url');
  assert.ok(verify(null, Buffer.from(`${signature?.[1]}.${text}`), key, signed));
  assert.equal(headers['millrace-push'], 'p');
});

test('the application says where it is, and how much it took', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using application = await Application.start();
  await write(kit, 't', 'a', 'b', 'c', 'd');
  application.offsets.set('t/0', 3);
  await put(kit, application);
  await until(() => application.applied.length === 1);
  assert.deepEqual(application.applied, ['d'], 'it was at 3 before');
  // One at a time, of however many.
  application.instead = (delivery) => {
    const { records, fromOffset } = delivery;
    application.applied.push(...records.slice(0, 1).map(({ value }) => value));
    application.offsets.set('t/0', fromOffset + 1);
    return [200, { code: 'ok', acceptedOffset: fromOffset + 1 }];
  };
  await write(kit, 't', 'e', 'f', 'g');
  await until(() => application.applied.length === 4);
  assert.deepEqual(application.applied, ['d', 'e', 'f', 'g']);
  // Its database was restored from a backup.
  application.instead = () => undefined;
  application.offsets.set('t/0', 1);
  await write(kit, 't', 'h');
  await until(() => application.applied.length === 11);
  assert.deepEqual(application.applied.slice(4), ['b', 'c', 'd', 'e', 'f', 'g', 'h']);
  assert.equal(kit.broker.pushes.counters.rewinds, 2);
  await kit.idle();
});

test('what fails is tried again, later each time; others go on', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  using application = await Application.start();
  await write(kit, 't', 'a', 'b');
  await write(kit, 'other', 'x');
  let failing = true;
  application.instead = ({ topic }) => (failing && topic === 't' ? [500, 'database is down'] : undefined);
  await put(kit, application, { match: ['t', 'other'] });
  await until(() => application.applied.includes('x') && kit.broker.pushes.counters.failures === 1);
  const attempts = () => application.deliveries.filter(({ topic }) => topic === 't');
  for (const delayMs of [250, 500, 1_000]) {
    const before = attempts().length;
    await until(() => kit.broker.pushes.counters.failures === before);
    clock.advance(delayMs * 0.79);
    await sleep(5);
    assert.equal(attempts().length, before, 'not yet');
    clock.advance(delayMs * 0.42);
    await until(() => attempts().length === before + 1);
  }
  assert.deepEqual(
    attempts().map(({ attempt, records }) => [attempt, records.length]),
    [
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 2],
    ],
  );
  await until(() => kit.broker.pushes.counters.failures === 4);
  const [partition] = (await kit.get('/v1/push/p')).json.partitions;
  assert.deepEqual([partition.topic, partition.state, partition.failures, partition.lag], ['t', 'waiting', 4, 2]);
  assert.equal(partition.lastError, 'status 500: database is down');
  assert.ok(Date.parse(partition.nextAttemptAt) > clock.now());
  failing = false;
  // Resuming tries at once.
  assert.equal((await kit.post('/v1/push/p/resume', undefined)).status, 200);
  await until(() => application.applied.length === 3);
  assert.deepEqual(application.applied, ['x', 'a', 'b']);
  await kit.idle();
});

test('a record that is never taken goes to the dead letters, and the rest goes on', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  using application = await Application.start();
  await kit.post('/v1/topics/t/records', [
    { valueText: 'a' },
    { valueText: 'poison', key: 'k', headers: { h: 'v' }, timestamp: 5 },
    { valueText: 'b' },
    { valueText: 'poison 2' },
    { valueText: 'c' },
  ]);
  application.instead = ({ records }) =>
    records.some(({ value }) => value.startsWith('poison')) ? [422, 'cannot parse'] : undefined;
  await put(kit, application, { match: ['**'], maxAttempts: 3, deadLetterTopic: 'dead/letters' });
  await passing(clock, () => application.applied.length === 3);
  assert.deepEqual(application.applied, ['a', 'b', 'c']);
  assert.equal(application.offsets.get('t/0'), 5, 'the application verified every step');
  const { json } = await kit.get('/v1/topics/dead.letters/records');
  assert.deepEqual(json.records[0], {
    topic: 'dead.letters',
    partition: 0,
    offset: 0,
    timestamp: 5,
    key: 'k',
    value: 'poison',
    headers: [
      { name: 'h', value: 'v' },
      { name: 'millrace-push', value: 'p' },
      { name: 'millrace-push-error', value: 'status 422: cannot parse' },
      { name: 'millrace-parent', value: 't/0/1' },
    ],
  });
  assert.deepEqual(
    json.records.map(({ value }: { value: string }) => value),
    ['poison', 'poison 2'],
  );
  const tries = application.deliveries.filter(({ records }) => records.length === 1 && records[0]?.offset === 1);
  assert.equal(tries.length, 2, 'the first try was among others');
  assert.ok(
    application.deliveries.every(({ topic }) => topic === 't'),
    'dead letters are not delivered',
  );
  assert.equal(kit.broker.pushes.counters.deadLetters, 2);
  await kit.idle();
});

test('paused and resumed; changed; deleted', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using application = await Application.start();
  using second = await Application.start();
  await write(kit, 't', 'old');
  await put(kit, application, { start: 'latest' });
  await write(kit, 't', 'a');
  await until(() => application.deliveries.length >= 1);
  application.offsets.set('t/0', 1);
  await until(() => application.applied.length >= 1 || application.offsets.get('t/0') === 2);
  assert.equal((await kit.post('/v1/push/p/pause', undefined)).json.paused, true);
  const before = application.deliveries.length;
  await write(kit, 't', 'b');
  await sleep(30);
  assert.equal(application.deliveries.length, before);
  assert.equal((await kit.get('/v1/push')).json.pushes[0].paused, true);
  second.offsets.set('t/0', application.offsets.get('t/0') ?? 0);
  const changed = await put(kit, second, { maxRecords: 7 });
  assert.deepEqual([changed.status, changed.json.maxRecords, changed.json.paused], [200, 7, true]);
  await kit.post('/v1/push/p/resume', undefined);
  await until(() => second.applied.includes('b'));
  assert.equal(application.deliveries.length, before);
  assert.equal((await kit.call('DELETE', '/v1/push/p')).status, 204);
  assert.equal((await kit.call('DELETE', '/v1/push/p')).status, 204);
  await write(kit, 't', 'c');
  await sleep(30);
  assert.ok(!second.applied.includes('c'));
  await kit.refused([404, 'BROKER_PUSH_NOT_FOUND'], 'GET', '/v1/push/p');
  await kit.refused([404, 'BROKER_PUSH_NOT_FOUND'], 'POST', '/v1/push/p/pause');
  assert.deepEqual((await kit.get('/v1/push')).json, { pushes: [], nextCursor: null });
  await kit.idle();
});

test('records that were deleted before they were delivered are told of', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using application = await Application.start();
  await put(kit, application);
  await write(kit, 't', 'a');
  await until(() => application.applied.length === 1);
  await kit.post('/v1/push/p/pause', undefined);
  await write(kit, 't', 'b', 'c', 'd');
  await kit.call('DELETE', '/v1/topics/t/records?before=3');
  await kit.post('/v1/push/p/resume', undefined);
  await until(() => application.applied.length === 2);
  const last = application.deliveries.at(-1);
  assert.deepEqual([last?.fromOffset, last?.lost, last?.nextOffset, last?.records[0]?.value], [1, 2, 4, 'd']);
});

test('transactions: aborted records are not delivered, open ones wait', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using application = await Application.start();
  await kit.post('/v1/topics', { name: 't' });
  await put(kit, application);
  const aborting = await TransactionalWriter.start(kit.broker, 'aborting');
  await aborting.write('t', 0, 'never');
  await aborting.end(false);
  const committing = await TransactionalWriter.start(kit.broker, 'committing');
  await committing.write('t', 0, 'a');
  await sleep(20);
  assert.deepEqual(application.deliveries, []);
  await committing.end(true);
  await until(() => application.applied.length === 1);
  assert.deepEqual(application.applied, ['a']);
  await until(() => kit.broker.pushes.lag(kit.broker.pushes.get('p')) === 0);
});

test('a restart goes on where it was, with and without a checkpoint', OPTIONS, async () => {
  using directory = new TempDirectory();
  using application = await Application.start();
  const settings = { journalFileBytes: 64 * 1024 };
  const topics = ['t', 'u'];
  for (let round = 0; round < 3; round++) {
    const broker = await openBroker(directory.path, { settings });
    const listener = await HttpListener.start({ broker, host: '127.0.0.1', port: 0 });
    const call = (method: string, path: string, body: unknown) =>
      fetch(`http://127.0.0.1:${listener.address.port}${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    if (round === 0) await call('PUT', '/v1/push/p', { match: topics, url: application.url, maxRecords: 7 });
    for (const topic of topics) {
      const records = Array.from({ length: 60 }, (_, i) => ({
        valueText: `${topic} ${round} ${i} ${'x'.repeat(500)}`,
      }));
      assert.equal((await call('POST', `/v1/topics/${topic}/records`, records)).status, 200);
    }
    await until(() => application.applied.length === 120 * (round + 1));
    // What it has applied it may not have answered yet.
    await until(() => broker.pushes.lag(broker.pushes.get('p')) === 0);
    assert.equal(broker.pushes.counters.rewinds, 0, 'the journal knew');
    await listener.stop();
    await broker.close();
  }
  for (const topic of topics) {
    const applied = application.applied.filter((value) => value.startsWith(topic));
    assert.deepEqual(
      applied.map((value) => value.split(' ').slice(1, 3).join(' ')),
      Array.from({ length: 180 }, (_, i) => `${Math.floor(i / 60)} ${i % 60}`),
    );
  }
});

test('applications that misbehave are failures, whatever they do', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  using application = await Application.start();
  await write(kit, 't', 'a', 'b');
  const answers: (readonly [Answer, RegExp])[] = [
    [[200, 'nonsense'], /no JSON object/],
    [[200, { code: 'maybe' }], /no code that is known/],
    [[200, { code: 'ok', acceptedOffset: 9 }], /accepted up to 9, and was sent up to/],
    [[200, { code: 'ok', acceptedOffset: 0 }], /accepted nothing/],
    [[200, { code: 'ok', acceptedOffset: -1 }], /no offset/],
    [[200, { code: 'incorrect_base_offset' }], /no offset/],
    [[200, { code: 'incorrect_base_offset', offset: 0 }], /which it was sent/],
    [[200, { code: 'incorrect_base_offset', offset: 3 }], /the log ends at 2/],
    [[302, ''], /status 302/],
    [[200, 'x'.repeat(100_000)], /more than 65536 bytes/],
  ];
  let [answer, words] = answers[0] ?? assert.fail();
  application.instead = () => answer;
  await put(kit, application);
  const lastError = async (): Promise<string> => (await kit.get('/v1/push/p')).json.partitions[0].lastError ?? '';
  for ([answer, words] of answers) await passing(clock, async () => words.test(await lastError()));
  // One that wants another offset each time.
  let wanted = 0;
  application.instead = ({ fromOffset }) => {
    wanted += 1;
    return [200, { code: 'incorrect_base_offset', offset: fromOffset === 0 ? 1 : 0 }];
  };
  await passing(clock, async () => /another offset each time/.test(await lastError()));
  assert.ok(wanted < 20);
  application.instead = () => undefined;
  await passing(clock, () => application.applied.length === 2);
  assert.deepEqual(application.applied, ['a', 'b']);
  await kit.idle();
});

test('many partitions: each in order, a few deliveries at once, a slow push holds up no other', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  using application = await Application.start();
  using fast = await Application.start();
  await kit.post('/v1/topics', { name: 't', partitions: 20 });
  let [now, most] = [0, 0];
  const slow = http.createServer((request, response) => {
    now += 1;
    most = Math.max(most, now);
    request.resume().on('end', () =>
      setTimeout(() => {
        now -= 1;
        response.end();
      }, 5),
    );
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}/`;
  await put(kit, application, { url, concurrency: 3, maxRecords: 2 }, 'slow');
  await put(kit, fast, { maxRecords: 2 }, 'fast');
  const records = Array.from({ length: 400 }, (_, i) => ({ valueText: String(i), partition: i % 20 }));
  await kit.post('/v1/topics/t/records', records);
  await until(() => fast.applied.length === 400);
  for (let partition = 0; partition < 20; partition++) {
    const applied = fast.applied.map(Number).filter((value) => value % 20 === partition);
    assert.deepEqual(
      applied,
      Array.from({ length: 20 }, (_, i) => i * 20 + partition),
    );
  }
  await until(() => kit.broker.pushes.lag(kit.broker.pushes.get('slow')) === 0);
  assert.equal(most, 3);
  slow.close().closeAllConnections();
  await kit.idle();
});

test('what cannot be asked for is refused and leaves nothing behind', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const url = 'https://worker.example/push';
  const cases: readonly (readonly [unknown, number, string])[] = [
    [{ match: 't' }, 400, 'HTTP_REQUEST_INVALID'],
    [{ url }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: [], url }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: 't', url, more: 1 }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: 't', url, maxRecords: 0 }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: 't', url, concurrency: 65 }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: 't', url, timeoutMs: 1e9 }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: 't', url, maxAttempts: 3 }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: 't', url, deadLetterTopic: 'd' }, 400, 'HTTP_REQUEST_INVALID'],
    [{ match: 't', url, maxAttempts: 3, deadLetterTopic: 'd//d' }, 400, 'MODEL_TOPIC_NAME_INVALID'],
    [{ match: 'a**', url }, 400, 'MODEL_TOPIC_PATTERN_INVALID'],
    [{ match: 't', url: 'http://10.0.0.1/' }, 400, 'HTTP_WEBHOOK_URL_REJECTED'],
    [{ match: 't', url: 'https://169.254.169.254/' }, 400, 'HTTP_WEBHOOK_URL_REJECTED'],
    [{ match: 't', url: 'file:///etc/passwd' }, 400, 'HTTP_WEBHOOK_URL_REJECTED'],
    [[], 400, 'HTTP_REQUEST_INVALID'],
    [null, 400, 'HTTP_REQUEST_INVALID'],
  ];
  for (const [body, status, code] of cases) {
    await kit.refused([status, code], 'PUT', '/v1/push/p', { body: JSON.stringify(body) });
  }
  for (const id of ['a%2Fb', '%00', 'x'.repeat(101), 'ü']) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'PUT', `/v1/push/${id}`, { body: { match: 't', url } });
  }
  assert.deepEqual((await kit.get('/v1/push')).json.pushes, []);
});

function parse(body: string, status = 200) {
  return parsePushAnswer({ kind: 'answered', status, body });
}

test('answers of applications', () => {
  assert.deepEqual(parse(''), { kind: 'ok', offset: undefined });
  assert.deepEqual(parse('', 204), { kind: 'ok', offset: undefined });
  assert.deepEqual(parse('{"code":"success","acceptedOffset":5}'), { kind: 'ok', offset: 5 });
  assert.deepEqual(parse('{"code":"incorrect_base_offset","acceptedOffset":5}'), {
    kind: 'incorrect_base_offset',
    offset: 5,
  });
  for (const body of [
    'null',
    '[]',
    '"ok"',
    '{"code":"ok","acceptedOffset":1e99}',
    '{"code":"ok","acceptedOffset":"5"}',
  ]) {
    assert.equal(parse(body).kind, 'failed', body);
  }
});
