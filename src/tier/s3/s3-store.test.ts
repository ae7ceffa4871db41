/**
 * Proves how the S3 client reads URLs, credentials and answers, on a server of a few lines that says what it is told. What a
 * real server does is test/tier/radosgw.slice.ts.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { openStore } from '../open-store.ts';
import { CredentialChain, profileOf } from './credentials.ts';
import { parseListAnswer } from './list-answer.ts';
import { parseS3Url } from './s3-url.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'SK', AWS_SESSION_TOKEN: 'ST' };

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  use: (store: ReturnType<typeof openStore>) => Promise<void>,
): Promise<void> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    await use(openStore(`s3://bucket/pre/fix?endpoint=http://127.0.0.1:${port}`, systemClock, KEYS));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('a URL says bucket, prefix, server and style', () => {
  const amazon = parseS3Url('s3://my-bucket/a/b/', {});
  assert.deepEqual(
    [amazon.base, amazon.prefix, amazon.region],
    ['https://my-bucket.s3.us-east-1.amazonaws.com', 'a/b', 'us-east-1'],
  );
  const own = parseS3Url('s3://my-bucket?endpoint=http://h:7480&region=eu', {});
  assert.deepEqual([own.base, own.prefix, own.region], ['http://h:7480/my-bucket', '', 'eu']);
  const host = parseS3Url('s3://my-bucket?endpoint=https://h:7480&style=host', {});
  assert.equal(host.base, 'https://my-bucket.h:7480');
  const environment = { AWS_REGION: 'ap-south-1', AWS_ENDPOINT_URL: 'http://e/root/' };
  const given = parseS3Url('s3://my-bucket', environment);
  assert.deepEqual([given.base, given.region], ['http://e/root/my-bucket', 'ap-south-1']);
  for (const wrong of [
    's3://',
    's3://A',
    's3://ok/pre fix',
    's3://ok?style=x',
    's3://abc?endpoint=ftp://h',
    // These two were `Invalid URL`, and nothing else.
    's3://abc?endpoint=127.0.0.1:9000',
    's3://abc?endpoint=http://',
    's3://ok?nope=1',
    'x',
  ]) {
    assert.throws(() => parseS3Url(wrong, {}), { code: 'CONFIG_INVALID' }, wrong);
  }
});

test('credentials come from the environment, then from the profile, or not at all', async () => {
  const chain = new CredentialChain(KEYS, systemClock);
  assert.deepEqual(await chain.get(), {
    accessKeyId: 'AK',
    secretAccessKey: 'SK',
    sessionToken: 'ST',
    expiresAt: undefined,
  });
  const text =
    '[default]\naws_access_key_id=no\n# x=y\n[ work ]\naws_access_key_id = A\nAWS_SECRET_ACCESS_KEY = a=b \n[z]\n';
  assert.deepEqual(
    [...profileOf(text, 'work')],
    [
      ['aws_access_key_id', 'A'],
      ['aws_secret_access_key', 'a=b'],
    ],
  );
  const none = new CredentialChain(
    { AWS_SHARED_CREDENTIALS_FILE: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true' },
    systemClock,
  );
  await assert.rejects(none.get(), { code: 'TIER_REFUSED' });
  const lost = new CredentialChain(
    {
      AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/role',
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/nowhere/token',
    },
    systemClock,
  );
  await assert.rejects(lost.get(), { code: 'TIER_REFUSED', message: /_TOKEN_FILE cannot be read: .*\/nowhere\/token/ });
});

test('requests are signed, carry the MD5, and keep the condition', async () => {
  const seen: IncomingMessage[] = [];
  await withServer(
    (request, response) => {
      seen.push(request);
      request.resume().on('end', () => response.writeHead(request.headers['if-none-match'] === '*' ? 412 : 200).end());
    },
    async (store) => {
      assert.equal(await store.put('k', Buffer.from('hello')), 'stored');
      assert.equal(await store.put('k', Buffer.from('hello'), { ifAbsent: true }), 'exists');
    },
  );
  const [first, second] = seen;
  assert.equal(first?.url, '/bucket/pre/fix/k');
  assert.match(
    first?.headers.authorization ?? '',
    /^AWS4-HMAC-SHA256 Credential=AK\/\d{8}\/us-east-1\/s3\/aws4_request/,
  );
  assert.equal(first?.headers['content-md5'], 'XUFAKrxLKna5cZ2REBfFkg==');
  assert.equal(first?.headers['x-amz-security-token'], 'ST');
  assert.match(second?.headers.authorization ?? '', /if-none-match/);
});

test('each answer has its code', async () => {
  const rows: [status: number, body: string, put: string, get: string | undefined][] = [
    [403, '<Error><Code>AccessDenied</Code><Message>no</Message></Error>', 'TIER_REFUSED', 'TIER_REFUSED'],
    [404, '<Error><Code>NoSuchBucket</Code></Error>', 'TIER_REFUSED', 'TIER_REFUSED'],
    [404, '<Error><Code>NoSuchKey</Code></Error>', 'TIER_REFUSED', undefined],
    [307, '', 'TIER_REFUSED', 'TIER_REFUSED'],
    [500, '<Error><Message>oops</Message></Error>', 'TIER_OUTCOME_UNKNOWN', 'TIER_UNAVAILABLE'],
    [503, '', 'TIER_OUTCOME_UNKNOWN', 'TIER_UNAVAILABLE'],
    [409, '', 'TIER_OUTCOME_UNKNOWN', 'TIER_UNAVAILABLE'],
    [429, '', 'TIER_OUTCOME_UNKNOWN', 'TIER_UNAVAILABLE'],
  ];
  let current = rows[0];
  await withServer(
    (request, response) => {
      request.resume().on('end', () => response.writeHead(current?.[0] ?? 0).end(current?.[1]));
    },
    async (store) => {
      for (const row of rows) {
        current = row;
        await assert.rejects(store.put('k', new Uint8Array(3)), { code: row[2] }, `put ${row[0]}`);
        if (row[3] === undefined) assert.equal(await store.get('k'), undefined);
        else await assert.rejects(store.get('k'), { code: row[3] }, `get ${row[0]}`);
      }
    },
  );
});

/** What a put is refused with by a store that answers 403 and this. */
async function refusedWith(body: string): Promise<string> {
  let message = '';
  await withServer(
    (request, response) => {
      request.resume().on('end', () => response.writeHead(403).end(body));
    },
    async (store) => {
      message = await store.put('k', new Uint8Array(3)).then(String, (error: Error) => error.message);
    },
  );
  return message.slice(message.indexOf('the store'));
}

