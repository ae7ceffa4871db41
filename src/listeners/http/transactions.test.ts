/** Proves the transaction routes over a real broker: list in pages and by state, describe, abort, every refusal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpKit } from '../../../test/kit/http-kit.ts';
import type { Broker } from '../../broker/broker.ts';

const OPTIONS = { timeout: 60_000 } as const;

async function open(broker: Broker, transactionalId: string, partitions: readonly number[]) {
  const request = { transactionalId, timeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
  const answer = await broker.transactions.initProducerId(request);
  assert.ok(answer.error === undefined);
  const who = { transactionalId, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
  if (partitions.length > 0) {
    await broker.transactions.addPartitions({ ...who, topics: [{ topic: 'a.b', partitions }], verifyOnly: false });
  }
  return who;
}

function ids(json: unknown): string[] {
  return (json as { transactions: { transactionalId: string }[] }).transactions.map((each) => each.transactionalId);
}

function codeOf(answer: { status: number; json: unknown }): [number, string] {
  return [answer.status, (answer.json as { code: string }).code];
}

test('transactions: listed in pages and by state, described, aborted', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  await kit.post('/v1/topics', { name: 'a/b', partitions: 3 });
  const who = await open(kit.broker, 'x/open', [2, 0]);
  await open(kit.broker, 'x-idle', []);
  await open(kit.broker, 'y', []);

  const all = await kit.get('/v1/transactions');
  assert.deepEqual([all.status, ids(all.json)], [200, ['x-idle', 'x/open', 'y']]);
  const page = await kit.get('/v1/transactions?limit=2&prefix=x');
  assert.deepEqual([ids(page.json), (page.json as { nextCursor: unknown }).nextCursor], [['x-idle', 'x/open'], null]);
  const first = (await kit.get('/v1/transactions?limit=1')).json as { nextCursor: string };
  assert.deepEqual(ids((await kit.get(`/v1/transactions?limit=5&cursor=${first.nextCursor}`)).json), ['x/open', 'y']);
  assert.deepEqual(ids((await kit.get('/v1/transactions?state=ongoing')).json), ['x/open']);

  const path = '/v1/transactions/x%2Fopen';
  const open1 = (await kit.get(path)).json as Record<string, unknown>;
  assert.equal(typeof open1['startedAt'], 'number');
  assert.deepEqual(
    { ...open1, startedAt: 0 },
    {
      transactionalId: 'x/open',
      state: 'ongoing',
      producerId: who.producerId,
      startedAt: 0,
      producerEpoch: 0,
      timeoutMs: 60_000,
      topics: [{ topic: 'a.b', partitions: [0, 2] }],
    },
  );
  const aborted = await kit.post(`${path}/abort`, undefined);
  assert.equal(aborted.status, 200);
  const { state, startedAt, producerEpoch, topics } = aborted.json as Record<string, unknown>;
  assert.deepEqual([state, startedAt, producerEpoch, topics], ['aborted', null, 1, []]);
  const ended = await kit.broker.transactions.end({ ...who, committed: true, bumpsEpoch: false });
  assert.equal(ended.error, 'BROKER_PRODUCER_FENCED');

  const again = await kit.post(`${path}/abort`, undefined);
  assert.deepEqual(codeOf(again), [409, 'BROKER_TRANSACTION_STATE_INVALID']);
  assert.deepEqual(codeOf(await kit.get('/v1/transactions/none')), [404, 'BROKER_TRANSACTION_NOT_FOUND']);
  const none = await kit.post('/v1/transactions/none/abort', undefined);
  assert.deepEqual(codeOf(none), [404, 'BROKER_TRANSACTION_NOT_FOUND']);
  assert.deepEqual(codeOf(await kit.get('/v1/transactions?state=open')), [400, 'HTTP_REQUEST_INVALID']);
  assert.deepEqual(codeOf(await kit.get('/v1/transactions?cursor=A')), [400, 'HTTP_REQUEST_INVALID']);
});
