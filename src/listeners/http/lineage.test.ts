/**
 * Proves lineage over a real broker: causes named over HTTP and in record batches, chains, trees, several causes, rings,
 * deleted records, pages that fit together while records come, transactions, a restart, and what is out of form.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBroker } from '../../../test/kit/broker-kit.ts';
import { HttpKit } from '../../../test/kit/http-kit.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { TransactionalWriter } from '../../../test/kit/transactional-writer.ts';
import { LineageIndex } from '../../broker/lineage/lineage-index.ts';
import { encodeBatch } from '../../model/batch-builder.ts';
import { parseRecordPosition } from '../../model/record-position.ts';
import { HttpListener } from './listener.ts';

const OPTIONS = { timeout: 60_000 } as const;

interface Relative {
  readonly depth: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly missing?: boolean;
}

/** Writes one record that these caused; gives its place. */
async function write(kit: HttpKit, topic: string, ...parents: readonly string[]): Promise<string> {
  const headers = parents.map((value) => ({ name: 'millrace-parent', value }));
  const { json } = await kit.post(`/v1/topics/${topic}/records`, { value: topic, headers });
  const [{ partition, baseOffset }] = json.partitions;
  return `${json.topic}/${partition}/${baseOffset}`;
}

async function lineage(kit: HttpKit, at: string, query = '') {
  const { status, json, text } = await kit.get(`/v1/records/${at}/lineage${query}`);
  assert.equal(status, 200, text);
  return json;
}

function places(relatives: readonly Relative[]): string[] {
  return relatives.map(({ depth, topic, partition, offset }) => `${depth} ${topic}/${partition}/${offset}`);
}

test('what a record came from, and what came of it', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const order = await write(kit, 'shop/orders');
  const payment = await write(kit, 'shop/payments', order);
  const parcel = await write(kit, 'shop/parcels', order, payment);
  await write(kit, 'shop/orders');
  const mail = await write(kit, 'mail', parcel);
  const of = await lineage(kit, parcel, '?format=json');
  assert.equal(of.record.topic, 'shop.parcels');
  assert.deepEqual(places(of.ancestors), [`1 ${order}`, `1 ${payment}`]);
  assert.deepEqual(places(of.descendants), [`1 ${mail}`]);
  assert.deepEqual([of.complete, of.nextCursor], [true, null]);
  assert.equal(of.descendants[0].value, 'mail');
  const whole = await lineage(kit, order);
  assert.deepEqual(places(whole.descendants), [`1 ${payment}`, `1 ${parcel}`, `2 ${mail}`]);
  assert.deepEqual(whole.ancestors, []);
  assert.deepEqual(places((await lineage(kit, order, '?depth=1')).descendants), [`1 ${payment}`, `1 ${parcel}`]);
  assert.deepEqual((await lineage(kit, mail, '?direction=descendants')).ancestors, []);
  const up = await lineage(kit, mail, '?direction=ancestors&depth=1');
  assert.deepEqual([places(up.ancestors), up.complete], [[`1 ${parcel}`], false]);
  await kit.idle();
});

test('the cause of a whole write, of any form; a record may name its own', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const cause = await write(kit, 'cause');
  const parent = { headers: { 'millrace-parent': 'cause/0/0' } };
  await kit.post('/v1/topics/t/records', '[{"value":1},{"value":2,"headers":{"millrace-parent":"t/0/0"}}]', parent);
  await kit.post('/v1/topics/t/records', 'a\nb\n', { type: 'application/vnd.millrace.lines', ...parent });
  const headers = [{ key: 'millrace-parent', value: cause }];
  const batch = encodeBatch([{ value: 'x', timestamp: 1, headers }], { codec: 'gzip' });
  await kit.post('/v1/topics/t/records', batch, { type: 'application/vnd.millrace.record-batch' });
  const { descendants } = await lineage(kit, cause);
  assert.deepEqual(places(descendants), ['1 t/0/0', '2 t/0/1', '1 t/0/2', '1 t/0/3', '1 t/0/4']);
  for (const bad of ['x', 'a/0', 'a/0/x', 'a//0/1', 'a/0/99999999999999999', '/0/1']) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/topics/t/records', {
      body: '{"value":1}',
      headers: { 'millrace-parent': bad },
    });
  }
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'POST', '/v1/topics/t/records', {
    body: batch,
    type: 'application/vnd.millrace.record-batch',
    ...parent,
  });
});

