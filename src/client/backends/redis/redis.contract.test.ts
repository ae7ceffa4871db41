/** Proves that redis:// keeps the contract of back ends, against a real redis-server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { clientContract, take } from '../../../../test/kit/client-contract.ts';
import { RedisServer } from '../../../../test/kit/redis-server.ts';
import { requireTool } from '../../../../test/kit/tools.ts';
import { connect, string } from '../../../sdk/index.ts';
import { idOfOffset, offsetOfId } from './entry.ts';

let server: RedisServer | undefined;
let topics = 0;

after(async () => {
  await server?.[Symbol.asyncDispose]();
});

clientContract('redis://', {
  async open(t) {
    const program = requireTool(t, 'redis-server');
    if (program === undefined) return undefined;
    server ??= await RedisServer.start(program);
    const { port } = server;
    let shards = 1;
    return {
      connect: async (named = []) =>
        await connect(
          `redis://127.0.0.1:${port}/${named.join(',')}?shards=${shards}&ids=timestamp&claim-idle-ms=200&claim-interval-ms=100&block-ms=100`,
        ),
      async topic(partitions = 1) {
        shards = partitions;
        return `topic-${topics++}`;
      },
      close: async () => undefined,
    };
  },
  skip: {
    'topics are created, listed, described and deleted':
      'Redis makes a stream with its first record (the rest is tested below)',
  },
});

/** Runs of seven with the same time, which goes to the server once. */
function timeOf(index: number): number {
  return 1_700_000_000_000 + Math.floor(index / 7);
}

test('redis://: streams are listed, described and deleted; ids that the server counts', {
  timeout: 60_000,
}, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  server ??= await RedisServer.start(program);
  await using client = await connect(`redis://127.0.0.1:${server.port}/admin?max-len=1000&block-ms=50`);
  await using producer = await client.producer({ value: string() });
  const receipts = await producer.sendAll(
    Array.from({ length: 3000 }, (_, i) => ({ value: `v${i}`, timestamp: timeOf(i) })),
  );
  assert.ok((await client.admin.listTopics()).includes('admin'));
  const { partitions } = await client.admin.describeTopic('admin');
  assert.equal(partitions[0]?.endOffset, (receipts.at(-1)?.offset ?? 0n) + 1n);
  assert.ok((partitions[0]?.startOffset ?? 0n) > (receipts[0]?.offset ?? 0n), 'trimmed to about max-len');
  await using consumer = await client.consumer({ from: { offset: receipts[2980]?.offset ?? 0n }, value: string() });
  assert.deepEqual(
    (await take(consumer, 20)).map(({ offset, value, timestamp }) => [offset, value, timestamp]),
    Array.from({ length: 20 }, (_, i) => [receipts[2980 + i]?.offset, `v${2980 + i}`, timeOf(2980 + i)]),
    'each record has the offset of its receipt, and keeps its time beside the id',
  );
  await client.admin.deleteTopic('admin');
  await assert.rejects(client.admin.describeTopic('admin'), { code: 'CLIENT_TOPIC_NOT_FOUND' });
});

test('redis://: what the server refuses is said, and nobody there too', { timeout: 60_000 }, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  server ??= await RedisServer.start(program);
  await assert.rejects(connect('redis://127.0.0.1:1/t', { library: { retryStrategy: () => null } }), {
    code: 'CLIENT_NETWORK',
  });
  await assert.rejects(connect('redis://a,b/t'), { code: 'CLIENT_URI_INVALID' });
  await assert.rejects(connect(`redis://127.0.0.1:${server.port}/t?db=99`), {
    code: 'CLIENT_REFUSED',
    message: /DB index/,
  });
  await assert.rejects(connect(`redis://user:wrong@127.0.0.1:${server.port}/t`), { code: 'CLIENT_REFUSED' });
  await using client = await connect(`redis://127.0.0.1:${server.port}/t?ids=timestamp`);
  await using producer = await client.producer({ value: string() });
  await producer.send({ value: 'b', timestamp: 2000 });
  await assert.rejects(producer.send({ value: 'a', timestamp: 1000 }), { code: 'CLIENT_REFUSED' });
});

