/** Proves which heads of appends are plain: those of the protocol's own client are, and what means more is the route's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestHead } from '../../../../test/kit/request-head.ts';
import { parseAppendHead } from './append-head.ts';

const LIMITS = { maxUrlBytes: 8_192, maxHeaderCount: 30, maxBodyBytes: 65_536 };

/** As `@durable-streams/client` sends them with node's fetch. */
const OF_CLIENT = [
  'host: 127.0.0.1:4080',
  'connection: keep-alive',
  'content-type: application/octet-stream',
  'accept: */*',
  'accept-language: *',
  'sec-fetch-mode: cors',
  'user-agent: node',
  'accept-encoding: gzip, deflate',
  'content-length: 200',
];

const parse = (headers: readonly string[], url = '/v1/stream/orders/eu', httpVersion = '1.1') =>
  parseAppendHead(requestHead(headers, url, httpVersion), LIMITS);

test('what the client of the protocol sends is plain', () => {
  const plain = parse(OF_CLIENT);
  assert.equal(plain?.bodyBytes, 200);
  assert.deepEqual(plain.append, {
    streamName: 'orders.eu',
    contentType: 'application/octet-stream',
    closes: false,
    writerSeq: undefined,
    producer: undefined,
  });
  const producer = ['Producer-Id: p', 'Producer-Epoch: 3', 'Producer-Seq: 17', 'Stream-Seq: b', 'Stream-Closed: true'];
  assert.deepEqual(parse([...OF_CLIENT, ...producer])?.append, {
    streamName: 'orders.eu',
    contentType: 'application/octet-stream',
    closes: true,
    writerSeq: 'b',
    producer: { id: 'p', epoch: 3, seq: 17 },
  });
});

test('whatever means more than the list knows is not plain', () => {
  const without = (name: string): string[] => OF_CLIENT.filter((each) => !each.startsWith(`${name}: `));
  const refused = [
    parse(without('host')),
    parse(without('content-type')),
    parse(without('content-length')),
    parse(OF_CLIENT, '/v1/stream/orders', '1.0'),
    ...['0', '-1', '65537', '200, 200', ''].map((length) =>
      parse([...without('content-length'), `content-length: ${length}`]),
    ),
    ...['text', 'a/b, c/d', '/', `a/${'b'.repeat(300)}`].map((type) =>
      parse([...without('content-type'), `content-type: ${type}`]),
    ),
    ...[
      'transfer-encoding: chunked',
      'content-encoding: gzip',
      'content-length: 200',
      'content-type: text/plain',
      'expect: 100-continue',
      'origin: https://page.example',
      'authorization: Bearer x',
      'if-none-match: "x"',
      'stream-ttl: 5',
      'stream-forked-from: /v1/stream/other',
      'x-something: new',
      '__proto__: 1',
      'connection: close',
      // The route says what is wrong with these.
      'producer-id: alone',
      `stream-seq: ${'x'.repeat(300)}`,
    ].map((header) => parse([...OF_CLIENT, header])),
    parse([...OF_CLIENT, 'producer-id: p', 'producer-epoch: -1', 'producer-seq: 0']),
    ...[
      '/v1/stream/',
      '/v1/stream/a?x=1',
      '/v1/stream/a?',
      '/v1/stream/a%2Fb',
      '/v1/stream/a//b',
      '/v1/stream/a/',
      '/v1/stream/../topics',
      '/v1/stream/__ds/subscriptions/s/ack',
      '/v1/stream/__ds',
      `/v1/stream/${'x'.repeat(250)}`,
      `/v1/stream/${'x'.repeat(9_000)}`,
      'http://h/v1/stream/a',
      '/v1/streams/a',
    ].map((url) => parse(OF_CLIENT, url)),
  ];
  for (const [i, each] of refused.entries()) assert.equal(each, undefined, `case ${i}`);
});
