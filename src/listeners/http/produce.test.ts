/**
 * Proves writing over a real broker: each media type byte for byte, partitions as Kafka clients choose them, one batch
 * and one commit per request, limits, and that refused and broken requests leave nothing behind.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { test } from 'node:test';
import { fetchOnce, splitBatches } from '../../../test/kit/broker-kit.ts';
import { HttpKit, rawExchange, until } from '../../../test/kit/http-kit.ts';
import { MillraceError } from '../../base/errors.ts';
import { recordCount } from '../../model/record-batch.ts';
import { readRecords } from '../../model/record-codec.ts';

const OPTIONS = { timeout: 60_000 } as const;
const NDJSON = 'application/x-ndjson';

interface Stored {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  readonly headers: readonly (readonly [string, string | null])[];
}

function text(field: Uint8Array | null): string | null {
  return field === null ? null : Buffer.from(field).toString('latin1');
}

function message(id: string, value: string): string {
  return JSON.stringify({ value, headers: { 'message-id': id } });
}

/** What is really in a partition: batches, and their records. */
async function stored(kit: HttpKit, name: string, index = 0): Promise<{ counts: number[]; records: Stored[] }> {
  const partition = kit.broker.topics.find(name)?.partitions[index];
  const { bytes } = await fetchOnce(kit.broker, partition, 0, { maxBytes: 64 * 1024 * 1024 });
  const batches = splitBatches(bytes);
  const records = batches.flatMap((batch) => [...readRecords(batch)]);
  return {
    counts: batches.map((batch) => recordCount(batch, 0)),
    records: records.map(({ key, value, timestamp, headers }) => ({
      key: text(key),
      value: text(value),
      timestamp,
      headers: headers.map((header) => [header.key, text(header.value)] as const),
    })),
  };
}

test('JSON: one record, many records, values as the text that was sent', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const one = await kit.post(
    '/v1/topics/a/b/records',
    '{"key":"k","value":{"x" : 1.0,"y":12345678901234567890},"headers":{"h":"v"},"timestamp":5}',
  );
  assert.deepEqual(one.json, { topic: 'a.b', count: 1, partitions: [{ partition: 0, baseOffset: 0, count: 1 }] });
  const many = await kit.post(
    '/v1/topics/a.b/records?offsets=each',
    '[{"value":"text"},{"value":null},{"valueBase64":"/wA="},{"valueText":"a\\u0000b"}]',
  );
  assert.deepEqual(many.json, {
    topic: 'a.b',
    count: 4,
    partitions: [{ partition: 0, baseOffset: 1, count: 4 }],
    records: [1, 2, 3, 4].map((offset) => ({ partition: 0, offset })),
  });
  const { counts, records } = await stored(kit, 'a.b');
  assert.deepEqual(counts, [1, 4], 'a request is one batch');
  assert.deepEqual(records[0], {
    key: 'k',
    value: '{"x" : 1.0,"y":12345678901234567890}',
    timestamp: 5,
    headers: [['h', 'v']],
  });
  assert.deepEqual(
    records.slice(1).map((record) => record.value),
    ['"text"', null, '\u00ff\u0000', 'a\u0000b'],
  );
  assert.ok((records[1]?.timestamp ?? 0) > 1_700_000_000_000, 'the default time is now');
});

test('NDJSON and format=text', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  for (const type of [NDJSON, 'application/jsonl; charset=utf-8']) {
    const answer = await kit.post('/v1/topics/a/records', '{"value":1}\n\n{"value":[2]}\r\n', { type });
    assert.equal(answer.json.count, 2);
  }
  await kit.post('/v1/topics/a/records?format=text', '{"value":"plain"}', { type: NDJSON });
  assert.deepEqual(
    (await stored(kit, 'a')).records.map((record) => record.value),
    ['1', '[2]', '1', '[2]', 'plain'],
  );
});

