/**
 * Proves the media types that carry values or batches and nothing else, in both directions, and the codings of bodies and
 * answers: byte for byte, split anywhere, hostile, and within their limits.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { batchOf, splitBatches } from '../../../test/kit/broker-kit.ts';
import { HttpKit, rawExchange } from '../../../test/kit/http-kit.ts';
import * as fc from '../../../test/kit/properties.ts';
import { TransactionalWriter } from '../../../test/kit/transactional-writer.ts';
import { MillraceError } from '../../base/errors.ts';
import { encodeBatch } from '../../model/batch-builder.ts';
import { readRecords } from '../../model/record-codec.ts';
import { chooseCoding } from './content-coding.ts';
import { lineRecords, sizedRecords } from './delimited-input.ts';

const OPTIONS = { timeout: 60_000 } as const;
const RECORDS = '/v1/topics/t/records';
const LINES = 'application/vnd.millrace.lines';
const SIZED = 'application/vnd.millrace.sized';
const BATCH = 'application/vnd.millrace.record-batch';
const TEMPLATE = { partition: undefined, key: null, value: null, headers: [], timestamp: undefined };

interface Bytes {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Bytes as they come over the wire: fetch would open what is compressed. */
async function getBytes(kit: HttpKit, path: string, headers: Record<string, string>): Promise<Bytes> {
  return await new Promise((resolve, reject) => {
    http
      .get({ port: kit.port, path, headers, agent: false }, (response) => {
        const { statusCode: status = 0, headers: received } = response;
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => resolve({ status, headers: received, body: Buffer.concat(pieces) }));
      })
      .on('error', reject);
  });
}

async function texts(kit: HttpKit, path = RECORDS): Promise<unknown[]> {
  return (await kit.get(path)).json.records.map((record: { value: unknown }) => record.value);
}

function asText(value: Uint8Array | null): string {
  return Buffer.from(value ?? []).toString();
}

function sized(...values: readonly (string | null)[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(value === null ? -1 : Buffer.byteLength(value));
      return Buffer.concat([size, Buffer.from(value ?? '')]);
    }),
  );
}

test('lines: each ending, the last line with and without one', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const sent = [
    [LINES, 'a\nb\n', ['a', 'b']],
    [`${LINES}; line-ending=lf`, 'a\r\n\nb', ['a\r', '', 'b']],
    [`${LINES};line-ending="CRLF"`, 'a\r\nb\rc\nd\r\n', ['a', 'b\rc\nd']],
    [`${LINES}; line-ending=cr`, 'a\rb\r', ['a', 'b']],
    ['application/vnd.styx.line-delimited;line-ending=crlf', 'a\r\n', ['a']],
    [LINES, '', []],
  ] as const;
  for (const [index, [type, body, expected]] of sent.entries()) {
    const answer = await kit.post(`/v1/topics/t${index}/records`, body, { type });
    assert.equal(answer.json.count, expected.length, type);
    assert.deepEqual(await texts(kit, `/v1/topics/t${index}/records`), expected);
  }
  const said = await kit.post(`${RECORDS}?key=k&timestamp=5`, 'a\nb\n', {
    type: LINES,
    headers: { 'millrace-header-h': 'v' },
  });
  assert.equal(said.status, 200);
  const { records } = (await kit.get(RECORDS)).json;
  for (const record of records) {
    assert.deepEqual([record.key, record.timestamp, record.headers], ['k', 5, [{ name: 'h', value: 'v' }]]);
  }
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', RECORDS, { body: 'a', type: `${LINES}; line-ending=xx` });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', RECORDS, {
    body: 'a',
    type: `${LINES}; line-ending=toString`,
  });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', `${RECORDS}?format=json`, { body: 'a', type: LINES });
});

test('lines: read back, and a value that is no line is named', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post(
    RECORDS,
    '[{"valueText":"a"},{"value":null},{"valueBase64":"/wA="},{"valueText":"b\\r\\nc"},{"valueText":"d"}]',
  );
  const crlf = { accept: `${LINES}; line-ending=crlf` };
  const first = await getBytes(kit, RECORDS, crlf);
  assert.equal(first.body.toString('latin1'), 'a\r\n\r\n\u00ff\u0000\r\n');
  assert.equal(first.headers['content-type'], `${LINES}; line-ending=crlf`);
  assert.equal(first.headers['millrace-next-offset'], '3');
  const refused = await kit.refused([406, 'HTTP_NOT_ACCEPTABLE'], 'GET', `${RECORDS}?offset=3`, { headers: crlf });
  assert.deepEqual(refused.json.details, { topic: 't', partition: 0, offset: 3, nextOffset: 4 });
  assert.equal((await getBytes(kit, `${RECORDS}?offset=3`, { accept: `${LINES};line-ending=cr` })).status, 406);
  assert.equal((await getBytes(kit, `${RECORDS}?offset=4`, crlf)).body.toString(), 'd\r\n');
});

