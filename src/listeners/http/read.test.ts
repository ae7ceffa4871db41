/**
 * Proves reading over a real broker: records of every codec byte for byte, each position and representation, limits that
 * resume without a gap or a repeat, long polling that ends in each way, and damage that is named.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { produce } from '../../../test/kit/broker-kit.ts';
import { type Answer, HttpKit, until } from '../../../test/kit/http-kit.ts';
import { TransactionalWriter } from '../../../test/kit/transactional-writer.ts';
import { writeUint32 } from '../../base/bytes.ts';
import { BatchBuilder } from '../../model/batch-builder.ts';
import type { RecordInput } from '../../model/record.ts';
import { ATTRIBUTES_POSITION, CODEC, type CodecName, CRC_POSITION, computeCrc } from '../../model/record-batch.ts';

const OPTIONS = { timeout: 60_000 } as const;
const T0 = 1_700_000_000_000;

function batch(records: readonly RecordInput[], codec: CodecName = 'none'): Uint8Array {
  const builder = new BatchBuilder({ codec, maxBytes: 64 * 1024 * 1024 });
  for (const record of records) builder.add(record);
  return Uint8Array.from(builder.build());
}

function numbered(from: number, count: number): RecordInput[] {
  return Array.from({ length: count }, (_, i) => ({
    key: `k${from + i}`,
    value: `v${from + i}`,
    timestamp: T0 + from + i,
  }));
}

async function withTopic(
  kit: HttpKit,
  name: string,
  batches: readonly Uint8Array[],
  partition = 0,
  partitions = 1,
): Promise<void> {
  const topic =
    kit.broker.topics.find(name) ??
    (await kit.broker.topics.create({ name, partitions, config: { 'max.message.bytes': '100000000' } }));
  for (const bytes of batches) assert.equal((await produce(kit.broker, topic, partition, bytes)).error, undefined);
}

function offsetsOf(answer: Answer): number[] {
  return answer.json.records.map((record: { offset: number }) => record.offset);
}

function withoutTopic({ json }: Answer): unknown[] {
  return json.records.map(({ topic: _topic, ...rest }: { topic: string }) => rest);
}

const BINARY = Uint8Array.from({ length: 256 }, (_, i) => i);

test('batches of every codec come out record by record, byte for byte', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const large = Buffer.alloc(300_000, 'compress me, but not too well: ');
  for (let i = 0; i < large.length; i += 7) large[i] = (i * 31) & 0xff;
  const records: RecordInput[] = [
    {
      key: 'text',
      value: 'value \u20ac \u0001 "\\',
      timestamp: T0,
      headers: [
        { key: 'h', value: 'x' },
        { key: 'h', value: null },
        { key: 'b', value: BINARY },
      ],
    },
    { key: null, value: null, timestamp: T0 + 1 },
    { key: BINARY, value: BINARY, timestamp: T0 + 2 },
    { key: '', value: '', timestamp: T0 + 3 },
    // Large enough to be opened by a worker thread.
    { key: 'large', value: large, timestamp: T0 + 4 },
  ];
  for (const codec of Object.keys(CODEC) as CodecName[]) {
    await withTopic(kit, `codec-${codec}`, [batch(records, codec)]);
    const answer = await kit.get(`/v1/topics/codec-${codec}/records`);
    assert.equal(answer.status, 200, answer.text);
    const [first, second, third, fourth, fifth] = answer.json.records;
    const base64 = Buffer.from(BINARY).toString('base64');
    assert.deepEqual(first, {
      topic: `codec-${codec}`,
      partition: 0,
      offset: 0,
      timestamp: T0,
      key: 'text',
      value: 'value \u20ac \u0001 "\\',
      headers: [
        { name: 'h', value: 'x' },
        { name: 'h', value: null },
        { name: 'b', valueBase64: base64 },
      ],
    });
    assert.deepEqual([second.key, second.value, second.headers], [null, null, []]);
    assert.deepEqual([third.keyBase64, third.valueBase64, 'value' in third], [base64, base64, false]);
    assert.deepEqual([fourth.key, fourth.value], ['', '']);
    assert.ok(Buffer.from(fifth.valueBase64, 'base64').equals(large));
    const raw = await fetch(`http://127.0.0.1:${kit.port}/v1/topics/codec-${codec}/records?offset=4`, {
      headers: { accept: 'application/octet-stream' },
    });
    assert.ok(Buffer.from(await raw.arrayBuffer()).equals(large));
  }
  await kit.idle();
});

test('what was written over HTTP can be written again as it was read', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const body =
    '[{"key":"a","value":{"n":1.0,\n"big":12345678901234567890}},{"valueText":"null"},{"value":null},{"valueText":"not json"},{"keyBase64":"/w==","valueBase64":"/w==","headers":[{"name":"b","valueBase64":"gA=="}]}]';
  await kit.post('/v1/topics/one/records', body);
  for (const format of ['json', 'base64']) {
    const read = await kit.get(`/v1/topics/one/records?format=${format}`, {
      headers: { accept: 'application/x-ndjson' },
    });
    const lines = read.text.split('\n');
    assert.equal(lines.pop(), '');
    assert.equal(lines.length, 5, 'one line a record');
    await kit.post(`/v1/topics/copy-${format}/records`, read.text, { type: 'application/x-ndjson' });
    const again = await kit.get(`/v1/topics/copy-${format}/records?format=base64`);
    const original = await kit.get('/v1/topics/one/records?format=base64');
    if (format === 'base64') assert.deepEqual(withoutTopic(again), withoutTopic(original));
    else {
      assert.match(lines[0] ?? '', /"value":\{"n":1\.0, "big":12345678901234567890\}/);
      assert.deepEqual(
        lines.slice(1, 4).map((line) => /"value.*?":.*?(?=,"headers)/.exec(line)?.[0]),
        ['"valueText":"null"', '"value":null', '"valueText":"not json"'],
      );
    }
  }
});

test('positions: offset, time, first, last, earliest, latest', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await withTopic(kit, 't', [batch(numbered(0, 10)), batch(numbered(10, 10), 'zstd'), batch(numbered(20, 10))]);
  await kit.broker.deleteRecords(kit.broker.topics.find('t')!.partitions[0]!, 5);
  const cases: readonly (readonly [string, number, number])[] = [
    ['', 5, 29],
    ['offset=earliest', 5, 29],
    ['offset=12', 12, 29],
    ['offset=29', 29, 29],
    ['first=3', 5, 7],
    ['first=1', 5, 5],
    ['last=4', 26, 29],
    ['last=1000000', 5, 29],
    ['last=20&limit=2', 10, 11],
    [`timestamp=${T0 + 15}`, 15, 29],
    [`timestamp=${new Date(T0 + 15).toISOString()}`, 15, 29],
    ['timestamp=0', 5, 29],
    ['offset=7&limit=3', 7, 9],
    ['offset=7&maxBytes=1', 7, 7],
    ['offsets=0:28', 28, 29],
    ['partition=0&offset=8&limit=1', 8, 8],
    ['partition=all&offset=8&limit=1', 8, 8],
  ];
  for (const [query, from, to] of cases) {
    const answer = await kit.get(`/v1/topics/t/records?${query}`);
    assert.deepEqual(
      offsetsOf(answer),
      Array.from({ length: to - from + 1 }, (_, i) => from + i),
      query,
    );
    assert.deepEqual(
      [answer.json.nextOffset, answer.json.highWatermark, answer.json.logStartOffset],
      [to + 1, 30, 5],
      query,
    );
  }
  for (const query of ['offset=latest', 'offset=30', `timestamp=${T0 + 1000}`]) {
    const answer = await kit.get(`/v1/topics/t/records?${query}`);
    assert.deepEqual([answer.status, answer.json.records, answer.json.nextOffset], [200, [], 30], query);
  }
});

test('queries out of form, and out of range', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await withTopic(kit, 't', [batch(numbered(0, 10))]);
  await withTopic(kit, 'wide', [batch(numbered(0, 1))], 0, 3);
  const wrong = [
    'offset=-1',
    'offset=x',
    'offset=1.5',
    'offset=',
    'offset=99999999999999999999',
    'offset=1&offset=2',
    'first=0',
    'first=x',
    'first=1&limit=1',
    'last=-1',
    'limit=0',
    'limit=100001',
    'maxBytes=0',
    'maxBytes=99999999999',
    'wait=-1',
    'wait=61',
    'wait=x',
    'wait=1e3',
    'follow=yes',
    'follow=true&wait=1',
    'format=xml',
    'partition=x',
    'partition=-1',
    'offset=1&timestamp=2',
    'first=1&last=1',
    'timestamp=yesterday',
    'timestamp=2026-11-20T10:00:00',
    'offsets=0',
    'offsets=0:1,0:2',
    'offsets=0:1&partition=0',
    'from=1',
    '__proto__=1',
    'constructor=1',
  ];
  for (const query of wrong) {
    const answer = await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', `/v1/topics/t/records?${query}`);
    assert.ok(answer.json.detail.length < 500);
  }
  const behind = await kit.refused([416, 'STORE_OFFSET_OUT_OF_RANGE'], 'GET', '/v1/topics/t/records?offset=11');
  assert.deepEqual([behind.json.details.logStartOffset, behind.json.details.endOffset], [0, 10]);
  await kit.refused([416, 'STORE_OFFSET_OUT_OF_RANGE'], 'GET', '/v1/topics/t/records?offset=9007199254740991&wait=5');
  await kit.call('DELETE', '/v1/topics/t/records?before=4');
  const before = await kit.refused([416, 'STORE_OFFSET_OUT_OF_RANGE'], 'GET', '/v1/topics/t/records?offset=3');
  assert.match(before.json.detail, /older records were deleted/);
  await kit.refused([404, 'BROKER_PARTITION_NOT_FOUND'], 'GET', '/v1/topics/t/records?partition=1');
  await kit.refused([404, 'BROKER_PARTITION_NOT_FOUND'], 'GET', '/v1/topics/t/records?offsets=1:0');
  await kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'GET', '/v1/topics/none/records');
  const which = await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', '/v1/topics/wide/records');
  assert.match(which.json.detail, /3 partitions.*partition=all/);
  await kit.refused([406, 'HTTP_NOT_ACCEPTABLE'], 'GET', '/v1/topics/t/records', { headers: { accept: 'text/html' } });
  await kit.refused([406, 'HTTP_NOT_ACCEPTABLE'], 'GET', '/v1/topics/t/records?follow=true', {
    headers: { accept: 'application/json' },
  });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', '/v1/topics/wide/records?partition=all', {
    headers: { accept: 'application/octet-stream' },
  });
  await kit.idle();
});

test('resuming at nextOffset gives every record once, whatever the limits', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const batches = Array.from({ length: 40 }, (_, i) =>
    batch(numbered(i * 25, 25), (Object.keys(CODEC) as CodecName[])[i % 5]),
  );
  await withTopic(kit, 't', batches);
  for (const limits of ['limit=7', 'maxBytes=900', 'limit=100000', 'limit=30&maxBytes=2000']) {
    const seen: number[] = [];
    for (let next = 0; next < 1000; ) {
      const answer = await kit.get(`/v1/topics/t/records?offset=${next}&${limits}`);
      seen.push(...offsetsOf(answer));
      next = answer.json.nextOffset as number;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 1000 }, (_, i) => i),
      limits,
    );
  }
});

test('several partitions: merged by time, resumed by offsets, each record once', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  for (const partition of [0, 1, 2]) {
    const records = Array.from({ length: 50 }, (_, i) => ({
      key: null,
      value: `${partition}:${i}`,
      timestamp: T0 + i * 3 + partition,
    }));
    await withTopic(kit, 't', [batch(records.slice(0, 20)), batch(records.slice(20), 'lz4')], partition, 3);
  }
  const all = await kit.get('/v1/topics/t/records?partition=all');
  assert.deepEqual(
    all.json.records.map((record: { timestamp: number }) => record.timestamp - T0),
    Array.from({ length: 150 }, (_, i) => i),
  );
  assert.equal(all.json.nextOffset, undefined);
  assert.deepEqual(
    all.json.partitions,
    [0, 1, 2].map((partition) => ({ partition, nextOffset: 50, highWatermark: 50, logStartOffset: 0 })),
  );
  const seen: string[] = [];
  let offsets = '0:0,1:0,2:0';
  while (seen.length < 150) {
    const page = await kit.get(`/v1/topics/t/records?offsets=${offsets}&limit=11`, {
      headers: { accept: 'application/x-ndjson' },
    });
    seen.push(
      ...page.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).value as string),
    );
    offsets = page.headers.get('millrace-next-offsets') ?? '';
  }
  assert.equal(new Set(seen).size, 150);
  assert.equal(offsets, '0:50,1:50,2:50');
  const last = await kit.get('/v1/topics/t/records?partition=all&last=1');
  assert.deepEqual(
    last.json.records.map((record: { value: string }) => record.value),
    ['0:49', '1:49', '2:49'],
  );
});

test('raw answers: one record, its facts in headers', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await withTopic(kit, 't', [
    batch([
      {
        key: 'caf\u00e9 %',
        value: BINARY,
        timestamp: T0,
        headers: [
          { key: 'A', value: '1 2' },
          { key: 'a', value: '3' },
          { key: 'no token', value: 'x' },
          { key: 'n', value: null },
        ],
      },
      { key: BINARY, value: null, timestamp: T0 },
      { key: 'x'.repeat(10_000), value: 'v', timestamp: T0 },
    ]),
  ]);
  const raw = (offset: number | string) =>
    fetch(`http://127.0.0.1:${kit.port}/v1/topics/t/records?offset=${offset}`, {
      headers: { accept: 'application/octet-stream' },
    });
  const first = await raw(0);
  assert.deepEqual(Buffer.from(await first.arrayBuffer()), Buffer.from(BINARY));
  assert.equal(decodeURIComponent(first.headers.get('millrace-key') ?? ''), 'caf\u00e9 %');
  assert.deepEqual(
    ['partition', 'offset', 'timestamp', 'next-offset', 'high-watermark', 'header-a'].map((name) =>
      first.headers.get(`millrace-${name}`),
    ),
    ['0', '0', String(T0), '1', '3', '1%202, 3'],
  );
  const second = await raw(1);
  assert.deepEqual(
    [second.headers.get('millrace-null-value'), second.headers.get('millrace-key-base64')],
    ['true', Buffer.from(BINARY).toString('base64')],
  );
  assert.equal((await second.arrayBuffer()).byteLength, 0);
  assert.equal((await raw(2)).headers.get('millrace-truncated'), 'true');
  const none = await raw('latest');
  assert.deepEqual([none.status, none.headers.get('millrace-next-offset')], [204, '3']);
});

test('long polling: nothing yet, then a record, then time over', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't', partitions: 2 });
  const waiting = kit.get('/v1/topics/t/records?partition=all&wait=20');
  await until(() => kit.held()['parked'] === 1);
  assert.deepEqual(kit.held(), { readers: 1, inFlight: 1, bodies: 0, answers: 0, parked: 1 }, 'a wait holds no memory');
  await kit.post('/v1/topics/t/records?partition=1', { value: 'came' });
  assert.deepEqual(
    (await waiting).json.records.map((record: { value: string }) => record.value),
    ['"came"'],
  );
  const over = await kit.get('/v1/topics/t/records?partition=0&wait=0.05');
  assert.deepEqual([over.status, over.json.records], [200, []]);
  await kit.idle();
});

test('long polls end with their client, their topic, their broker; their number is limited', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxReaders: 3 } });
  await kit.post('/v1/topics', { name: 't' });
  const path = '/v1/topics/t/records?wait=30';
  const aborts = Array.from({ length: 3 }, () => new AbortController());
  const lost = aborts.map(({ signal }) => kit.get(path, { signal }).catch((error: Error) => error.name));
  await until(() => kit.held()['parked'] === 3);
  await kit.refused([503, 'HTTP_TOO_MANY_READERS'], 'GET', path);
  assert.equal((await kit.get('/v1/topics/t/records')).status, 200, 'reads that do not wait go on');
  for (const abort of aborts) abort.abort();
  assert.deepEqual(await Promise.all(lost), ['AbortError', 'AbortError', 'AbortError']);
  await kit.idle();
  const deleted = kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'GET', path);
  await until(() => kit.held()['parked'] === 1);
  await kit.call('DELETE', '/v1/topics/t');
  await deleted;
  await kit.post('/v1/topics', { name: 't' });
  const stopped = kit.get(path);
  await until(() => kit.held()['parked'] === 1);
  await kit.listener.stop({ deadlineMs: 5_000 });
  const answer = await stopped;
  assert.deepEqual([answer.status, answer.json.records], [200, []]);
  assert.equal(answer.headers.get('connection'), 'close');
});

test('waits sent ahead on one connection end with it', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't' });
  const socket = net.connect(kit.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write('GET /v1/topics/t/records?wait=30 HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(3));
  socket.write(
    'POST /v1/topics/t/records HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nhalf',
  );
  await until(() => kit.held()['inFlight'] === 4 && kit.held()['bodies'] === 9);
  socket.destroy();
  // The answers behind the first never had the socket, and must hear of its end all the same.
  await kit.idle();
});

test('a batch that cannot be opened is named, and can be passed', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const poison = Uint8Array.from(batch(numbered(3, 3), 'gzip'));
  poison.fill(0x55, 70, 90);
  writeUint32(poison, CRC_POSITION, computeCrc(poison, 0, poison.length));
  assert.equal(poison[ATTRIBUTES_POSITION + 1], CODEC.gzip);
  await withTopic(kit, 't', [batch(numbered(0, 3)), poison, batch(numbered(6, 3))]);
  const before = await kit.get('/v1/topics/t/records');
  assert.deepEqual([offsetsOf(before), before.json.nextOffset], [[0, 1, 2], 3]);
  const named = await kit.refused([422, 'MODEL_RECORD_INVALID'], 'GET', '/v1/topics/t/records?offset=3');
  assert.match(named.json.detail, /partition 0, at offset 3 cannot be opened.*offset=6/);
  assert.equal(named.json.details.nextOffset, 6);
  assert.deepEqual(offsetsOf(await kit.get('/v1/topics/t/records?offset=6')), [6, 7, 8]);
  const bomb = batch([{ key: null, value: Buffer.alloc(40 * 1024 * 1024), timestamp: T0 }], 'zstd');
  await withTopic(kit, 'bomb', [bomb, batch(numbered(1, 1))]);
  await kit.refused([422, 'MODEL_DECOMPRESSED_TOO_LARGE'], 'GET', '/v1/topics/bomb/records');
  assert.deepEqual(offsetsOf(await kit.get('/v1/topics/bomb/records?offset=1')), [1]);
  await kit.idle();
});

test('deleting records moves the log start, never back', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await withTopic(kit, 't', [batch(numbered(0, 10))]);
  const remove = async (query: string) => (await kit.call('DELETE', `/v1/topics/t/records?${query}`)).json;
  assert.deepEqual(await remove('before=4'), { partition: 0, logStartOffset: 4 });
  assert.deepEqual(await remove('before=2&partition=0'), { partition: 0, logStartOffset: 4 });
  assert.deepEqual(await remove('before=end'), { partition: 0, logStartOffset: 10 });
  await kit.refused([416, 'STORE_OFFSET_OUT_OF_RANGE'], 'DELETE', '/v1/topics/t/records?before=11');
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'DELETE', '/v1/topics/t/records?before=-1');
  await kit.refused([404, 'BROKER_PARTITION_NOT_FOUND'], 'DELETE', '/v1/topics/t/records?before=0&partition=7');
  await kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'DELETE', '/v1/topics/none/records?before=0');
});

function starts(start: number): unknown {
  return { partitions: [0, 1].map((partition) => ({ partition, logStartOffset: start })) };
}

test('deleting records of all partitions is one commit, by offset or by time', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't', partitions: 2 });
  for (const partition of [0, 1]) await kit.post(`/v1/topics/t/records?partition=${partition}`, { value: 1 });
  const remove = async (query: string) => (await kit.call('DELETE', `/v1/topics/t/records?${query}`)).json;
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'DELETE', '/v1/topics/t/records?partition=all');
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'DELETE', '/v1/topics/t/records?before=0');
  await kit.refused(
    [400, 'HTTP_REQUEST_INVALID'],
    'DELETE',
    '/v1/topics/t/records?before=end&timestamp=5&partition=all',
  );
  await kit.refused([416, 'STORE_OFFSET_OUT_OF_RANGE'], 'DELETE', '/v1/topics/t/records?before=2&partition=all');
  assert.deepEqual(await remove('timestamp=5&partition=all'), starts(0));
  const { json } = await kit.get('/v1/topics/t/partitions');
  assert.ok(json.partitions.every((one: { sizeBytes: number }) => one.sizeBytes > 61));
  assert.deepEqual(await remove('timestamp=2999-01-01T00:00:00Z&partition=all'), starts(1));
});

test('answers held for slow readers are bounded; a reader that takes nothing is cut', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { maxAnswersBytes: 9 * 1024 * 1024, stallTimeoutMs: 400 } });
  const value = 'x'.repeat(100_000);
  await withTopic(
    kit,
    't',
    Array.from({ length: 80 }, (_, i) => batch([{ key: null, value, timestamp: T0 + i }])),
  );
  const sockets = Array.from({ length: 6 }, () => net.connect(kit.port, '127.0.0.1'));
  for (const socket of sockets) {
    socket.on('error', () => {});
    await once(socket, 'connect');
    // Flowing stops: the kernel's buffers fill, then ours.
    socket.pause();
    socket.write('GET /v1/topics/t/records?maxBytes=8000000 HTTP/1.1\r\nHost: h\r\n\r\n');
  }
  await until(() => (kit.held()['answers'] ?? 0) > 0);
  let peak = 0;
  await until(() => {
    peak = Math.max(peak, kit.held()['answers'] ?? 0);
    return kit.held()['inFlight'] === 0;
  });
  assert.ok(peak <= 17_000_000, `answers held at once: ${peak}`);
  await kit.idle();
  for (const socket of sockets) socket.destroy();
});

test('records of aborted transactions are not shown, those of open ones not yet', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'tx', partitions: 1 });
  const path = '/v1/topics/tx/records';
  const values = async (): Promise<string[]> => {
    const { json } = await kit.get(path);
    return json.records.map((record: { value: string }) => record.value);
  };
  const aborting = await TransactionalWriter.start(kit.broker, 'aborting');
  const committing = await TransactionalWriter.start(kit.broker, 'committing');
  await aborting.write('tx', 0, 'a1', 'a2');
  await committing.write('tx', 0, 'c1');
  await aborting.write('tx', 0, 'a3');
  assert.deepEqual(await values(), []);
  await committing.end(true);
  assert.deepEqual(await values(), []);
  await aborting.end(false);
  assert.deepEqual(await values(), ['c1']);
  await aborting.write('tx', 0, 'b1');
  await aborting.end(true);
  await kit.post(path, { value: 'plain' });
  assert.deepEqual(await values(), ['c1', 'b1', '"plain"']);
});