test('raw bodies: every byte, with key and headers beside', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const headers = { 'Millrace-Key': 'caf%C3%A9', 'Millrace-Header-Trace': '100%25', 'millrace-header-b': 'x y' };
  const answer = await kit.post('/v1/topics/raw/records?timestamp=2026-01-01', bytes, {
    type: 'application/octet-stream',
    headers,
  });
  assert.equal(answer.status, 200, answer.text);
  await kit.post('/v1/topics/raw/records?key=plain', 'text', { type: 'text/plain' });
  await kit.post('/v1/topics/raw/records?keyBase64=_w', '', { type: 'application/octet-stream' });
  const { records } = await stored(kit, 'raw');
  assert.deepEqual(records[0], {
    key: Buffer.from('café').toString('latin1'),
    value: Buffer.from(bytes).toString('latin1'),
    timestamp: Date.UTC(2026, 0, 1),
    headers: [
      ['trace', '100%'],
      ['b', 'x y'],
    ],
  });
  assert.deepEqual(
    records.slice(1).map(({ key, value }) => [key, value]),
    [
      ['plain', 'text'],
      ['\u00ff', ''],
    ],
  );
  const cases: readonly (readonly [string, Record<string, string>])[] = [
    ['', { 'millrace-key': '%' }],
    ['', { 'millrace-key': '%ff' }],
    ['', { 'millrace-key-base64': '*' }],
    ['', { 'millrace-header-': 'x' }],
    ['?key=a', { 'millrace-key': 'b' }],
    ['?format=text', {}],
    ['?timestamp=yesterday', {}],
  ];
  for (const [query, wrong] of cases) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', `/v1/topics/raw/records${query}`, {
      body: 'x',
      type: 'text/plain',
      headers: wrong,
    });
  }
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/topics/raw/records?key=k', { body: '{"value":1}' });
});

test('partitions: by key as kafkajs does, by number, keyless requests in turn', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'p', partitions: 5 });
  const require = createRequire(import.meta.url);
  const { Partitioners } = require('kafkajs') as {
    Partitioners: { DefaultPartitioner: () => (args: object) => number };
  };
  const theirs = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: 5 }, (_, partitionId) => ({ partitionId, leader: 1 }));
  const keys = Array.from({ length: 50 }, (_, i) => `key-${i}-é`);
  const answer = await kit.post(
    '/v1/topics/p/records?offsets=each',
    keys.map((key) => ({ key, value: key })),
  );
  assert.deepEqual(
    answer.json.records.map((record: { partition: number }) => record.partition),
    keys.map((key) => theirs({ topic: 'p', partitionMetadata, message: { key: Buffer.from(key) } })),
  );
  const each = new Map<number, number>();
  for (const { partition, offset } of answer.json.records as { partition: number; offset: number }[]) {
    assert.equal(offset, each.get(partition) ?? 0, 'offsets follow the order of the request');
    each.set(partition, offset + 1);
  }
  for (let index = 0; index < 5; index++)
    assert.equal((await stored(kit, 'p', index)).counts.length, each.has(index) ? 1 : 0);
  const turns: number[] = [];
  for (let i = 0; i < 5; i++) {
    const { json } = await kit.post('/v1/topics/p/records', [{ value: 1 }, { value: 2 }]);
    assert.equal(json.partitions.length, 1, 'keyless records of a request stay together');
    turns.push(json.partitions[0].partition);
  }
  assert.deepEqual(
    turns.toSorted((one, other) => one - other),
    [0, 1, 2, 3, 4],
  );
  const named = await kit.post('/v1/topics/p/records?partition=3', [
    { value: 1, key: 'k' },
    { value: 1, partition: 1 },
  ]);
  assert.deepEqual(
    named.json.partitions.map((part: { partition: number }) => part.partition),
    [1, 3],
  );
  const missing = await kit.refused([404, 'BROKER_PARTITION_NOT_FOUND'], 'POST', '/v1/topics/p/records', {
    body: [{ value: 1 }, { value: 1, partition: 5 }],
  });
  assert.match(missing.json.detail, /has no partition 5; it has 5/);
  await kit.refused([404, 'BROKER_PARTITION_NOT_FOUND'], 'POST', '/v1/topics/p/records?partition=5', {
    body: { value: 1 },
  });
});