test('sizes and values, in both directions, and what is no size', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const body = sized('a', null, '', 'b\nc');
  assert.equal((await kit.post(RECORDS, body, { type: SIZED })).json.count, 4);
  assert.deepEqual(await texts(kit), ['a', null, '', 'b\nc']);
  assert.deepEqual((await getBytes(kit, RECORDS, { accept: SIZED })).body, body);
  assert.deepEqual((await getBytes(kit, RECORDS, { accept: 'application/vnd.styx.binary-records' })).body, body);
  for (const [bad, words] of [
    [body.subarray(0, body.length - 1), /record 3 has a size of 3, and 2 bytes are left/],
    [body.subarray(0, 7), /record 1 has 2 bytes of its size/],
    [Buffer.from('fffffffe', 'hex'), /size of -2/],
    [Buffer.from('7fffffff00', 'hex'), /size of 2147483647/],
  ] as const) {
    const refused = await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/topics/new/records', {
      body: bad,
      type: SIZED,
    });
    assert.match(refused.json.detail, words);
  }
  assert.equal(kit.broker.topics.find('new'), undefined);
});

test('delimited input, whatever it is: records or a refusal that names one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const body = Buffer.from(bytes);
      for (const ending of ['\n', '\r\n', '\r']) {
        const joined = [...lineRecords(body, ending, TEMPLATE)].map(({ value }) => value as Buffer);
        const text = joined.map((value) => value.toString('latin1') + ending).join('');
        assert.equal(text.slice(0, body.length), body.toString('latin1'));
      }
      try {
        for (const { value } of sizedRecords(body, TEMPLATE)) assert.ok((value?.length ?? 0) <= body.length);
      } catch (error) {
        assert.ok(error instanceof MillraceError && error.code === 'HTTP_REQUEST_INVALID');
      }
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.option(fc.string())), (values) => {
      const read = [...sizedRecords(sized(...values), TEMPLATE)].map(({ value }) => value?.toString() ?? null);
      assert.deepEqual(read, values);
    }),
  );
});