// The bucket was not there, and all that was said of it was 404: the message was empty.
test('what the store says is in the error: its code, and its words where it has some', async () => {
  for (const [body, words] of [
    ['<Error><Code>NoSuchBucket</Code><Message></Message></Error>', 'the store answers 403: NoSuchBucket.'],
    ['<Error><Code>AccessDenied</Code><Message>no</Message></Error>', 'the store answers 403: AccessDenied: no.'],
    ['', 'the store answers 403.'],
  ] as const) {
    assert.equal(await refusedWith(body), words);
  }
});

test('cut bodies, broken connections and whole objects instead of ranges', async () => {
  const body = Buffer.from('0123456789');
  const modes = ['cut', 'less', 'more', 'whole', 'reset'] as const;
  let mode: (typeof modes)[number] = 'cut';
  await withServer(
    (request, response) => {
      request.resume();
      if (mode === 'reset') return void request.socket.destroy();
      if (mode === 'whole') return void response.writeHead(200).end(body);
      if (mode === 'more') return void response.writeHead(206).end(Buffer.alloc(1024 * 1024));
      response.writeHead(206, { 'content-length': mode === 'cut' ? 4 : 3 });
      response.write(body.subarray(2, 5));
      if (mode === 'cut') setImmediate(() => request.socket.destroy());
      else response.end();
    },
    async (store) => {
      await assert.rejects(store.get('k', { position: 2, sizeBytes: 4 }), { code: 'TIER_UNAVAILABLE' });
      mode = 'less';
      await assert.rejects(store.get('k', { position: 2, sizeBytes: 4 }), { code: 'TIER_CORRUPT' });
      mode = 'more';
      await assert.rejects(store.get('k', { position: 2, sizeBytes: 4 }), { code: 'TIER_CORRUPT' });
      mode = 'whole';
      assert.deepEqual(Buffer.from((await store.get('k', { position: 2, sizeBytes: 4 })) ?? []), body.subarray(2, 6));
      mode = 'reset';
      await assert.rejects(store.put('k', body), { code: 'TIER_OUTCOME_UNKNOWN' });
      await assert.rejects(store.delete('k'), { code: 'TIER_UNAVAILABLE' });
    },
  );
});