test('a refused request writes nothing, and makes no topic', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const good = Array.from({ length: 20 }, (_, i) => ({ value: i }));
  const path = '/v1/topics/new/topic/records';
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', path, { body: [...good, { nonsense: 1 }] });
  await kit.refused([400, 'HTTP_JSON_INVALID'], 'POST', path, { body: `${JSON.stringify(good).slice(0, -1)},` });
  await kit.refused([400, 'HTTP_JSON_INVALID'], 'POST', path, { body: Uint8Array.of(0x22, 0xff) });
  await kit.refused([400, 'MODEL_TOPIC_NAME_INVALID'], 'POST', '/v1/topics/new%20topic/records', { body: good });
  assert.equal(kit.broker.topics.size, 0);
  await kit.post('/v1/topics', { name: 'there' });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/topics/there/records', { body: [...good, 1] });
  assert.deepEqual((await stored(kit, 'there')).records, []);
  const empty = await kit.post('/v1/topics/there/records', []);
  assert.deepEqual([empty.status, empty.json.count, empty.json.partitions], [200, 0, []]);
  for (const query of ['ack=all', 'ack=', 'partition=-1', 'partition=x', 'format=xml', 'offsets=all', 'offset=1']) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', `/v1/topics/there/records?${query}`, { body: good });
  }
  await kit.idle();
});

test('auto-create off: 404', OPTIONS, async () => {
  await using kit = await HttpKit.start({ broker: { autoCreateTopics: false } });
  await kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'POST', '/v1/topics/none/records', { body: { value: 1 } });
});

test('repeated messages: stored once, told in the answer, keyless ones by their id', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.broker.topics.create({ name: 'once', partitions: 4, config: { 'dedup.window.ms': '60000' } });
  const path = '/v1/topics/once/records?offsets=each';
  const first = await kit.post(path, `[${message('a', '1')},${message('b', '2')}]`);
  const { records } = first.json as { records: { partition: number; offset: number }[] };
  const again = await kit.post(path, `[${message('b', '2')},${message('a', '1')}]`);
  assert.equal(again.status, 200);
  assert.deepEqual((again.json as { records: unknown }).records, records.toReversed());
  const mixed = await kit.post(
    '/v1/topics/once/records?offsets=each&partition=0',
    ['x', 'y', 'x', 'z'].map((id) => message(id, id)).join('\n'),
    { headers: { 'content-type': NDJSON } },
  );
  const base = (mixed.json as { partitions: { baseOffset: number }[] }).partitions[0]?.baseOffset as number;
  assert.deepEqual(mixed.json, {
    topic: 'once',
    count: 4,
    partitions: [{ partition: 0, baseOffset: base, count: 4, repeats: 1 }],
    records: [0, 1, 0, 3].map((delta) => ({ partition: 0, offset: base + delta })),
  });
  const all = await Promise.all([0, 1, 2, 3].map((index) => stored(kit, 'once', index)));
  const values = all.flatMap((partition) => partition.records.map(({ value }) => value));
  assert.deepEqual(
    values.sort((a, b) => String(a).localeCompare(String(b))),
    ['"1"', '"2"', '"x"', '"y"', '"z"'],
  );
  const long = await kit.post(path, message('m'.repeat(257), '1'));
  assert.equal(long.status, 422);
  assert.equal((long.json as { code: string }).code, 'BROKER_MESSAGE_ID_INVALID');
});

test('acks: 200 when durable or written, 202 when admitted', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  for (const [ack, status] of [
    ['durable', 200],
    ['written', 200],
    ['admitted', 202],
  ] as const) {
    const answer = await kit.post(`/v1/topics/a/records?ack=${ack}`, { value: 1 });
    assert.deepEqual([answer.status, answer.json.count], [status, 1]);
  }
});

