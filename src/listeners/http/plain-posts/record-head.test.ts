/** Proves which heads are plain: those of common clients are, and whatever has a meaning beyond the list is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestHead } from '../../../../test/kit/request-head.ts';
import { parseRecordHead } from './record-head.ts';

const LIMITS = { maxUrlBytes: 8_192, maxHeaderCount: 20, maxBodyBytes: 65_536 };

function head(target = '/v1/topics/food/eggs/records', ...headers: readonly string[]): string {
  const lines = ['Host: h:1', 'Content-Type: application/json', 'Content-Length: 12', ...headers];
  return [`POST ${target} HTTP/1.1`, ...lines].join('\r\n');
}

function parse(text: string): ReturnType<typeof parseRecordHead> {
  const [line = '', ...lines] = text.split('\r\n');
  const [, url = '', version = ''] = line.split(' ');
  return parseRecordHead(requestHead(lines, url, version.replace('HTTP/', '')), LIMITS);
}

test('what common clients send is plain', () => {
  const plain = parse(head('/v1/topics/food/eggs/records?ack=written&partition=3&format=text', 'User-Agent:curl/8'));
  assert.deepEqual(
    { ...plain, headers: { ...plain?.headers } },
    {
      path: '/v1/topics/food/eggs/records',
      query: 'ack=written&partition=3&format=text',
      topicName: 'food.eggs',
      degree: 'written',
      partition: 3,
      format: 'text',
      bodyBytes: 12,
      headers: {
        host: 'h:1',
        'content-type': 'application/json',
        'content-length': '12',
        'user-agent': 'curl/8',
      },
    },
  );
  const fetchOfNode = ['connection: keep-alive', 'accept: */*', 'accept-language: *', 'sec-fetch-mode: cors'];
  const { degree, partition, format } = parse(head('/v1/topics/a.b/records', ...fetchOfNode)) ?? {};
  assert.deepEqual([degree, partition, format], ['durable', undefined, 'json']);
  for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset=UTF-8']) {
    assert.ok(parse(`POST /v1/topics/a/records HTTP/1.1\r\nhost: h\r\ncontent-type: ${type}\r\ncontent-length: 1`));
  }
});

test('whatever means more than the list knows is not plain', () => {
  const [line, host, type, length] = head('/v1/topics/a/records').split('\r\n') as [string, string, string, string];
  const refused = [
    line,
    [line, type, length].join('\r\n'),
    [line, host, length].join('\r\n'),
    [line, host, type].join('\r\n'),
    [line, host, 'Content-Type: application/x-ndjson', length].join('\r\n'),
    ...['0', '-1', '1e3', '0x10', '65537', '12, 12', '012', ''].map((value) =>
      [line, host, type, `Content-Length: ${value}`].join('\r\n'),
    ),
    ...[
      'POST /v1/topics/a/records HTTP/1.0',
      'POST http://h/v1/topics/a/records HTTP/1.1',
      'POST /v1/topics/a%2Fb/records HTTP/1.1',
      'POST /v1/topics/a//b/records HTTP/1.1',
      'POST /v1/topics/../records HTTP/1.1',
      'POST /v1/topics//records HTTP/1.1',
      'POST /v1/topics/a/records/ HTTP/1.1',
      `POST /v1/topics/${'x'.repeat(9_000)}/records HTTP/1.1`,
      'POST /v1/topics/a/records?offsets=each HTTP/1.1',
      'POST /v1/topics/a/records?ack=constructor HTTP/1.1',
      'POST /v1/topics/a/records?ack=5 HTTP/1.1',
      'POST /v1/topics/a/records?partition=all HTTP/1.1',
      'POST /v1/topics/a/records?ack=written&ack=durable HTTP/1.1',
      'POST /v1/topics/a/records?ack=%77ritten HTTP/1.1',
      'POST /v1/topics/a/records? HTTP/1.1',
    ].map((begin) => [begin, host, type, length].join('\r\n')),
    ...[
      'Transfer-Encoding: chunked',
      'Content-Encoding: gzip',
      'Content-Length: 12',
      'Host: other',
      'Expect: 100-continue',
      'Connection: close',
      'Connection: keep-alive, upgrade',
      'Upgrade: websocket',
      'Origin: https://page.example',
      'Authorization: Bearer x',
      'Cookie: a=b',
      'Idempotency-Key: k',
      'If-Offset-Match: 0',
      'Millrace-Parent: a/0/0',
      'X-Something: new',
      '__proto__: 1',
    ].map((header) => head('/v1/topics/a/records', header)),
  ];
  for (const text of refused) assert.equal(parse(text), undefined, JSON.stringify(text));
});