test('pages fit together while records come', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const root = await write(kit, 'root');
  for (let i = 0; i < 25; i++) await write(kit, 'children', root);
  const seen: string[] = [];
  let cursor: string | null = '';
  for (let page = 0; cursor !== null; page++) {
    const { descendants, nextCursor } = await lineage(
      kit,
      root,
      `?limit=10${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    seen.push(...places(descendants));
    cursor = nextCursor;
    // Grandchildren of the first page come behind all that is there.
    if (page === 0) await write(kit, 'late', 'children/0/0');
  }
  assert.deepEqual(seen, [...Array.from({ length: 25 }, (_, i) => `1 children/0/${i}`), '2 late/0/0']);
  // By size: at least one, and the rest later.
  const large = await lineage(kit, root, '?maxBytes=200&direction=descendants');
  assert.ok(large.descendants.length >= 1 && large.descendants.length < 5);
  assert.notEqual(large.nextCursor, null);
  await kit.idle();
});

test('rings, records that name themselves, and places where nothing is', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await write(kit, 'ring', 'ring/0/1', 'ring/0/0');
  await write(kit, 'ring', 'ring/0/0', 'gone/0/7', 'nonsense', 'ring/0/99');
  const { ancestors, descendants } = await lineage(kit, 'ring/0/0', '?depth=100');
  assert.deepEqual(places(ancestors), ['1 ring/0/1', '2 gone/0/7', '2 ring/0/99']);
  assert.deepEqual(
    ancestors.map(({ missing }: Relative) => missing === true),
    [false, true, true],
  );
  assert.deepEqual(places(descendants), ['1 ring/0/1']);
  await write(kit, 'next', 'ring/0/1');
  await kit.call('DELETE', '/v1/topics/ring/records?before=1');
  await kit.refused([416, 'STORE_OFFSET_OUT_OF_RANGE'], 'GET', '/v1/records/ring/0/0/lineage');
  assert.deepEqual(places((await lineage(kit, 'ring/0/1')).descendants).slice(0, 2), ['1 ring/0/0', '1 next/0/0']);
  for (const [path, expected] of [
    ['none/0/0', [404, 'BROKER_TOPIC_NOT_FOUND']],
    ['ring/5/0', [404, 'BROKER_PARTITION_NOT_FOUND']],
    ['ring/0/50', [416, 'STORE_OFFSET_OUT_OF_RANGE']],
    ['ring/x/0', [400, 'HTTP_REQUEST_INVALID']],
    ['ring/0/-1', [400, 'HTTP_REQUEST_INVALID']],
    ['a%2F%2Fb/0/0', [400, 'MODEL_TOPIC_NAME_INVALID']],
  ] as const) {
    await kit.refused(expected, 'GET', `/v1/records/${path}/lineage`);
  }
  for (const query of ['depth=0', 'depth=101', 'limit=1001', 'direction=up', 'cursor=x', 'wait=1000', 'more=1']) {
    await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', `/v1/records/next/0/0/lineage?${query}`);
  }
  await kit.idle();
});

test('transactions: aborted records caused nothing; an open one leaves the answer incomplete', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const root = await write(kit, 'root');
  await kit.post('/v1/topics', { name: 't' });
  const writer = await TransactionalWriter.start(kit.broker, 'open');
  await writer.write('t', 0, 'x');
  const child = await write(kit, 'children', root);
  const open = await lineage(kit, root, '?wait=0.1');
  assert.deepEqual([places(open.descendants), open.complete], [[], false]);
  await writer.end(false);
  const ended = await lineage(kit, root);
  assert.deepEqual([places(ended.descendants), ended.complete], [[`1 ${child}`], true]);
  await kit.idle();
});

function childrenOf(parent: string): string {
  return JSON.stringify(
    Array.from({ length: 20 }, () => ({ value: 'x'.repeat(2_000), headers: { 'millrace-parent': parent } })),
  );
}

test('after a restart the index is built again, from sealed files too', OPTIONS, async () => {
  using directory = new TempDirectory();
  const settings = { journalFileBytes: 64 * 1024 };
  for (let round = 0; round < 3; round++) {
    const broker = await openBroker(directory.path, { settings });
    const listener = await HttpListener.start({ broker, host: '127.0.0.1', port: 0 });
    const address = `http://127.0.0.1:${listener.address.port}`;
    const body = round === 0 ? '{"value":"root"}' : childrenOf('root/0/0');
    const topic = round === 0 ? 'root' : 'children';
    const headers = { 'content-type': 'application/json' };
    await fetch(`${address}/v1/topics/${topic}/records`, { method: 'POST', headers, body });
    const answer = await fetch(`${address}/v1/records/root/0/0/lineage?limit=1000`);
    const { descendants } = (await answer.json()) as { descendants: Relative[] };
    assert.equal(descendants.length, round * 20);
    await listener.stop();
    await broker.close();
  }
});

function place(offset: number) {
  return { topic: 't', partition: 0, offset };
}

test('the index is bounded: the oldest causes make room, and it says so', () => {
  const index = new LineageIndex(10);
  for (let i = 1; i <= 10; i++) index.add(place(i), [place(0), place(0)]);
  assert.deepEqual([index.edges, index.overflowed], [10, false]);
  index.add(place(11), [place(10)]);
  assert.deepEqual([index.edges, index.overflowed], [1, true]);
  assert.deepEqual(index.childrenOf(place(0)), []);
  assert.equal(index.childrenOf(place(10))[0]?.offset, 11);
});

test('places as text', () => {
  assert.deepEqual(parseRecordPosition('food/eggs/2/17'), { topic: 'food.eggs', partition: 2, offset: 17 });
  for (const text of [
    '',
    '/',
    'a',
    'a/1',
    'a/1/',
    'a/-1/1',
    'a/1/1.5',
    'a b/1/1',
    'a/99999999999/1',
    'x'.repeat(300),
  ]) {
    assert.equal(parseRecordPosition(text), undefined, text);
  }
});