test('media types: what is not read is refused with what is', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const form = await kit.refused([415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'], 'POST', '/v1/topics/a/records', {
    body: 'a=b',
    type: 'application/x-www-form-urlencoded',
  });
  assert.match(form.json.detail, /application\/x-ndjson.*curl/);
  await kit.refused([415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'], 'POST', '/v1/topics/a/records');
  await kit.refused([415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'], 'POST', '/v1/topics/a/records', {
    body: 'x',
    type: 'nonsense',
  });
  await kit.refused([415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'], 'POST', '/v1/topics/a/records', {
    body: '{}',
    headers: { 'content-encoding': 'br' },
  });
});

test('limits: body, records, batches', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxBodyBytes: 100_000, maxRecordsPerRequest: 100 } });
  await kit.post('/v1/topics', { name: 'a', config: { 'max.message.bytes': 2000 } });
  const path = '/v1/topics/a/records';
  const large = await kit.refused([413, 'HTTP_BODY_TOO_LARGE'], 'POST', path, {
    body: 'x'.repeat(100_001),
    type: 'text/plain',
  });
  assert.deepEqual(large.json.details, { maxBytes: 100_000, sizeBytes: 100_001 });
  await kit.refused([413, 'HTTP_BODY_TOO_LARGE'], 'POST', path, {
    body: Array.from({ length: 101 }, () => ({ value: 1 })),
  });
  await kit.refused([413, 'MODEL_BATCH_TOO_LARGE'], 'POST', path, { body: 'x'.repeat(2000), type: 'text/plain' });
  await kit.refused([413, 'MODEL_BATCH_TOO_LARGE'], 'POST', path, {
    body: [{ value: 1 }, { value: 'x'.repeat(2000) }],
  });
  assert.deepEqual((await stored(kit, 'a')).counts, []);
  const values = Array.from({ length: 60 }, (_, i) => `${i}`.padStart(100, '.'));
  const split = await kit.post(
    `${path}?offsets=each`,
    values.map((value) => ({ valueText: value })),
  );
  assert.deepEqual(split.json.partitions, [{ partition: 0, baseOffset: 0, count: 60 }]);
  assert.deepEqual(split.json.records.at(-1), { partition: 0, offset: 59 });
  const { counts, records } = await stored(kit, 'a');
  assert.ok(counts.length > 1, 'more than one batch was needed');
  assert.deepEqual(
    records.map((record) => record.value),
    values,
  );
  await kit.idle();
});

test('a body split anywhere arrives whole: with a length, and chunked', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const body = '{"value":"split \u20ac"}';
  const length = Buffer.byteLength(body);
  const head =
    'POST /v1/topics/split/records HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n';
  const whole = Buffer.from(`${head}Content-Length: ${length}\r\n\r\n${body}`);
  const byByte = await rawExchange(
    kit.port,
    [...whole].map((byte) => Uint8Array.of(byte)),
  );
  assert.match(byByte, /^HTTP\/1\.1 200 OK\r\n/);
  const chunks = [...Buffer.from(body)].map((byte) =>
    Buffer.concat([Buffer.from('1\r\n'), Uint8Array.of(byte), Buffer.from('\r\n')]),
  );
  const chunked = await rawExchange(kit.port, [`${head}Transfer-Encoding: chunked\r\n\r\n`, ...chunks, '0\r\n\r\n']);
  assert.match(chunked, /^HTTP\/1\.1 200 OK\r\n/);
  assert.deepEqual(
    (await stored(kit, 'split')).records.map((record) => Buffer.from(record.value ?? '', 'latin1').toString()),
    ['"split \u20ac"', '"split \u20ac"'],
  );
});