test('one record batch, as it is, in both directions', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't', partitions: 2 });
  const batch = encodeBatch(
    [
      { key: 'k', value: 'v', timestamp: 5 },
      { value: 'w', timestamp: 6 },
    ],
    { codec: 'zstd' },
  );
  const send = (body: Uint8Array, path = `${RECORDS}?partition=1`) => kit.post(path, body, { type: BATCH });
  assert.deepEqual((await send(batch)).json, {
    topic: 't',
    count: 2,
    partitions: [{ partition: 1, baseOffset: 0, count: 2 }],
  });
  const producer = { producerId: 7_000, producerEpoch: 0, baseSequence: 0 };
  for (let i = 0; i < 2; i++) {
    const { json } = await send(batchOf(['x'], producer));
    assert.equal(json.partitions[0].baseOffset, 2, 'an idempotent batch is stored once');
  }
  const got = await getBytes(kit, `${RECORDS}?partition=1&offset=1`, { accept: BATCH });
  assert.deepEqual([got.status, got.headers['content-type'], got.headers['millrace-next-offset']], [200, BATCH, '3']);
  const batches = splitBatches(got.body);
  assert.deepEqual(
    batches.flatMap((each) =>
      [...readRecords(each)].map(({ offset, value }) => [offset, Buffer.from(value ?? []).toString()]),
    ),
    [
      [0, 'v'],
      [1, 'w'],
      [2, 'x'],
    ],
  );
  assert.deepEqual(Buffer.from(batches[0]?.subarray(16) ?? []), Buffer.from(batch.subarray(16)), 'stored as it came');
  assert.equal((await getBytes(kit, `${RECORDS}?partition=1&offset=3`, { accept: BATCH })).status, 204);
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', `${RECORDS}?partition=all`, { headers: { accept: BATCH } });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', `${RECORDS}?partition=1&limit=2`, {
    headers: { accept: BATCH },
  });

  const damaged = new Uint8Array(batch);
  damaged[70] = 0xff - (damaged[70] ?? 0);
  const cases = [
    [damaged, [400, 'MODEL_BATCH_CORRUPT']],
    [batch.subarray(0, 60), [400, 'MODEL_BATCH_CORRUPT']],
    [Buffer.concat([batch, batch]), [400, 'MODEL_BATCH_CORRUPT']],
    [new Uint8Array(0), [400, 'MODEL_BATCH_CORRUPT']],
    [Buffer.alloc(100), [400, 'MODEL_BATCH_UNSUPPORTED']],
    [
      encodeBatch([{ value: 'x'.repeat(2_000_000), timestamp: 1 }], { maxBytes: 4_000_000 }),
      [413, 'MODEL_BATCH_TOO_LARGE'],
    ],
  ] as const;
  for (const [body, expected] of cases) {
    await kit.refused(expected, 'POST', `${RECORDS}?partition=0`, { body, type: BATCH });
  }
  await kit.refused([400, 'MODEL_BATCH_CORRUPT'], 'POST', '/v1/topics/new/records', { body: damaged, type: BATCH });
  assert.equal(kit.broker.topics.find('new'), undefined);
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', RECORDS, { body: batch, type: BATCH });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', `${RECORDS}?partition=0&offsets=each`, {
    body: batch,
    type: BATCH,
  });
  const late = kit.post(`${RECORDS}?partition=0`, batch, { type: BATCH, headers: { 'if-offset-match': '1' } });
  assert.equal((await late).json.code, 'BROKER_OFFSET_CONFLICT');
});

/** 100 KB and more. */
function batchFor(partition: number, round: number): Uint8Array {
  const values = Array.from({ length: 8 }, (_, i) => `${partition}.${round}.${i} `.repeat(3_000));
  return encodeBatch(values.map((value) => ({ value, timestamp: 1 })));
}

test('large batches keep their bytes while others are sent, refused and given up', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't', partitions: 4 });
  const sent: string[][] = [[], [], [], []];
  for (let round = 0; round < 12; round++) {
    const batches = sent.map((_, partition) => batchFor(partition, round));
    const damaged = new Uint8Array(batches[0] as Uint8Array);
    damaged[100_000] = 0xff;
    const head = `POST ${RECORDS}?partition=0 HTTP/1.1\r\nhost: h\r\ncontent-type: ${BATCH}\r\n`;
    const cut = Buffer.concat([
      Buffer.from(`${head}content-length: ${damaged.length}\r\n\r\n`),
      Buffer.alloc(90_000, 'z'),
    ]);
    const answers = await Promise.all([
      ...batches.map((body, partition) => {
        const ack = round % 2 === 0 ? 'durable' : 'written';
        return kit.post(`${RECORDS}?partition=${partition}&ack=${ack}`, body, { type: BATCH });
      }),
      kit.post(`${RECORDS}?partition=0`, damaged, { type: BATCH }),
      rawExchange(kit.port, [cut], { endAfter: true }),
    ]);
    assert.deepEqual(
      answers.slice(0, 5).map((answer) => (answer as { status: number }).status),
      [200, 200, 200, 200, 400],
    );
    for (const [partition, of] of sent.entries()) {
      for (let i = 0; i < 8; i++) of.push(`${partition}.${round}.${i} `.repeat(3_000));
    }
  }
  for (const [partition, values] of sent.entries()) {
    for (const [offset, value] of values.entries()) {
      const { body } = await getBytes(kit, `${RECORDS}?partition=${partition}&offset=${offset}&limit=1`, {
        accept: LINES,
      });
      assert.ok(body.equals(Buffer.from(`${value}\n`)), `partition ${partition}, offset ${offset}`);
    }
  }
  await kit.idle();
});

