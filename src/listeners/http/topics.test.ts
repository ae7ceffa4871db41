/** Proves the topic routes over a real broker: every endpoint, every refusal, names in each spelling, pages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, HttpKit } from '../../../test/kit/http-kit.ts';

const OPTIONS = { timeout: 60_000 } as const;

test('a topic lives: created, shown, listed, deleted, created anew', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const created = await kit.post('/v1/topics', {
    name: 'food/eggs',
    partitions: 2,
    config: { 'max.message.bytes': 5000 },
  });
  assert.equal(created.status, 201);
  assert.equal(created.headers.get('location'), '/v1/topics/food.eggs');
  assert.match(created.json.id, /^[0-9a-f]{32}$/);
  assert.deepEqual(created.json, {
    name: 'food.eggs',
    id: created.json.id,
    partitionCount: 2,
    partitions: [
      { partition: 0, logStartOffset: 0, highWatermark: 0 },
      { partition: 1, logStartOffset: 0, highWatermark: 0 },
    ],
    config: { 'max.message.bytes': '5000' },
  });
  for (const path of ['food/eggs', 'food%2Feggs', 'food.eggs', 'food%2feggs', '%66ood.eggs']) {
    assert.deepEqual((await kit.get(`/v1/topics/${path}`)).json, created.json, path);
  }
  await kit.refused([409, 'BROKER_TOPIC_EXISTS'], 'POST', '/v1/topics', { body: { name: 'food.eggs' } });
  assert.deepEqual((await kit.get('/v1/topics')).json, {
    topics: [{ name: 'food.eggs', id: created.json.id, partitionCount: 2 }],
    nextCursor: null,
  });
  const deleted = await kit.call('DELETE', '/v1/topics/food/eggs');
  assert.deepEqual([deleted.status, deleted.text], [204, '']);
  await kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'DELETE', '/v1/topics/food/eggs');
  const again = await kit.post('/v1/topics', { name: 'food/eggs' });
  assert.notEqual(again.json.id, created.json.id);
});

test('a topic whose last level is a verb is written dotted or encoded', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  for (const name of ['food', 'food/records', 'records']) await kit.post('/v1/topics', { name });
  const nameOf = async (path: string) => {
    const { json } = await kit.get(path);
    return json.name ?? `records of ${json.topic}`;
  };
  assert.equal(await nameOf('/v1/topics/food.records'), 'food.records');
  assert.equal(await nameOf('/v1/topics/food%2Frecords'), 'food.records');
  assert.equal(await nameOf('/v1/topics/records'), 'records');
  assert.equal(await nameOf('/v1/topics/food/records'), 'records of food');
  assert.equal(await nameOf('/v1/topics/food/records/records'), 'records of food.records');
  assert.equal(await nameOf('/v1/topics/records/records'), 'records of records');
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'DELETE', '/v1/topics/food/records');
});

test('refusals of create', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const cases: readonly (readonly [unknown, number, string, RegExp])[] = [
    [{}, 400, 'HTTP_REQUEST_INVALID', /Member `name` is missing/],
    [[], 400, 'HTTP_REQUEST_INVALID', /must be a JSON object/],
    ['"x"', 400, 'HTTP_REQUEST_INVALID', /must be a JSON object/],
    ['{"name":', 400, 'HTTP_JSON_INVALID', /line 1, column 9/],
    ['', 400, 'HTTP_JSON_INVALID', /the end/],
    [{ name: 1 }, 400, 'HTTP_REQUEST_INVALID', /`name` must be a string/],
    [{ name: 'a', partitions: '3' }, 400, 'HTTP_REQUEST_INVALID', /`partitions` must be a whole number/],
    [{ name: 'a', partitions: 0 }, 400, 'HTTP_REQUEST_INVALID', /`partitions` must be/],
    [{ name: 'a', partitions: 1.5 }, 400, 'HTTP_REQUEST_INVALID', /`partitions` must be/],
    ['{"name":"a","partitions":1e99}', 400, 'HTTP_REQUEST_INVALID', /`partitions` must be/],
    [{ name: 'a', partitions: 2_000_000 }, 400, 'BROKER_PARTITIONS_INVALID', /1 to \d+/],
    [{ name: 'a', color: 'red' }, 400, 'HTTP_REQUEST_INVALID', /`color` is unknown; known: name/],
    ['{"name":"a","__proto__":{}}', 400, 'HTTP_REQUEST_INVALID', /unknown/],
    [{ name: 'a', config: { 'retention.ms': [] } }, 400, 'HTTP_REQUEST_INVALID', /config.retention.ms/],
    [{ name: 'a', config: { nonsense: 1 } }, 400, 'BROKER_CONFIG_INVALID', /nonsense/],
    [{ name: 'a', config: { 'cleanup.policy': 'compact,delete,x' } }, 400, 'BROKER_CONFIG_INVALID', /cleanup.policy/],
    [{ name: 'a', config: { 'remote.storage.enable': true } }, 400, 'BROKER_CONFIG_UNSUPPORTED', /remote.storage/],
    [{ name: '' }, 400, 'MODEL_TOPIC_NAME_INVALID', /empty/],
    [{ name: 'a//b' }, 400, 'MODEL_TOPIC_NAME_INVALID', /empty/],
    [{ name: '..' }, 400, 'MODEL_TOPIC_NAME_INVALID', /empty/],
    [{ name: 'a b' }, 400, 'MODEL_TOPIC_NAME_INVALID', /character " " at position 1/],
    [{ name: 'é' }, 400, 'MODEL_TOPIC_NAME_INVALID', /é/],
    [{ name: 'x'.repeat(250) }, 400, 'MODEL_TOPIC_NAME_INVALID', /250 characters/],
  ];
  for (const [body, status, code, detail] of cases) {
    const answer = await kit.refused([status, code], 'POST', '/v1/topics', { body: body as string });
    assert.match(answer.json.detail, detail, JSON.stringify(body));
  }
  await kit.refused([415, 'HTTP_MEDIA_TYPE_UNSUPPORTED'], 'POST', '/v1/topics', { body: 'x', type: 'text/plain' });
  await kit.refused([413, 'HTTP_BODY_TOO_LARGE'], 'POST', '/v1/topics', { body: 'x'.repeat(1_100_000) });
  assert.equal(kit.broker.topics.size, 0);
  await kit.idle();
});

test('names out of form in a path', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  for (const name of ['a%20b', 'food//eggs', 'food/', 'a%00b', 'x'.repeat(250), '%E2%82%AC']) {
    await kit.refused([400, 'MODEL_TOPIC_NAME_INVALID'], 'GET', `/v1/topics/${name}`);
    await kit.refused([400, 'MODEL_TOPIC_NAME_INVALID'], 'GET', `/v1/topics/${name}/records`);
  }
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', '/v1/topics/%zz');
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', '/v1/topics/%ff');
});

test('topics that match a glob, and a glob that is none', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  for (const name of ['glob.a.x', 'glob.b.x', 'glob.a.y', 'glob.x']) await kit.post('/v1/topics', { name });
  const page = await kit.get(`/v1/topics?match=${encodeURIComponent('glob/*/x')}`);
  const names = page.json.topics.map((topic: { name: string }) => topic.name);
  assert.deepEqual(names, ['glob.a.x', 'glob.b.x']);
  await kit.refused([400, 'MODEL_TOPIC_PATTERN_INVALID'], 'GET', `/v1/topics?match=${encodeURIComponent('glob/**x')}`);
});