test('redis://: what is opened while the server is away says why it cannot', { timeout: 60_000 }, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using away = await RedisServer.start(program);
  await using client = await connect(`redis://127.0.0.1:${away.port}/t`);
  await away.kill9();
  const expected = { code: 'CLIENT_NETWORK', message: new RegExp(`127.0.0.1:${away.port}.*ECONNREFUSED`) };
  await assert.rejects(client.producer({ value: string() }), expected);
  await assert.rejects(client.consumer({ value: string() }), expected);
});

test('redis://: a consumer that waits for a server that is away can be closed', { timeout: 30_000 }, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using away = await RedisServer.start(program);
  const client = await connect(`redis://127.0.0.1:${away.port}/t`);
  const consumer = await client.consumer({ value: string() });
  const waiting = consumer.next();
  await away.kill9();
  // Long enough for a read to be asked for while the library waits to connect again.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await client.close();
  assert.equal(await waiting, undefined);
});

test('redis ids and offsets', () => {
  for (const id of ['0-0', '1700000000000-0', '1700000000000-65535', '281474976710655-1'])
    assert.equal(idOfOffset(offsetOfId(id)), id);
  for (const id of ['1-65536', 'x-1', '1', '99999999999999999-1'])
    assert.throws(() => offsetOfId(id), { code: 'CLIENT_UNSUPPORTED' });
});

test('rediss://: TLS with the certificate that is trusted, and no other', { timeout: 60_000 }, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined || requireTool(t, 'openssl') === undefined) return;
  await using redis = await RedisServer.start(program, { tls: true });
  const uri = `rediss://127.0.0.1:${redis.tlsPort}/secret`;
  const ca = readFileSync(redis.certificate?.certificateFile ?? '');
  await using client = await connect(uri, { library: { tls: { ca } } });
  await using producer = await client.producer({ value: string() });
  await producer.send({ value: 'over TLS' });
  await using consumer = await client.consumer({ from: 'earliest', value: string() });
  assert.equal((await take(consumer, 1))[0]?.value, 'over TLS');
  await assert.rejects(connect(uri, { library: { retryStrategy: () => null } }), {
    code: 'CLIENT_NETWORK',
    message: /certificate/,
  });
});

test('redis://: where scripts are forbidden entries go one by one; what the server refuses is told', {
  timeout: 60_000,
}, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using redis = await RedisServer.start(program);
  const admin = new Redis(redis.port, '127.0.0.1');
  await admin.call('ACL', 'SETUSER', 'plain', 'on', '>word', '~*', '+@all', '-eval', '-evalsha');
  await admin.set('no-stream', 'text');
  await using client = await connect(`redis://plain:word@127.0.0.1:${redis.port}`);
  await using producer = await client.producer({ value: string(), maxBatchRecords: 10 });
  const receipts = await producer.sendAll(Array.from({ length: 100 }, (_, i) => ({ topic: 'plain', value: `v${i}` })));
  assert.ok(receipts.every(({ offset }, i) => i === 0 || offset > (receipts[i - 1]?.offset ?? 0n)));
  await using consumer = await client.consumer({ topics: 'plain', from: 'earliest', value: string() });
  const values = (await take(consumer, 100)).map(({ value }) => value);
  assert.deepEqual(
    values,
    Array.from({ length: 100 }, (_, i) => `v${i}`),
  );
  await using scripted = await connect(`redis://127.0.0.1:${redis.port}`);
  for (const each of [client, scripted]) {
    await using refused = await each.producer({ topic: 'no-stream', value: string() });
    await assert.rejects(refused.send({ value: 'x' }), { code: 'CLIENT_REFUSED', message: /WRONGTYPE/ });
  }
  admin.disconnect();
});

test('redis://: a read that was on the way when a seek came does not undo it', { timeout: 60_000 }, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  server ??= await RedisServer.start(program);
  await using client = await connect(`redis://127.0.0.1:${server.port}/sought?block-ms=300`);
  await using producer = await client.producer({ value: string() });
  await producer.sendAll([{ value: 'a' }, { value: 'b' }]);
  await using consumer = await client.consumer({ value: string() });
  await assert.rejects(consumer.next({ signal: AbortSignal.timeout(20) }), { code: 'CLIENT_ABORTED' });
  // The read waits at the server, and what comes now answers it: it moved the cursor behind itself, over what was sought.
  await consumer.seek('earliest');
  await producer.send({ value: 'c' });
  const values = (await take(consumer, 3)).map(({ value }) => value);
  assert.deepEqual(values, ['a', 'b', 'c']);
});
