/**
 * Proves subscriptions over HTTP on a real broker: each representation, resumption by cursor and by Last-Event-ID without a
 * gap or a repeat, refusals, and Server-Sent Events of one topic.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { produce } from '../../../test/kit/broker-kit.ts';
import { HttpKit } from '../../../test/kit/http-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { TransactionalWriter } from '../../../test/kit/transactional-writer.ts';
import { writeUint32 } from '../../base/bytes.ts';
import type { Topic } from '../../broker/topic.ts';
import { BatchBuilder } from '../../model/batch-builder.ts';
import { CRC_POSITION, computeCrc } from '../../model/record-batch.ts';

const OPTIONS = { timeout: 60_000 } as const;
const EVENTS = { accept: 'text/event-stream' } as const;

async function write(kit: HttpKit, topic: string, ...values: (string | number)[]): Promise<void> {
  const records = values.map((value) => ({ value }));
  assert.equal((await kit.post(`/v1/topics/${topic}/records`, records)).status, 200);
}

function subscribePath(...match: string[]): string {
  return `/v1/subscribe?${match.map((glob) => `match=${encodeURIComponent(glob)}`).join('&')}`;
}

test('a stream of NDJSON: what is there, what comes, topics created later', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { heartbeatMs: 30 } });
  await write(kit, 'food.eggs', 1, 2);
  await write(kit, 'cars.red', 3);
  await write(kit, 'drinks.tea', 4);
  const reader = (await kit.follow(`${subscribePath('food/**', 'drinks/*')}&follow=true&format=json`)).start();
  assert.equal(reader.response.headers['content-type'], 'application/x-ndjson');
  const next = async (): Promise<[string, number]> => {
    for (;;) {
      const record = await reader.next();
      if (record !== null) return [record.topic, record.value];
    }
  };
  assert.deepEqual(
    [await next(), await next(), await next()],
    [
      ['food.eggs', 1],
      ['food.eggs', 2],
      ['drinks.tea', 4],
    ],
  );
  await write(kit, 'food.new.topic', 5);
  await write(kit, 'cars.blue', 6);
  await write(kit, 'food.eggs', 7);
  assert.deepEqual(
    [await next(), await next()],
    [
      ['food.new.topic', 5],
      ['food.eggs', 7],
    ],
  );
  assert.equal(await reader.next(), null, 'an empty line while nothing comes');
  reader.close();
  await kit.idle();
});

test('an answer, its cursor, and a long poll', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await write(kit, 'a.x', 'one', 'two');
  await write(kit, 'a.y', 'three');
  const first = await kit.get(`${subscribePath('a/*')}&limit=2&format=json`);
  assert.deepEqual(
    first.json.records.map((record: { value: string }) => record.value),
    ['one', 'two'],
  );
  assert.equal(first.json.cursor, first.json.records[1].cursor);
  const second = await kit.get(`${subscribePath('a/*')}&cursor=${first.json.records[0].cursor}&format=json`);
  assert.deepEqual(
    second.json.records.map((record: { value: string }) => record.value),
    ['two', 'three'],
  );
  assert.match(second.json.cursor, /^\d+$/, 'at the end the cursor is one number');
  const waiting = kit.get(`${subscribePath('a/*')}&cursor=${second.json.cursor}&wait=20&format=json`);
  await write(kit, 'b', 'other');
  await write(kit, 'a.z', 'four');
  const polled = await waiting;
  assert.deepEqual(
    polled.json.records.map((record: { topic: string }) => record.topic),
    ['a.z'],
  );
  const empty = await kit.get(`${subscribePath('a/*')}&cursor=latest&wait=0.05`);
  assert.deepEqual(empty.json.records, []);
  const lines = await kit.get(subscribePath('a/*'), { headers: { accept: 'application/x-ndjson' } });
  assert.equal(lines.text.trim().split('\n').length, 4);
  assert.match(lines.headers.get('millrace-cursor') ?? '', /^\d+/);
  await kit.idle();
});

test('a topic that is deleted and made again while its records wait for their piece', OPTIONS, async () => {
  const clock = new ManualClock();
  await using kit = await HttpKit.start({ clock });
  const { broker } = kit;
  await write(kit, 'a.x', 'first');
  const reader = (await kit.follow(`${subscribePath('a/*')}&follow=true&format=json`)).start();
  const next = async (): Promise<unknown[]> => {
    const { topic, offset, value } = await reader.next();
    return [topic, offset, value];
  };
  assert.deepEqual(await next(), ['a.x', 0, 'first']);
  await write(kit, 'a.x', 'too late');
  await write(kit, 'a.y', 'in between');
  assert.equal((await kit.call('DELETE', '/v1/topics/a.x')).status, 204);
  await write(kit, 'a.x', 'again', 'and again');
  clock.advance(1_000);
  assert.deepEqual(
    [await next(), await next(), await next()],
    [
      ['a.y', 0, 'in between'],
      ['a.x', 0, 'again'],
      ['a.x', 1, 'and again'],
    ],
  );
  await broker.topics.delete(broker.topics.find('a.x') as Topic);
  await write(kit, 'a.x', 'third');
  clock.advance(1_000);
  assert.deepEqual(await next(), ['a.x', 0, 'third'], 'under way it is no reason to end');
  reader.close();
  await kit.idle();
});

test('Server-Sent Events go on where Last-Event-ID says', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { heartbeatMs: 30, followPieceBytes: 200 } });
  for (let i = 0; i < 20; i++) await write(kit, `t.${i % 3}`, ...Array.from({ length: 5 }, (_, k) => i * 5 + k));
  const seen: number[] = [];
  let id = '';
  while (seen.length < 100) {
    const headers = { ...EVENTS, ...(id === '' ? {} : { 'last-event-id': id }) };
    const reader = (await kit.follow(`${subscribePath('t/*')}&format=json`, headers)).start();
    assert.equal(reader.response.headers['content-type'], 'text/event-stream');
    for (let i = 0; i < 7 && seen.length < 100; i++) {
      const event = await reader.event();
      assert.ok(event?.id !== undefined && event.data !== undefined);
      id = event.id;
      const record = JSON.parse(event.data) as { value: number; cursor: string };
      assert.equal(record.cursor, id);
      seen.push(record.value);
    }
    reader.close();
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 100 }, (_, i) => i),
  );
  await write(kit, 'elsewhere', 'x');
  const reader = (await kit.follow(subscribePath('t/*'), { ...EVENTS, 'last-event-id': id })).start();
  const heartbeat = await reader.event();
  assert.ok(heartbeat?.id !== undefined && heartbeat.data === undefined, 'the id moves over what did not match');
  assert.ok(Number(heartbeat.id) > Number(id.split('.')[0]));
  reader.close();
  await kit.idle();
});

test('Server-Sent Events of one topic', OPTIONS, async () => {
  await using kit = await HttpKit.start({ http: { heartbeatMs: 30 } });
  await kit.post('/v1/topics', { name: 'two', partitions: 2 });
  await write(kit, 'one', 'a', 'b', 'c');
  const path = '/v1/topics/one/records?format=json';
  const reader = (await kit.follow(path, EVENTS)).start();
  const [a, b] = [await reader.event(), await reader.event()];
  assert.deepEqual([a?.id, b?.id], ['0:1', '0:2']);
  reader.close();
  const again = (await kit.follow(path, { ...EVENTS, 'last-event-id': '0:2' })).start();
  assert.match((await again.event())?.data ?? '', /"value":"c"/);
  assert.deepEqual(await again.event(), {}, 'a comment while nothing comes');
  await kit.call('DELETE', '/v1/topics/one');
  let last = await again.event();
  while (last?.event === undefined) last = await again.event();
  assert.equal(last.event, 'error');
  assert.equal(JSON.parse(last.data ?? '').code, 'BROKER_TOPIC_NOT_FOUND');
  assert.equal(await again.event(), undefined);
  for (const value of ['x', 'y']) {
    await kit.post('/v1/topics/two/records?partition=0', { value });
    await kit.post('/v1/topics/two/records?partition=1', { value });
  }
  const all = (await kit.follow('/v1/topics/two/records?partition=all', EVENTS)).start();
  const ids = [(await all.event())?.id, (await all.event())?.id, (await all.event())?.id];
  all.close();
  const rest = (
    await kit.follow('/v1/topics/two/records?partition=all', { ...EVENTS, 'last-event-id': ids[2] ?? '' })
  ).start();
  assert.match((await rest.event())?.id ?? '', /^0:2,1:2$/);
  rest.close();
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', path, { headers: { ...EVENTS, 'last-event-id': 'x' } });
  await kit.idle();
});

test('refusals come before the stream begins', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const refusals: readonly (readonly [number, string, string, Record<string, string>?])[] = [
    [400, 'HTTP_REQUEST_INVALID', '/v1/subscribe'],
    [400, 'MODEL_TOPIC_PATTERN_INVALID', subscribePath('a/**b')],
    [400, 'MODEL_TOPIC_PATTERN_INVALID', subscribePath('ok', '[')],
    [400, 'HTTP_REQUEST_INVALID', `/v1/subscribe?${'match=a&'.repeat(101)}`],
    [400, 'BROKER_CURSOR_INVALID', `${subscribePath('a')}&cursor=x`],
    [400, 'BROKER_CURSOR_INVALID', `${subscribePath('a')}&cursor=999999&follow=true`],
    [400, 'BROKER_CURSOR_INVALID', subscribePath('a'), { ...EVENTS, 'last-event-id': '7.7' }],
    [400, 'HTTP_REQUEST_INVALID', `${subscribePath('a')}&wait=1&follow=true`],
    [406, 'HTTP_NOT_ACCEPTABLE', subscribePath('a'), { accept: 'image/png' }],
    [406, 'HTTP_NOT_ACCEPTABLE', `${subscribePath('a')}&follow=true`, { accept: 'application/json' }],
  ];
  for (const [status, code, path, headers] of refusals) {
    await kit.refused([status, code], 'GET', path, headers === undefined ? {} : { headers });
  }
  await kit.idle();
});

test('a batch that cannot be opened is named, and passed with its cursor', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await write(kit, 'bad', 'before');
  const builder = new BatchBuilder({ codec: 'gzip' });
  builder.add({ key: null, value: 'x'.repeat(5_000), timestamp: 1_700_000_000_000, headers: [] });
  const batch = Uint8Array.from(builder.build());
  batch.fill(0xff, 70, 90);
  writeUint32(batch, CRC_POSITION, computeCrc(batch, 0, batch.length));
  const item = await produce(kit.broker, kit.broker.topics.find('bad'), 0, batch);
  assert.equal(item.error, undefined);
  await write(kit, 'bad', 'behind');
  const first = await kit.get(subscribePath('bad'));
  assert.deepEqual(
    first.json.records.map((record: { value: string }) => record.value),
    ['"before"'],
  );
  const problem = await kit.refused(
    [422, 'MODEL_RECORD_INVALID'],
    'GET',
    `${subscribePath('bad')}&cursor=${first.json.cursor}`,
  );
  const { cursor } = problem.json.details;
  const rest = await kit.get(`${subscribePath('bad')}&cursor=${cursor}`);
  assert.deepEqual(
    rest.json.records.map((record: { value: string }) => record.value),
    ['"behind"'],
  );
});

test('records of aborted transactions are passed over, those behind them are not', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'tx' });
  const aborting = await TransactionalWriter.start(kit.broker, 'aborting');
  await aborting.write('tx', 0, 'a1', 'a2');
  await write(kit, 'tx', 'plain');
  await aborting.end(false);
  await aborting.write('tx', 0, 'kept');
  await aborting.end(true);
  const { json } = await kit.get(subscribePath('tx'));
  const values = json.records.map((record: { value: string }) => record.value);
  assert.deepEqual(values, ['"plain"', 'kept']);
});
