/**
 * Proves optimistic append, idempotency keys and commits over several topics on a real broker: what is refused leaves
 * nothing behind, what is repeated is written once, also over a restart and a checkpoint. Not how they fare when the broker
 * is killed: the keys stand in the commit of their records, whose crashes `test/sim` cuts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBroker } from '../../../test/kit/broker-kit.ts';
import { type Answer, HttpKit } from '../../../test/kit/http-kit.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import {
  encodeKeyUse,
  IdempotencyKeysState,
  KEY_LIFE_MS,
  type KeyUse,
  MAX_KEYS,
} from '../../broker/idempotency/idempotency-keys-state.ts';
import { COMMAND } from '../../broker/state-part.ts';
import { HttpListener } from './listener.ts';

const OPTIONS = { timeout: 60_000 } as const;
const RECORDS = '/v1/topics/t/records';

async function values(kit: HttpKit, topic = 't'): Promise<unknown[]> {
  const { json } = await kit.get(`/v1/topics/${topic}/records?partition=all&format=json`);
  return json.records.map((record: { value: unknown }) => record.value);
}

function ending(end: number | string, headers: Record<string, string> = {}) {
  return { headers: { 'if-offset-match': String(end), ...headers } };
}

test('optimistic append: one of many writers wins, the others hear where the end is', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  assert.equal((await kit.post(RECORDS, '{"value":0}', ending(0))).status, 200, 'a topic that is not there ends at 0');
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => kit.post(RECORDS, `[{"value":${i}},{"value":${i}}]`, ending(1))),
  );
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, ...Array.from({ length: 9 }, () => 409)],
  );
  const lost = answers.find(({ status }) => status === 409) as Answer;
  assert.equal(lost.json.code, 'BROKER_OFFSET_CONFLICT');
  assert.deepEqual(lost.json.details, { topic: 't', partition: 0, expectedOffset: 1, endOffset: 3 });
  assert.equal((await values(kit)).length, 3);
  assert.equal(kit.broker.idempotency.conflicts, 9);
});

test('optimistic append: increments of many writers, none lost', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post(RECORDS, '{"value":0}');
  const increment = async (): Promise<void> => {
    for (;;) {
      const { json } = await kit.get(`${RECORDS}?last=1&format=json`);
      const next = json.records[0].value + 1;
      if ((await kit.post(RECORDS, `{"value":${next}}`, ending(json.nextOffset))).status === 200) return;
    }
  };
  await Promise.all(Array.from({ length: 12 }, increment));
  assert.deepEqual(
    await values(kit),
    Array.from({ length: 13 }, (_, i) => i),
  );
});

test('optimistic append over partitions', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't', partitions: 3 });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', RECORDS, { body: '{"value":1}', ...ending(0) });
  assert.equal((await kit.post(`${RECORDS}?partition=2`, '{"value":1}', ending(0))).status, 200);
  assert.equal((await kit.post(RECORDS, '{"value":2,"partition":0}', ending('0:0,2:1'))).status, 200);
  const lost = await kit.refused([409, 'BROKER_OFFSET_CONFLICT'], 'POST', RECORDS, {
    body: '{"value":3,"partition":0}',
    ...ending('0:1,1:1'),
  });
  assert.deepEqual(lost.json.details, { topic: 't', partition: 1, expectedOffset: 1, endOffset: 0 });
  await kit.refused([404, 'BROKER_PARTITION_NOT_FOUND'], 'POST', RECORDS, { body: '{"value":1}', ...ending('3:0') });
  for (const bad of ['-1', 'x', '1.5', '0:1,', '"0"', '99999999999999999999']) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', RECORDS, { body: '{"value":1}', ...ending(bad) });
  }
  assert.deepEqual(new Set(await values(kit)), new Set([1, 2]));
});

test('an idempotency key: the repeat is answered as the first was, and written once', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 't', partitions: 5 });
  const body = '[{"value":1},{"value":2,"key":"a"},{"value":3,"key":"b"},{"value":4}]';
  const send = (key = 'k', sent = body) =>
    kit.post(`${RECORDS}?offsets=each`, sent, { headers: { 'idempotency-key': key } });
  const answers = await Promise.all([send(), send(), send('"k"')]);
  for (const answer of answers) assert.deepEqual(answer.json, answers[0]?.json);
  assert.deepEqual(
    answers.map(({ headers }) => headers.get('idempotent-replayed')),
    [null, 'true', 'true'],
  );
  assert.equal((await values(kit)).length, 4);
  // Partitions that came later do not change where the first request's records are.
  const topic = kit.broker.topics.find('t');
  assert.ok(topic !== undefined);
  await kit.broker.topics.addPartitions(topic, 7);
  assert.deepEqual((await send()).json, answers[0]?.json);
  await kit.refused([422, 'BROKER_IDEMPOTENCY_KEY_REUSED'], 'POST', `${RECORDS}?offsets=each`, {
    body: '[{"value":9}]',
    headers: { 'idempotency-key': 'k' },
  });
  assert.equal((await send('other')).headers.get('idempotent-replayed'), null);
  assert.equal((await values(kit)).length, 8);
  for (const bad of ['""', '"', 'a"b', 'ü', 'x'.repeat(256), 'a b']) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', RECORDS, { body, headers: { 'idempotency-key': bad } });
  }
  assert.equal(kit.broker.idempotency.replayed, 3);
});

test('a key and an expected end: the repeat of what was written is no conflict', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const send = () => kit.post(RECORDS, '{"value":1}', ending(0, { 'idempotency-key': 'first' }));
  const first = await send();
  await kit.post(RECORDS, '{"value":2}');
  assert.deepEqual((await send()).json, first.json);
  // A refused request has used nothing: the key is free for its next try.
  const refused = ending(0, { 'idempotency-key': 'second' });
  assert.equal((await kit.post(RECORDS, '{"value":3}', refused)).status, 409);
  await kit.refused([409, 'BROKER_OFFSET_CONFLICT'], 'POST', RECORDS, { body: '[]', ...ending(7) });
  assert.equal((await kit.post(RECORDS, '{"value":3}', ending(2, { 'idempotency-key': 'second' }))).status, 200);
  assert.deepEqual(await values(kit), [1, 2, 3]);
  // Under the same name another topic: what the key tells of is not there any more.
  await kit.call('DELETE', '/v1/topics/t');
  const anew = await send();
  assert.deepEqual([anew.status, anew.headers.get('idempotent-replayed')], [200, null]);
});

/** Status, answer, and whether it was there before. */
async function sendKeyed(port: number): Promise<[number, unknown, string | null]> {
  const response = await fetch(`http://127.0.0.1:${port}${RECORDS}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
    body: '{"value":1}',
  });
  return [response.status, await response.json(), response.headers.get('idempotent-replayed')];
}

test('keys outlive a restart, with and without a checkpoint', OPTIONS, async () => {
  using directory = new TempDirectory();
  const settings = { journalFileBytes: 64 * 1024 };
  const expected = { topic: 't', count: 1, partitions: [{ partition: 0, baseOffset: 0, count: 1 }] };
  for (let round = 0; round < 3; round++) {
    const broker = await openBroker(directory.path, { settings });
    const listener = await HttpListener.start({ broker, host: '127.0.0.1', port: 0 });
    const { port } = listener.address;
    assert.deepEqual(await sendKeyed(port), [200, expected, round === 0 ? null : 'true']);
    if (round === 1) {
      // Enough for a closed journal file, which the checkpoint then covers.
      const body = JSON.stringify(Array.from({ length: 200 }, () => ({ value: 'x'.repeat(1_000) })));
      await fetch(`http://127.0.0.1:${port}/v1/topics/other/records`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    }
    await listener.stop();
    await broker.close();
  }
});