// The whole of it was kept in memory first, however much came.
test('of a server that does not know ranges no more is kept than was asked for', { timeout: 60_000 }, async () => {
  const unit = Buffer.from(Array.from({ length: 250 }, (_, at) => at));
  const piece = Buffer.concat(Array.from({ length: 400 }, () => unit));
  let isEndless = true;
  await withServer(
    (request, response) => {
      request.resume();
      response.writeHead(200);
      const write = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      if (!isEndless) return void response.end(piece);
      response.on('drain', write);
      write();
    },
    async (store) => {
      for (const position of [0, 3, 1_000_001]) {
        const into = new Uint8Array(new SharedArrayBuffer(300_000)).fill(255);
        const bytes = await store.get('k', { position, sizeBytes: 250_001 }, into);
        assert.deepEqual([bytes?.length, bytes?.buffer], [250_001, into.buffer]);
        assert.ok(bytes?.every((byte, at) => byte === (position + at) % 250));
        assert.ok(into.subarray(250_001).every((byte) => byte === 255));
      }
      isEndless = false;
      const range = { position: piece.length - 5, sizeBytes: 5 };
      assert.deepEqual([...((await store.get('k', range)) ?? [])], [245, 246, 247, 248, 249]);
      await assert.rejects(store.get('k', { position: piece.length - 4, sizeBytes: 5 }), { code: 'TIER_CORRUPT' });
      await assert.rejects(store.get('k', { position: piece.length + 9, sizeBytes: 5 }), { code: 'TIER_CORRUPT' });
    },
  );
});

function page(keys: readonly string[], token?: string): string {
  const entries = keys.map(
    (key) =>
      `<Contents><Key>${key}</Key><LastModified>2026-11-25T10:00:00.000Z</LastModified><Size>5</Size></Contents>`,
  );
  const next = token === undefined ? '' : `<NextContinuationToken>${token}</NextContinuationToken>`;
  const inner = `${entries.join('')}<IsTruncated>${token !== undefined}</IsTruncated>${next}`;
  return `<?xml version="1.0"?><ListBucketResult xmlns="x">${inner}</ListBucketResult>`;
}

test('a list comes in pages, and what is no list is refused', async () => {
  let html = false;
  await withServer(
    (request, response) => {
      const query = new URL(request.url ?? '', 'http://x').searchParams;
      response.setHeader('date', 'Wed, 25 Nov 2026 10:00:07 GMT');
      if (html) response.end('<html></html>');
      else if (query.get('continuation-token') === null)
        response.end(page(['pre/fix/a%20b', 'pre/fix/c&amp;d'], 't&lt;'));
      else response.end(query.get('continuation-token') === 't<' ? page(['pre/fix/e']) : page([]));
    },
    async (store) => {
      const found = await collect(store.list(''));
      assert.deepEqual(
        found.map(({ key, sizeBytes, ageMs }) => [key, sizeBytes, ageMs]),
        [
          ['a b', 5, 7_000],
          ['c&d', 5, 7_000],
          ['e', 5, 7_000],
        ],
      );
      html = true;
      await assert.rejects(collect(store.list('')), { code: 'TIER_UNAVAILABLE' });
    },
  );
  assert.equal(parseListAnswer('<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>'), undefined);
  assert.equal(parseListAnswer('<ListBucketResult>cut'), undefined);
});
