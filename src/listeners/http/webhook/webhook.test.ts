/**
 * Proves which URLs are called and which are refused, also when a public name resolves to a private address, and that a
 * receiver that redirects, stalls, floods or lies costs a bounded time and memory. Real public addresses are not called.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import * as fc from '../../../../test/kit/properties.ts';
import { systemClock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import { sendWebhook } from './send-webhook.ts';
import { isAllowedAddress, parseWebhookUrl } from './webhook-url.ts';

const ALLOWED = [
  'https://worker.example/hooks',
  'https://worker.example:8443/hooks?a=b',
  'https://8.8.8.8/hook',
  'https://[2606:4700:4700::1111]/hook',
  'http://localhost/hook',
  'http://localhost:8080/hook',
  'http://127.0.0.1:9000/',
  'http://127.8.9.1/',
  // Other spellings of 127.0.0.1, which the URL parser makes plain.
  'http://2130706433/',
  'http://0x7f.1/',
];

const REFUSED = [
  '',
  'worker.example',
  '/hook',
  'ftp://worker.example/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'http://worker.example/hook',
  'http://10.0.0.1/hook',
  'http://169.254.169.254/latest/meta-data',
  'http://[::1]/hook',
  'http://localhost.evil.example/',
  'https://localhost/hook',
  'https://LOCALHOST./hook',
  'https://a.localhost/hook',
  'https://127.0.0.1/hook',
  'https://10.1.2.3/hook',
  'https://172.16.0.1/hook',
  'https://192.168.1.1/hook',
  'https://169.254.169.254/',
  'https://100.64.0.1/',
  'https://0.0.0.0/',
  'https://0xa9fea9fe/',
  'https://2852039166/',
  'https://0251.0376.0251.0376/',
  'https://224.0.0.1/',
  'https://255.255.255.255/',
  'https://[::1]/',
  'https://[::]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[64:ff9b::a00:1]/',
  'https://[2002:a00:1::]/',
  'https://[fd00::1]/',
  'https://[fe80::1]/',
  'https://[ff02::1]/',
  'https://user:secret@worker.example/',
  `https://worker.example/${'x'.repeat(3_000)}`,
];

test('which URLs may be called', () => {
  for (const url of ALLOWED) assert.doesNotThrow(() => parseWebhookUrl(url), url);
  for (const url of REFUSED) {
    assert.throws(
      () => parseWebhookUrl(url),
      (error) => error instanceof MillraceError && error.code === 'HTTP_WEBHOOK_URL_REJECTED',
      url,
    );
  }
});

test('every address is judged, and no text makes the judge fail otherwise', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const [a = 0, b = 0] = address.split('.').map(Number);
      const isPrivate =
        a === 10 ||
        a === 127 ||
        a === 0 ||
        (a === 192 && b === 168) ||
        (a === 172 && b >= 16 && b < 32) ||
        (a === 169 && b === 254) ||
        a >= 224;
      if (isPrivate) assert.equal(isAllowedAddress(address, false), false, address);
      assert.equal(isAllowedAddress(address, true), a === 127, address);
      // The same address inside an IPv6 one.
      assert.equal(isAllowedAddress(`::ffff:${address}`, false), false);
    }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `https://${text}`),
      ),
      (text) => {
        try {
          parseWebhookUrl(text);
        } catch (error) {
          assert.ok(error instanceof MillraceError, text);
        }
      },
    ),
  );
});

async function receiver(
  handler: http.RequestListener,
): Promise<{ url: string; seen: http.IncomingMessage[] } & Disposable> {
  const seen: http.IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    seen.push(request);
    handler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    seen,
    [Symbol.dispose]: () => {
      server.close().closeAllConnections();
    },
  };
}

const call = (url: string, timeoutMs = 5_000) => ({
  url,
  body: '{}',
  headers: { 'content-type': 'application/json' },
  timeoutMs,
});

const STALLED = /no answer in 300 ms/;

test('receivers that misbehave', { timeout: 60_000 }, async () => {
  const cases: readonly (readonly [http.RequestListener, RegExp | number])[] = [
    [(_request, response) => response.end('{"done":true}'), 200],
    [(_request, response) => response.writeHead(500).end(), 500],
    [(_request, response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(), 307],
    [(_request, response) => void response.write('x'), STALLED],
    [() => {}, STALLED],
    [(_request, response) => void response.end(Buffer.alloc(1024 * 1024)), /more than 65536 bytes/],
    [(request) => void request.socket.end('nonsense\r\n\r\n'), /Parse|parse|hang up/],
    [(request) => void request.socket.destroy(), /hang up|ECONNRESET/],
    [
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('short');
        setImmediate(() => response.socket?.destroy());
      },
      /broke off|aborted/,
    ],
  ];
  for (const [handler, expected] of cases) {
    using server = await receiver(handler);
    const answer = await sendWebhook(call(server.url, expected === STALLED ? 300 : 5_000), { clock: systemClock });
    if (typeof expected === 'number')
      assert.deepEqual([answer.kind, 'status' in answer && answer.status], ['answered', expected]);
    else assert.match('reason' in answer ? answer.reason : JSON.stringify(answer), expected);
  }
});

test('a public name that resolves to this machine is not called, nor one that does so among others', {
  timeout: 60_000,
}, async () => {
  using server = await receiver((_request, response) => response.end());
  const port = new URL(server.url).port;
  for (const addresses of [
    [{ address: '127.0.0.1', family: 4 }],
    [
      { address: '8.8.8.8', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ],
    [{ address: '::ffff:127.0.0.1', family: 6 }],
    [],
  ]) {
    const answer = await sendWebhook(call(`https://worker.example:${port}/`), {
      clock: systemClock,
      resolve: (_host, done) => done(null, addresses),
    });
    assert.equal(answer.kind, 'failed');
    assert.match('reason' in answer ? answer.reason : '', /may not be called|no address/);
  }
  // And localhost must be this machine.
  const elsewhere = await sendWebhook(call(`http://localhost:${port}/`), {
    clock: systemClock,
    resolve: (_host, done) => done(null, [{ address: '8.8.8.8', family: 4 }]),
  });
  assert.match('reason' in elsewhere ? elsewhere.reason : '', /may not be called/);
  assert.equal(server.seen.length, 0);
});

test('who stops gives up what is under way', { timeout: 60_000 }, async () => {
  using server = await receiver(() => {});
  const controller = new AbortController();
  const answer = sendWebhook(call(server.url), { clock: systemClock, signal: controller.signal });
  setImmediate(() => controller.abort());
  assert.deepEqual(await answer, { kind: 'failed', reason: 'given up' });
  assert.equal((await sendWebhook(call(server.url), { clock: systemClock, signal: controller.signal })).kind, 'failed');
});