test('batches are waited for; those of an aborted transaction are not there', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't' });
  const waiting = getBytes(kit, `${RECORDS}?wait=20`, { accept: BATCH });
  await kit.post(RECORDS, '{"value":1}');
  assert.equal(splitBatches((await waiting).body).length, 1);
  for (const committed of [false, true]) {
    const writer = await TransactionalWriter.start(kit.broker, String(committed));
    await writer.write('t', 0, String(committed));
    await writer.end(committed);
  }
  const { body, headers } = await getBytes(kit, `${RECORDS}?offset=1`, { accept: BATCH });
  const values = splitBatches(body).flatMap((batch) => [...readRecords(batch)].map(({ value }) => asText(value)));
  assert.deepEqual(values, ['true']);
  assert.equal(headers['millrace-next-offset'], '5', 'behind the markers');
  await kit.idle();
});

test('values are followed; a fault cuts the connection', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post(RECORDS, 'a\nb\n', { type: LINES });
  const request = http.get({
    port: kit.port,
    path: `${RECORDS}?follow=true`,
    headers: { accept: LINES },
    agent: false,
  });
  const pieces: string[] = [];
  const failed = new Promise<Error>((resolve) => {
    request.on('response', (response) => {
      response.on('data', (piece: Buffer) => pieces.push(piece.toString())).on('error', resolve);
    });
  });
  await kit.post(RECORDS, '[{"valueText":"c"},{"valueText":"d\\ne"}]');
  assert.match(String(await failed), /aborted/);
  assert.equal(pieces.join(''), 'a\nb\nc\n');
  await kit.idle();
});

test('gzip and zstd: bodies are opened, answers are made smaller where that is taken', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const body = Buffer.from('{"value":"0123456789"}\n'.repeat(500));
  for (const [coding, bytes] of [
    ['gzip', zlib.gzipSync(body)],
    ['GZIP', Buffer.concat([zlib.gzipSync(body.subarray(0, 230)), zlib.gzipSync(body.subarray(230))])],
    ['zstd', zlib.zstdCompressSync(body)],
    ['identity', body],
  ] as const) {
    const answer = await kit.post(RECORDS, bytes, {
      type: 'application/x-ndjson',
      headers: { 'content-encoding': coding },
    });
    assert.equal(answer.json?.count, 500, `${coding}: ${answer.text}`);
  }
  const plain = await getBytes(kit, `${RECORDS}?limit=100`, { accept: 'application/x-ndjson' });
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.equal(plain.headers.vary, 'accept-encoding');
  for (const [accepted, coding] of [
    ['gzip, deflate, br', 'gzip'],
    ['gzip, zstd', 'zstd'],
    ['gzip;q=1, zstd;q=0.5', 'gzip'],
    ['*', 'zstd'],
  ] as const) {
    const { headers, body: coded } = await getBytes(kit, `${RECORDS}?limit=100`, {
      accept: 'application/x-ndjson',
      'accept-encoding': accepted,
    });
    assert.equal(headers['content-encoding'], coding, accepted);
    assert.equal(headers['content-length'], String(coded.length));
    assert.ok(coded.length < plain.body.length / 2);
    const opened = coding === 'gzip' ? zlib.gunzipSync(coded) : zlib.zstdDecompressSync(coded);
    assert.deepEqual(opened, plain.body);
  }
  const small = await getBytes(kit, `${RECORDS}?limit=1`, { 'accept-encoding': 'gzip' });
  assert.equal(small.headers['content-encoding'], undefined, 'not worth it');
  const stream = await kit.call('PUT', '/v1/stream/s', {
    type: 'text/plain',
    body: zlib.gzipSync('text'),
    headers: { 'content-encoding': 'gzip' },
  });
  assert.equal(stream.status, 201);
  assert.equal((await kit.get('/v1/stream/s')).text, 'text');
});