function keyUse(key: string, at: number, places = 1): KeyUse {
  return {
    key,
    at,
    fingerprint: new Uint8Array(16),
    writes: [
      {
        topicId: 'id',
        partitionCount: 1,
        places: Array.from({ length: places }, (_, partition) => ({ partition, baseOffset: 5, count: 1 })),
      },
    ],
  };
}

test('what is remembered of keys is bounded, by age, count and places, in every fold alike', () => {
  const state = new IdempotencyKeysState();
  const apply = (key: string, at: number, places?: number): void =>
    state.apply(COMMAND.IDEMPOTENCY_KEY_USED, encodeKeyUse(keyUse(key, at, places)));
  for (let i = 0; i < MAX_KEYS + 10; i++) apply(`k${i}`, 1_000);
  assert.equal(state.size, MAX_KEYS);
  assert.equal(state.find('k9', 1_000), undefined);
  assert.deepEqual(state.find('k10', 1_000), keyUse('k10', 1_000));
  assert.equal(state.find('k10', 1_001 + KEY_LIFE_MS), undefined, 'over, though it is still there');
  const writer = new StateWriter();
  state.snapshot(writer);
  const restored = new IdempotencyKeysState();
  restored.restore(new StateReader(writer.finish(), 'test'));
  const again = new StateWriter();
  restored.snapshot(again);
  assert.deepEqual(again.finish(), writer.finish());
  for (let i = 0; i < 5; i++) apply(`large${i}`, 1_000, 100_000);
  assert.equal(state.size, 4);
  apply('later', 1_001 + KEY_LIFE_MS);
  assert.equal(state.size, 1);
});

