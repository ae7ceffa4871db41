/** Proves that redis:// keeps the contract of back ends, against a real redis-server. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
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

test('redis://: streams are listed, described and deleted; ids that the server counts', {
  timeout: 30_000,
}, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  server ??= await RedisServer.start(program);
  await using client = await connect(`redis://127.0.0.1:${server.port}/admin?max-len=1000&block-ms=50`);
  await using producer = await client.producer({ value: string() });
  const receipts = await producer.sendAll(
    Array.from({ length: 3000 }, (_, i) => ({ value: `v${i}`, timestamp: 1_700_000_000_000 + i })),
  );
  assert.ok((await client.admin.listTopics()).includes('admin'));
  const { partitions } = await client.admin.describeTopic('admin');
  assert.equal(partitions[0]?.endOffset, (receipts.at(-1)?.offset ?? 0n) + 1n);
  assert.ok((partitions[0]?.startOffset ?? 0n) > (receipts[0]?.offset ?? 0n), 'trimmed to about max-len');
  await using consumer = await client.consumer({ from: { offset: receipts.at(-1)?.offset ?? 0n }, value: string() });
  const [last] = await take(consumer, 1);
  assert.deepEqual(
    [last?.value, last?.timestamp],
    ['v2999', 1_700_000_002_999],
    'the record keeps its time beside the id',
  );
  await client.admin.deleteTopic('admin');
  await assert.rejects(client.admin.describeTopic('admin'), { code: 'CLIENT_TOPIC_NOT_FOUND' });
});

test('redis://: what the server refuses is said, and nobody there too', { timeout: 30_000 }, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  server ??= await RedisServer.start(program);
  await assert.rejects(connect('redis://127.0.0.1:1/t', { library: { retryStrategy: () => null } }), {
    code: 'CLIENT_NETWORK',
  });
  await assert.rejects(connect('redis://a,b/t'), { code: 'CLIENT_URI_INVALID' });
  await assert.rejects(connect(`redis://user:wrong@127.0.0.1:${server.port}/t`), { code: 'CLIENT_REFUSED' });
  await using client = await connect(`redis://127.0.0.1:${server.port}/t?ids=timestamp`);
  await using producer = await client.producer({ value: string() });
  await producer.send({ value: 'b', timestamp: 2000 });
  await assert.rejects(producer.send({ value: 'a', timestamp: 1000 }), { code: 'CLIENT_REFUSED' });
});

test('redis ids and offsets', () => {
  for (const id of ['0-0', '1700000000000-0', '1700000000000-65535', '281474976710655-1'])
    assert.equal(idOfOffset(offsetOfId(id)), id);
  for (const id of ['1-65536', 'x-1', '1', '99999999999999999-1'])
    assert.throws(() => offsetOfId(id), { code: 'CLIENT_UNSUPPORTED' });
});