test('codings that lie: bombs, cut and broken ones, too large a window', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxBodyBytes: 100_000 } });
  const bomb = Buffer.alloc(20_000_000, 0x20);
  const window = zlib.zstdCompressSync(Buffer.alloc(40_000_000), {
    params: { [zlib.constants.ZSTD_c_windowLog]: 25, [zlib.constants.ZSTD_c_enableLongDistanceMatching]: 1 },
  });
  const cases = [
    ['gzip', zlib.gzipSync(bomb), [413, 'HTTP_BODY_TOO_LARGE']],
    ['zstd', zlib.zstdCompressSync(bomb), [413, 'HTTP_BODY_TOO_LARGE']],
    ['gzip', zlib.gzipSync('{"value":1}').subarray(0, 20), [400, 'HTTP_REQUEST_INVALID']],
    ['zstd', zlib.zstdCompressSync('{"value":1}').subarray(0, 12), [400, 'HTTP_REQUEST_INVALID']],
    ['gzip', Buffer.from('{"value":1}'), [400, 'HTTP_REQUEST_INVALID']],
    ['zstd', Buffer.from('{"value":1}'), [400, 'HTTP_REQUEST_INVALID']],
    ['zstd', window, [400, 'HTTP_REQUEST_INVALID']],
    ['br', zlib.brotliCompressSync('{"value":1}'), [415, 'HTTP_MEDIA_TYPE_UNSUPPORTED']],
    ['gzip, gzip', zlib.gzipSync('x'), [415, 'HTTP_MEDIA_TYPE_UNSUPPORTED']],
  ] as const;
  for (const [coding, body, expected] of cases) {
    await kit.refused(expected, 'POST', RECORDS, { body, headers: { 'content-encoding': coding } });
  }
  // Who leaves in the middle, and who sends byte by byte.
  const coded = zlib.gzipSync('{"value":1}');
  const head = `POST ${RECORDS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n`;
  await rawExchange(kit.port, [`${head}content-length: 100\r\n\r\n`, coded], { endAfter: true });
  const pieces = [...coded].map((byte) => `1\r\n${String.fromCharCode(byte)}\r\n`);
  const answer = await rawExchange(kit.port, [
    `${head}transfer-encoding: chunked\r\n\r\n`,
    ...pieces.map((piece) => Buffer.from(piece, 'latin1')),
    '0\r\n\r\n',
  ]);
  assert.match(answer, /^HTTP\/1.1 200/);
  assert.deepEqual(await texts(kit), ['1']);
  await kit.idle();
});

test('which coding is chosen', () => {
  assert.equal(chooseCoding(undefined), undefined);
  assert.equal(chooseCoding(''), undefined);
  assert.equal(chooseCoding('identity'), undefined);
  assert.equal(chooseCoding('br, gzip;q=0'), undefined);
  assert.equal(chooseCoding('*;q=0, gzip'), 'gzip');
  assert.equal(chooseCoding('ZSTD'), 'zstd');
  assert.equal(chooseCoding('gzip;q=nonsense'), undefined);
});

test('reads that go on where their group stands', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't', partitions: 2 });
  await kit.post(
    RECORDS,
    Array.from({ length: 20 }, (_, i) => ({ value: i, partition: i % 2 })),
  );
  const poll = async (query: string) => {
    const { json } = await kit.get(`${RECORDS}?group=g&format=json${query}`);
    return json.records.map((record: { value: number }) => record.value);
  };
  assert.equal((await poll('')).length, 20, 'from the beginning, without storing anything');
  assert.equal((await poll('')).length, 20);
  const polled = await Promise.all(Array.from({ length: 8 }, () => poll('&commit=true&limit=3')));
  const seen = polled.flat();
  assert.equal(seen.length, 20);
  assert.deepEqual(
    seen.toSorted((a: number, b: number) => a - b),
    Array.from({ length: 20 }, (_, i) => i),
    'no two polls get the same record',
  );
  assert.deepEqual(await poll('&commit=true'), []);
  const { json } = await kit.get('/v1/groups/g/offsets');
  assert.deepEqual(
    json.offsets.map(({ offset, lag }: { offset: number; lag: number }) => [offset, lag]),
    [
      [10, 0],
      [10, 0],
    ],
  );
  const waiting = [poll('&commit=true&wait=20'), poll('&commit=true&wait=20')];
  await kit.post(RECORDS, '{"value":20,"partition":0}');
  await kit.post(RECORDS, '{"value":21,"partition":1}');
  assert.deepEqual(
    (await Promise.all(waiting))
      .flat()
      .toSorted((a, b) => a - b)
      .slice(0, 2),
    [20, 21],
  );
  for (const [query, expected] of [
    ['commit=true&partition=0', [400, 'HTTP_REQUEST_INVALID']],
    ['group=g&offset=1', [400, 'HTTP_REQUEST_INVALID']],
    ['group=g&commit=true&follow=true', [400, 'HTTP_REQUEST_INVALID']],
    ['group=', [400, 'BROKER_GROUP_ID_INVALID']],
    ['group=g&partition=9', [404, 'BROKER_PARTITION_NOT_FOUND']],
  ] as const) {
    await kit.refused(expected, 'GET', `${RECORDS}?${query}`);
  }
  await kit.idle();
});