test('a commit over topics: all of it or nothing', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const commit = (writes: unknown, headers: Record<string, string> = {}) =>
    kit.post('/v1/commit?offsets=each', { writes }, { headers });
  const first = await commit([
    { topic: 'a/b', records: { value: 1, key: 'k' } },
    { topic: 'c', records: [{ value: '7' }, { value: '8' }], format: 'text', ifOffsetMatch: 0 },
  ]);
  assert.deepEqual(first.json.writes, [
    {
      topic: 'a.b',
      count: 1,
      partitions: [{ partition: 0, baseOffset: 0, count: 1 }],
      records: [{ partition: 0, offset: 0 }],
    },
    {
      topic: 'c',
      count: 2,
      partitions: [{ partition: 0, baseOffset: 0, count: 2 }],
      records: [0, 1].map((offset) => ({ partition: 0, offset })),
    },
  ]);
  const seen = await kit.get('/v1/subscribe?match=**');
  const commits = seen.json.records.map(({ cursor }: { cursor: string }) => cursor.split('.')[0]);
  assert.equal(new Set(commits).size, 1, 'one commit of the journal');

  const lost = await commit([
    { topic: 'a/b', records: { value: 2 } },
    { topic: 'c', records: { value: 3 }, ifOffsetMatch: '0:1' },
  ]);
  assert.deepEqual([lost.status, lost.json.code], [409, 'BROKER_OFFSET_CONFLICT']);
  assert.equal((await values(kit, 'a.b')).length, 1);

  await kit.call('PUT', '/v1/stream/closed', { headers: { 'stream-closed': 'true' }, type: 'text/plain' });
  const closed = await commit([
    { topic: 'a/b', records: { value: 2 } },
    { topic: 'closed', records: { value: 3 } },
  ]);
  assert.deepEqual([closed.status, closed.json.code], [409, 'BROKER_STREAM_CLOSED']);
  assert.equal((await values(kit, 'a.b')).length, 1);

  const keyed = () =>
    commit(
      [
        { topic: 'a.b', records: [] },
        { topic: 'c', records: { value: 9 } },
      ],
      { 'idempotency-key': 'k' },
    );
  const [one, two] = [await keyed(), await keyed()];
  assert.deepEqual([two.json, two.headers.get('idempotent-replayed')], [one.json, 'true']);
  assert.deepEqual(await values(kit, 'c'), [7, 8, 9]);
});

test('a commit that is refused makes no topic', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const bodies: readonly (readonly [string, RegExp])[] = [
    [
      '{"writes":[{"topic":"a","records":[]},{"topic":"b","records":[{"value":1},{"nope":1}]}]}',
      /writes\[1\]\.records\[1\]/,
    ],
    ['{"writes":[{"topic":"a","records":{"value":1}},{"topic":"b","records":7}]}', /writes\[1\]\.records/],
    ['{"writes":[{"topic":"a"}]}', /writes\[0\] has no records/],
    ['{"writes":[{"records":[]}]}', /no topic/],
    ['{"writes":[{"topic":7,"records":[]}]}', /must be a string/],
    ['{"writes":[{"topic":"a","topic":"b","records":[]}]}', /twice/],
    ['{"writes":[{"topic":"a","records":[],"partition":-1}]}', /partition/],
    ['{"writes":[{"topic":"a","records":[],"ifOffsetMatch":true}]}', /ifOffsetMatch/],
    ['{"writes":[{"topic":"a","records":[],"format":"xml"}]}', /format/],
    ['{"writes":[{"topic":"a","records":[],"__proto__":1}]}', /unknown member/],
    ['{"writes":{}}', /array/],
    ['{"writes":[],"writes":[]}', /array/],
    ['{"write":[]}', /unknown member/],
    ['{}', /no member/],
    ['[]', /object/],
    [`{"writes":[${'{"topic":"a","records":[]},'.repeat(1_000)}{"topic":"a","records":[]}]}`, /more than 1000/],
  ];
  for (const [body, words] of bodies) {
    const refused = await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/commit', { body });
    assert.match(refused.json.detail, words, body);
  }
  for (const body of ['', '{"writes":[', '{"writes":[]} x', '{"writes":[{"topic":"a","records":[{"value":1}]}']) {
    await kit.refused([400, 'HTTP_JSON_INVALID'], 'POST', '/v1/commit', { body });
  }
  await kit.refused([400, 'MODEL_TOPIC_NAME_INVALID'], 'POST', '/v1/commit', {
    body: '{"writes":[{"topic":"a","records":[]},{"topic":"a//b","records":[]}]}',
  });
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/commit', { body: '{"writes":[]}', ...ending(0) });
  await kit.refused([415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'], 'POST', '/v1/commit', { body: 'x', type: 'text/plain' });
  assert.deepEqual((await kit.get('/v1/topics')).json.topics, []);
  assert.deepEqual((await kit.post('/v1/commit', '{"writes":[]}')).json, { writes: [] });
  await kit.idle();
});