test('a chunked body past the limit is refused while the rest is thrown away', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxBodyBytes: 10_000 } });
  const head =
    'POST /v1/topics/a/records HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n';
  const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`;
  const answer = await rawExchange(kit.port, [head, ...Array.from({ length: 200 }, () => chunk), '0\r\n\r\n']);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.match(answer, /HTTP_BODY_TOO_LARGE/);
  await kit.idle();
});

test('bodies of all connections together are bounded, and given back', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxBodiesBytes: 100_000 } });
  const socket = net.connect(kit.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    'POST /v1/topics/a/records HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 90000\r\n\r\n',
  );
  socket.write('x'.repeat(89_999));
  // Charged whole, as it is declared: it takes its memory when it begins.
  await until(() => kit.held()['bodies'] === 90_000);
  const refused = await kit.refused([503, 'HTTP_OVERLOADED'], 'POST', '/v1/topics/a/records', {
    body: 'x'.repeat(20_000),
    type: 'text/plain',
  });
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal((await kit.post('/v1/topics/b/records', 'small', { type: 'text/plain' })).status, 200);
  socket.destroy();
  await kit.idle();
  assert.equal(kit.broker.topics.find('a'), undefined, 'half a body is no record');
  assert.equal((await kit.post('/v1/topics/a/records', 'x'.repeat(90_000), { type: 'text/plain' })).status, 200);
  await kit.idle();
});

test('a client that declares much and sends little holds little', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxBodiesBytes: 100_000 } });
  const socket = net.connect(kit.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    'POST /v1/topics/a/records HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 90000\r\n\r\nx',
  );
  await until(() => kit.held()['bodies'] === 1);
  const type = 'text/plain';
  assert.equal((await kit.post('/v1/topics/b/records', 'x'.repeat(60_000), { type })).status, 200);
  socket.write('y'.repeat(89_999));
  await until(() => kit.broker.topics.find('a') !== undefined);
  socket.destroy();
  await kit.idle();
  const { records } = (await kit.get('/v1/topics/a/records')).json;
  assert.equal(records[0].value, `x${'y'.repeat(89_999)}`);
});

test('what the journal refuses is told: overload to retry, an unknown outcome as such', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'a' });
  for (const [code, status] of [
    ['JOURNAL_OVERLOADED', 503],
    ['JOURNAL_NO_SPACE', 507],
    ['JOURNAL_SYNC_FAILED', 503],
  ] as const) {
    Object.defineProperty(kit.broker, 'produce', {
      configurable: true,
      value: (request: { settled(error: MillraceError): void }) =>
        request.settled(new MillraceError(code, 'As the test says.')),
    });
    const answer = await kit.refused([status, code], 'POST', '/v1/topics/a/records', { body: { value: 1 } });
    assert.equal(answer.json.detail, 'As the test says.');
  }
});

test('a client that leaves while its records are written: they are written, nothing leaks', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'a' });
  const sockets = Array.from({ length: 20 }, () => net.connect(kit.port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) {
    socket.write(
      'POST /v1/topics/a/records HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx',
    );
    socket.end();
  }
  await until(() => kit.listener.counters.recordsProduced === 20);
  await kit.idle();
  assert.equal((await stored(kit, 'a')).records.length, 20);
});

// The words were a code, and what to do about it was anybody's guess.
test('what a topic asks of records is said where one is refused for it', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const limits = { 'message.timestamp.before.max.ms': '1000' };
  await kit.broker.topics.create({ name: 'compacted', config: { 'cleanup.policy': 'compact' } });
  await kit.broker.topics.create({ name: 'timely', config: limits });
  const write = (topic: string, record: object): ReturnType<HttpKit['post']> =>
    kit.post(`/v1/topics/${topic}/records`, record);
  const keyless = await write('compacted', { value: 'x' });
  assert.deepEqual([keyless.status, keyless.json.code], [422, 'MODEL_RECORD_INVALID']);
  assert.match(keyless.json.detail, /^Nothing was written for compacted: .*has no key/);
  const late = await write('timely', { value: 'x', timestamp: 1 });
  assert.deepEqual([late.status, late.json.code], [400, 'BROKER_TIMESTAMP_INVALID']);
  assert.match(late.json.detail, /message\.timestamp\.before\.max\.ms is 1000/);
  assert.equal((await write('compacted', { key: 'k', value: 'x' })).status, 200);
});