test('pages: sorted, by prefix, each topic once', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const names = Array.from({ length: 25 }, (_, i) => `p${i % 2}/t${i}`);
  await Promise.all(names.map((name) => kit.post('/v1/topics', { name })));
  const wanted = names
    .filter((name) => name.startsWith('p0/'))
    .map((name) => name.replace('/', '.'))
    .sort();
  for (const prefix of ['p0/', 'p0.']) {
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await kit.get(
        `/v1/topics?limit=4&prefix=${encodeURIComponent(prefix)}${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      assert.equal(page.status, 200, page.text);
      assert.ok(page.json.topics.length <= 4);
      seen.push(...page.json.topics.map((topic: { name: string }) => topic.name));
      cursor = page.json.nextCursor as string | null;
    }
    assert.deepEqual(seen, wanted);
  }
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'limit=1.5',
    'limit=',
    'limit=1&limit=2',
    'cursor=*',
    'cursor=_w',
    'page=2',
    'limit=99999999999999999999',
  ]) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', `/v1/topics?${query}`);
  }
});

function valueOf(answer: Answer, name: string): readonly unknown[] {
  const entry = answer.json.config.find((candidate: { name: string }) => candidate.name === name);
  return [entry?.value, entry?.source];
}

test('settings: shown with their source, changed by merge patch, all or nothing', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'a/b' });
  const path = '/v1/topics/a/b/config';
  assert.deepEqual(valueOf(await kit.get(path), 'max.message.bytes'), ['1048588', 'default']);
  const patched = await kit.call('PATCH', path, {
    body: { 'max.message.bytes': 5000 },
    type: 'application/merge-patch+json',
  });
  assert.deepEqual(valueOf(patched, 'max.message.bytes'), ['5000', 'topic']);
  await kit.refused([400, 'BROKER_CONFIG_INVALID'], 'PATCH', path, { body: { 'max.message.bytes': 1, nonsense: 2 } });
  await kit.refused([400, 'BROKER_CONFIG_INVALID'], 'PATCH', path, { body: { 'max.message.bytes': 'many' } });
  const wrong = await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'PATCH', path, { body: { 'max.message.bytes': {} } });
  assert.match(wrong.json.detail, /^Member `max.message.bytes` must be/);
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'PATCH', path, { body: '[]' });
  assert.deepEqual(valueOf(await kit.get(path), 'max.message.bytes'), ['5000', 'topic']);
  const reset = await kit.call('PATCH', path, { body: { 'max.message.bytes': null } });
  assert.deepEqual(valueOf(reset, 'max.message.bytes'), ['1048588', 'default']);
  await kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'GET', '/v1/topics/none/config');
  await kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'PATCH', '/v1/topics/none/config', { body: {} });
});

test('no such path, not this method, HEAD like GET', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'a' });
  for (const path of ['/v1', '/v1/topic', '/v1/topics/']) {
    const answer = await kit.call('GET', path);
    assert.ok([404, 400].includes(answer.status), `${path} ${answer.text}`);
  }
  const page = await kit.call('GET', '/');
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/, 'the root leads to the page of the interface');
  await kit.refused([404, 'HTTP_ROUTE_NOT_FOUND'], 'GET', '/favicon.ico');
  const put = await kit.refused([405, 'HTTP_METHOD_NOT_ALLOWED'], 'PUT', '/v1/topics/a/b/records');
  assert.equal(put.headers.get('allow'), 'DELETE, GET, HEAD, POST');
  await kit.refused([405, 'HTTP_METHOD_NOT_ALLOWED'], 'DELETE', '/v1/topics');
  const head = await kit.call('HEAD', '/v1/topics/a');
  assert.deepEqual([head.status, head.text], [200, '']);
  assert.equal(head.headers.get('content-length'), String((await kit.get('/v1/topics/a')).text.length));
});

test('health: live, ready, and why not', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  assert.deepEqual((await kit.get('/health/live')).json, { status: 'live' });
  assert.deepEqual((await kit.get('/health/ready')).json, { status: 'ready' });
  await kit.refused([404, 'HTTP_ROUTE_NOT_FOUND'], 'GET', '/metrics');
  await kit.broker.journal.close();
  await kit.refused([503, 'BROKER_CLOSED'], 'GET', '/health/ready');
  assert.equal((await kit.get('/health/live')).status, 200);
  await kit.refused([503, 'JOURNAL_CLOSED'], 'POST', '/v1/topics', { body: { name: 'late' } });
});

test('quotas of clients: set, listed, replaced, removed, refused', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  assert.deepEqual((await kit.get('/v1/quotas')).json, { quotas: [] });
  const set = await kit.call('PUT', '/v1/quotas/clients/a%2Fb', { body: { producerByteRate: 1000 } });
  assert.deepEqual([set.status, set.json], [200, { clientId: 'a/b', producerByteRate: 1000, consumerByteRate: null }]);
  await kit.call('PUT', '/v1/quotas/default', { body: { consumerByteRate: 5000, producerByteRate: null } });
  assert.deepEqual((await kit.get('/v1/quotas')).json.quotas, [
    { clientId: 'a/b', producerByteRate: 1000, consumerByteRate: null },
    { clientId: null, producerByteRate: null, consumerByteRate: 5000 },
  ]);
  await kit.call('PUT', '/v1/quotas/clients/a%2Fb', { body: { consumerByteRate: 7 } });
  assert.equal((await kit.get('/v1/quotas')).json.quotas[0].producerByteRate, null, 'replaced as a whole');
  for (const body of [{ producerByteRate: 0 }, { producerByteRate: 1.5 }, { rate: 1 }, { producerByteRate: '9' }]) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'PUT', '/v1/quotas/clients/x', { body });
  }
  assert.equal((await kit.call('DELETE', '/v1/quotas/clients/a%2Fb')).status, 204);
  assert.equal((await kit.call('DELETE', '/v1/quotas/default')).status, 204);
  assert.deepEqual((await kit.get('/v1/quotas')).json, { quotas: [] });
});

test('partitions are added, never taken away; a stream keeps its one', { timeout: 60_000 }, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'a/b' });
  const grown = await kit.post('/v1/topics/a/b/partitions', { partitions: 3 });
  assert.deepEqual([grown.status, grown.json.partitionCount, grown.json.partitions.length], [200, 3, 3]);
  for (const partitions of [3, 2]) {
    await kit.refused([400, 'BROKER_PARTITIONS_INVALID'], 'POST', '/v1/topics/a.b/partitions', {
      body: { partitions },
    });
  }
  for (const body of [{}, { partitions: 0 }, { partitions: '4' }, { partitions: 4, more: 1 }]) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/topics/a.b/partitions', { body });
  }
  await kit.refused([404, 'BROKER_TOPIC_NOT_FOUND'], 'POST', '/v1/topics/none/partitions', { body: { partitions: 2 } });
  await kit.call('PUT', '/v1/stream/s', { type: 'text/plain' });
  await kit.refused([400, 'BROKER_PARTITIONS_INVALID'], 'POST', '/v1/topics/s/partitions', { body: { partitions: 2 } });
});

test('stats: the broker in a few numbers', { timeout: 60_000 }, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'a', partitions: 4 });
  await kit.post('/v1/topics/a/records', [{ value: 1 }, { value: 2 }, { value: 3 }]);
  await kit.call('DELETE', '/v1/topics/a/records?partition=all&before=0');
  const { json } = await kit.get('/v1/stats');
  assert.deepEqual([json.topics, json.partitions, json.records, json.producedRecords], [1, 4, 3, 3]);
  assert.ok(json.ready && json.memoryBytes > 1e6 && json.diskTotalBytes >= json.diskFreeBytes);
});
