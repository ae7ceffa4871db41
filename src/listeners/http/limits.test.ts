/**
 * Proves the listener against bytes that are no request, requests that are too much, and slow or absent ones: a clear
 * answer or a closed connection, others unaffected, and a stop that ends in time.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { HttpKit, rawExchange, until } from '../../../test/kit/http-kit.ts';
import * as fc from '../../../test/kit/properties.ts';

const OPTIONS = { timeout: 60_000 } as const;

function codeOf(response: string): string | undefined {
  return /"code":"(\w+)"/.exec(response)?.[1];
}

test('bytes that are no HTTP get one answer and a closed connection', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const tlsHello = Uint8Array.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0, 0, 0, 0]);
  const kafkaFrame = Uint8Array.from([0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 1, 0, 4, 107, 99, 97, 116, 0, 0, 0, 0, 0, 0]);
  for (const bytes of [
    tlsHello,
    kafkaFrame,
    'garbage\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\nno colon\r\n\r\n',
  ]) {
    const answer = await rawExchange(kit.port, [bytes]);
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/problem\+json\r\n/);
    assert.equal(codeOf(answer), 'HTTP_REQUEST_INVALID');
  }
  const smuggled = await rawExchange(kit.port, [
    'POST /v1/topics HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ]);
  assert.match(smuggled, /^HTTP\/1\.1 400 /);
  assert.equal((await kit.get('/health/live')).status, 200);
  await kit.idle();
});

test('URL, headers and their number are limited', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.refused([414, 'HTTP_URL_TOO_LONG'], 'GET', `/v1/topics/${'x'.repeat(8_300)}`);
  await kit.refused([414, 'HTTP_URL_TOO_LONG'], 'GET', `/v1/topics?prefix=${'x'.repeat(8_300)}`);
  const headers = Object.fromEntries(Array.from({ length: 110 }, (_, i) => [`x-${i}`, '1']));
  await kit.refused([431, 'HTTP_HEADERS_TOO_LARGE'], 'GET', '/v1/topics', { headers });
  const large = await rawExchange(kit.port, [`GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`]);
  assert.match(large, /^HTTP\/1\.1 431 /);
  assert.equal(codeOf(large), 'HTTP_HEADERS_TOO_LARGE');
  await kit.idle();
});

test('slow requests are ended, with a word', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { headersTimeoutMs: 200, requestTimeoutMs: 400 } });
  const [headers, body, nothing] = await Promise.all([
    rawExchange(kit.port, ['GET /v1/topics HTTP/1.1\r\nHost']),
    rawExchange(kit.port, [
      'POST /v1/topics HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    ]),
    rawExchange(kit.port, []),
  ]);
  for (const answer of [headers, body]) {
    assert.match(answer, /^HTTP\/1\.1 408 /);
    assert.equal(codeOf(answer), 'HTTP_TIMED_OUT');
  }
  assert.ok(nothing === '' || codeOf(nothing) === 'HTTP_TIMED_OUT');
  await kit.idle();
});

test('connections beyond the limit are turned away, and counted', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxConnections: 2 } });
  const sockets = [net.connect(kit.port, '127.0.0.1'), net.connect(kit.port, '127.0.0.1')];
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await until(() => kit.listener.counters.sockets.size === 2);
  assert.equal(await rawExchange(kit.port, []), '');
  assert.equal(kit.listener.counters.connectionsRefused, 1);
  for (const socket of sockets) socket.destroy();
  await until(() => kit.listener.counters.sockets.size === 0);
  assert.equal((await kit.get('/health/live')).status, 200);
});

function rawPost(value: number): string {
  const last = value === 9 ? 'Connection: close\r\n' : '';
  return (
    'POST /v1/topics/t/records HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n' +
    `Content-Length: 1\r\n${last}\r\n${value}`
  );
}

test('requests sent ahead are answered in order', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const answers = await rawExchange(kit.port, [Array.from({ length: 10 }, (_, i) => rawPost(i)).join('')]);
  assert.deepEqual(
    [...answers.matchAll(/"baseOffset":(\d+)/g)].map((match) => Number(match[1])),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  const values = (await kit.get('/v1/topics/t/records')).json.records.map((record: { value: string }) => record.value);
  assert.equal(values.join(''), '0123456789');
});

test(
  'a small write does not overtake a large one sent before it, nor one that creates the topic',
  OPTIONS,
  async () => {
    await using kit = await HttpKit.start();
    const lines = '{"value":1}\n'.repeat(9_000);
    const head = 'POST /v1/topics/new/records HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-ndjson\r\n';
    const large = `${head}Content-Length: ${lines.length}\r\n\r\n${lines}`;
    const wrong = `${head}Content-Length: 1\r\n\r\n{`;
    const small = `${head}Connection: close\r\nContent-Length: 11\r\n\r\n{"value":2}`;
    const answers = await rawExchange(kit.port, [large + large + wrong + small]);
    assert.deepEqual(
      [...answers.matchAll(/HTTP\/1.1 (\d+)/g)].map((match) => match[1]),
      ['200', '200', '400', '200'],
    );
    assert.deepEqual(
      [...answers.matchAll(/"baseOffset":(\d+)/g)].map((match) => match[1]),
      ['0', '9000', '18000'],
    );
  },
);

test('CORS: off by default; on for the origins named', OPTIONS, async () => {
  const preflight = {
    headers: {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  };
  {
    await using kit = await HttpKit.start();
    assert.equal((await kit.call('OPTIONS', '/v1/topics', preflight)).status, 405);
    assert.equal(
      (await kit.get('/v1/topics', { headers: { origin: 'https://app.example' } })).headers.get(
        'access-control-allow-origin',
      ),
      null,
    );
  }
  await using kit = await HttpKit.start({ http: { corsOrigins: ['https://app.example'] } });
  const allowed = await kit.call('OPTIONS', '/v1/topics', preflight);
  assert.deepEqual(
    [
      allowed.status,
      allowed.headers.get('access-control-allow-origin'),
      allowed.headers.get('access-control-allow-headers'),
      allowed.headers.get('vary'),
    ],
    [204, 'https://app.example', 'content-type', 'origin'],
  );
  const read = await kit.get('/v1/topics', { headers: { origin: 'https://app.example' } });
  assert.match(read.headers.get('access-control-expose-headers') ?? '', /millrace-next-offset/);
  const follow = await fetch(`http://127.0.0.1:${kit.port}/v1/topics/none`, {
    headers: { origin: 'https://other.example' },
  });
  assert.equal(follow.headers.get('access-control-allow-origin'), null);
  await follow.text();
});

test(
  'a stop lets running requests finish, refuses new ones, and cuts what is left at its deadline',
  OPTIONS,
  async () => {
    await using kit = await HttpKit.start();
    await kit.post('/v1/topics', { name: 't' });
    const half = net.connect(kit.port, '127.0.0.1');
    half.on('error', () => {});
    let received = '';
    half.on('data', (data: Buffer) => (received += data.toString()));
    await once(half, 'connect');
    half.write(
      'POST /v1/topics/t/records HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nha',
    );
    const never = net.connect(kit.port, '127.0.0.1');
    never.on('error', () => {});
    await once(never, 'connect');
    never.write(
      'POST /v1/topics/t/records HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nne',
    );
    await until(() => kit.held()['inFlight'] === 2);
    // Long enough for a write and its sync on a machine that does much else.
    const stopped = kit.listener.stop({ deadlineMs: 2_000 });
    half.write('lf');
    await until(() => received.includes('"baseOffset":0'));
    assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(received, /connection: close/i);
    await stopped;
    await kit.listener.stop();
    if (!never.closed) await once(never, 'close');
    await assert.rejects(fetch(`http://127.0.0.1:${kit.port}/health/live`));
    await kit.idle();
  },
);

test('whatever bytes come, the next client is served', { timeout: 60_000 }, async () => {
  await using kit = await HttpKit.start({ http: { headersTimeoutMs: 500, requestTimeoutMs: 500 } });
  await kit.post('/v1/topics', { name: 't' });
  const parts = fc.constantFrom(
    'GET ',
    'POST ',
    'DELETE ',
    'PATCH ',
    '/v1/topics',
    '/t',
    '/records',
    '/config',
    '?wait=0',
    '?offset=',
    '%2F',
    '..',
    ' HTTP/1.1\r\n',
    'Host: h\r\n',
    'Content-Type: application/json\r\n',
    'Content-Length: 5\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Expect: 100-continue\r\n',
    '\r\n',
    '0\r\n\r\n',
    '5\r\n',
    '{"value":1}',
    '\u0000',
    '\u00ff',
  );
  const property = fc.asyncProperty(fc.array(parts, { maxLength: 20 }), async (pieces) => {
    const answer = await rawExchange(kit.port, [Buffer.from(pieces.join(''), 'latin1')], { endAfter: true });
    assert.ok(answer === '' || /^HTTP\/1\.1 [1-4]\d\d /.test(answer), answer.slice(0, 200));
  });
  await fc.assert(property, { numRuns: 150 });
  assert.equal((await kit.get('/health/ready')).status, 200);
  await kit.idle();
});
