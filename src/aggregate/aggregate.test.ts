/**
 * Proves on every back end with conditional appends: of writers that race each decides on what the others wrote, a repeat
 * after a lost answer writes nothing twice, and snapshots save the reading without changing a state.
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { MillraceProcess } from '../../test/kit/millrace-process.ts';
import { RedisServer } from '../../test/kit/redis-server.ts';
import { TempDirectory } from '../../test/kit/temp-directory.ts';
import { requireTool } from '../../test/kit/tools.ts';
import { type Client, connect, json } from '../sdk/index.ts';
import { type AggregateOptions, aggregates, type SnapshotStore, sqliteSnapshots, topicSnapshots } from './index.ts';

const TIMEOUT = { timeout: 60_000 };

interface Stock {
  readonly pieces: number;
  /** Events seen. */
  readonly events: number;
}

type StockEvent = { readonly type: 'bought' | 'sold'; readonly pieces: number; readonly by: string };

const STOCK: AggregateOptions<Stock, StockEvent> = {
  event: json<StockEvent>(),
  initial: () => ({ pieces: 0, events: 0 }),
  apply: ({ pieces, events }, event) => ({
    pieces: event.type === 'bought' ? pieces + event.pieces : pieces - event.pieces,
    events: events + 1,
  }),
  maxAttempts: 200,
};

type Conditional = Client<'at-least-once' | 'exactly-once', 'if-unchanged'>;

/** @returns a client that can, or the test fails. */
async function conditional(uri: string): Promise<Conditional> {
  const client = await connect(uri);
  assert.ok(client.hasConditionalAppends());
  return client;
}

/** Sells one piece; @returns false where there is none left. */
async function sell(
  client: Conditional,
  topic: string,
  by: string,
  times: number,
  signal?: AbortSignal,
): Promise<number> {
  const stock = await aggregates(client, STOCK).open(topic);
  let sold = 0;
  for (let i = 0; i < times; i++) {
    const { events } = await stock.transactWrite(
      ({ pieces }) => (pieces > 0 ? [{ type: 'sold', pieces: 1, by }] : []),
      { signal },
    );
    sold += events.length;
  }
  return sold;
}

/** Nobody sells what another has sold, and all that was said to be sold is. */
async function race(uri: string, topic: string): Promise<void> {
  const clients = await Promise.all(['a', 'b', 'c', 'd'].map(async (by) => ({ by, client: await conditional(uri) })));
  try {
    const [first] = clients;
    assert.ok(first !== undefined);
    const stock = await aggregates(first.client, STOCK).open(topic);
    assert.equal(stock.nextOffset, 0n);
    const bought = await stock.transactWrite(() => [
      { type: 'bought', pieces: 20, by: 'a' },
      { type: 'bought', pieces: 30, by: 'a' },
    ]);
    assert.equal(bought.state.pieces, 50);
    assert.equal(bought.offsets.length, 2);
    const sold = await Promise.all(clients.map(async ({ client, by }) => await sell(client, topic, by, 15)));
    assert.equal(
      sold.reduce((sum, count) => sum + count, 0),
      50,
    );
    assert.deepEqual(await stock.refresh(), { pieces: 0, events: 52 });
    // Another look, from the first event on, comes to the same.
    assert.deepEqual((await aggregates(first.client, STOCK).open(topic)).state, { pieces: 0, events: 52 });
  } finally {
    for (const { client } of clients) await client.close();
  }
}

/** Opening reads the snapshot and what came since, and nothing else. */
async function snapshots(
  uri: string,
  topic: string,
  storeOf: (client: Conditional) => SnapshotStore<Stock>,
): Promise<void> {
  await using client = await conditional(uri);
  let applied = 0;
  const failures: unknown[] = [];
  const options = (version = '1'): AggregateOptions<Stock, StockEvent> => ({
    ...STOCK,
    apply: (state, event) => {
      applied += 1;
      return STOCK.apply(state, event);
    },
    snapshots: storeOf(client),
    snapshotEvery: 10,
    version,
    onSnapshotFailed: (error) => failures.push(error),
  });
  const writing = await aggregates(client, options()).open(topic);
  for (let i = 0; i < 25; i++) await writing.transactWrite(() => [{ type: 'bought', pieces: 1, by: 'a' }]);
  applied = 0;
  const opened = await aggregates(client, options()).open(topic);
  assert.deepEqual(opened.state, { pieces: 25, events: 25 });
  assert.equal(applied, 5, 'events since the last snapshot');
  assert.equal(opened.nextOffset, writing.nextOffset);
  applied = 0;
  const newer = await aggregates(client, options('2')).open(topic);
  assert.deepEqual(newer.state, { pieces: 25, events: 25 });
  assert.equal(applied, 25, 'snapshots of another version are not used');
  applied = 0;
  await aggregates(client, options('2')).open(topic);
  assert.equal(applied, 0, 'what was read for long is kept');
  assert.deepEqual(failures, []);
}

function suite(
  name: string,
  start: (t: TestContext) => Promise<{ uri: string; close: () => Promise<void> } | undefined>,
) {
  test(`${name}: writers that race, and snapshots`, TIMEOUT, async (t) => {
    const backend = await start(t);
    if (backend === undefined) return;
    try {
      await race(backend.uri, 'stock.race');
      await snapshots(backend.uri, 'stock.topic', (client) => topicSnapshots(client, { state: json<Stock>() }));
      const database = new DatabaseSync(':memory:');
      await snapshots(backend.uri, 'stock.sqlite', () => sqliteSnapshots(database, { state: json<Stock>() }));
    } finally {
      await backend.close();
    }
  });
}

suite('memory', async () => ({ uri: 'memory://aggregates', close: async () => undefined }));

suite('http', async () => {
  const broker = await MillraceProcess.start();
  return { uri: `http://${broker.http}`, close: async () => await broker[Symbol.asyncDispose]() };
});

suite('millrace+dir', async () => {
  const directory = new TempDirectory();
  const uri = `millrace+dir://${path.join(directory.path, 'data')}`;
  const held = await connect(uri);
  const close = async (): Promise<void> => {
    await held.close();
    directory[Symbol.dispose]();
  };
  return { uri, close };
});

suite('redis', async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return undefined;
  const redis = await RedisServer.start(program);
  return { uri: `redis://127.0.0.1:${redis.port}`, close: async () => await redis[Symbol.asyncDispose]() };
});

test('kill -9 of the broker while writers race: nothing is lost, nothing is there twice', TIMEOUT, async () => {
  await using broker = await MillraceProcess.start();
  const uri = `http://${broker.http}`;
  await using client = await conditional(uri);
  const stock = await aggregates(client, STOCK).open('stock.killed');
  await stock.transactWrite(() => [{ type: 'bought', pieces: 120, by: 'a' }]);
  const deadline = AbortSignal.timeout(TIMEOUT.timeout);
  const sellers = ['a', 'b', 'c'].map(async (by) => {
    await using own = await conditional(uri);
    return await sell(own, 'stock.killed', by, 50, deadline);
  });
  const selling = Promise.all(sellers);
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await broker.kill9();
    await broker.start();
  }
  const sold = await selling;
  assert.equal(
    sold.reduce((sum, count) => sum + count, 0),
    120,
  );
  assert.deepEqual(await stock.refresh(), { pieces: 0, events: 121 });
});

test('redis: a command whose answer is lost is sent again, and written once', TIMEOUT, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using redis = await RedisServer.start(program);
  await using proxy = await LossyProxy.start(redis.port);
  await using client = await conditional(`redis://127.0.0.1:${proxy.port}`);
  const stock = await aggregates(client, STOCK).open('stock.lossy');
  for (let i = 0; i < 10; i++) {
    proxy.dropNextAnswerTo('XREVRANGE');
    await stock.transactWrite(() => [
      { type: 'bought', pieces: 1, by: 'a' },
      { type: 'bought', pieces: 1, by: 'a' },
    ]);
  }
  assert.equal(proxy.dropped, 10);
  assert.deepEqual(await stock.refresh(), { pieces: 20, events: 20 });
});

test('what decide throws refuses the write; no events write nothing; calls take turns', TIMEOUT, async () => {
  await using client = await connect('memory://refusals');
  const stock = await aggregates(client, STOCK).open('s');
  const refusal = new Error('no');
  await assert.rejects(
    stock.transactWrite(() => {
      throw refusal;
    }),
    refusal,
  );
  assert.deepEqual(await stock.transactWrite(() => []), { events: [], offsets: [], state: { pieces: 0, events: 0 } });
  const turns = Array.from({ length: 20 }, async () => {
    return await stock.transactWrite(async ({ events }) => {
      await Promise.resolve();
      return [{ type: 'bought', pieces: events, by: 'a' }];
    });
  });
  const seen = (await Promise.all(turns)).map(({ events }) => events[0]?.pieces);
  assert.deepEqual(
    seen,
    Array.from({ length: 20 }, (_, i) => i),
  );
});

test('who loses each time is told, and nothing is written', TIMEOUT, async () => {
  await using client = await connect('memory://losing');
  await using other = await client.producer({ topic: 's', value: json<StockEvent>() });
  const stock = await aggregates(client, { ...STOCK, maxAttempts: 3 }).open('s');
  let attempts = 0;
  const losing = stock.transactWrite(async () => {
    attempts += 1;
    await other.send({ value: { type: 'bought', pieces: 1, by: 'other' } });
    return [{ type: 'sold', pieces: 1, by: 'me' }];
  });
  await assert.rejects(losing, { code: 'BROKER_OFFSET_CONFLICT', kind: 'refresh', message: /3 times/ });
  assert.equal(attempts, 3);
  assert.deepEqual(await stock.refresh(), { pieces: 3, events: 3 });
});

test('events that are gone, events that are none, and a back end that cannot', TIMEOUT, async () => {
  await using client = await connect('memory://gone?max-bytes=2000');
  const stock = await aggregates(client, STOCK).open('s');
  for (let i = 0; i < 40; i++) await stock.transactWrite(() => [{ type: 'bought', pieces: 1, by: 'a' }]);
  await assert.rejects(aggregates(client, STOCK).open('s'), { code: 'CLIENT_POSITION_OUT_OF_RANGE' });
  await client.admin.deleteTopic('s');
  await assert.rejects(stock.refresh(), { code: 'CLIENT_POSITION_OUT_OF_RANGE' });

  await using other = await client.producer({
    topic: 'bad',
    value: { name: 'bytes', encode: (b: Uint8Array) => b, decode: (b) => b },
  });
  await other.send({ value: Uint8Array.of(0xff) });
  await assert.rejects(aggregates(client, STOCK).open('bad'), { code: 'CLIENT_DECODE_FAILED' });

  using directory = new TempDirectory();
  await using file = await connect(`file://${path.join(directory.path, 'a.ss')}/t`);
  // @ts-expect-error files have no conditional appends
  assert.throws(() => aggregates(file, STOCK), { code: 'CLIENT_UNSUPPORTED', message: /file/ });
});

test('snapshots that fail are told, and nothing else', TIMEOUT, async () => {
  await using client = await connect('memory://failing');
  const failures: string[] = [];
  const broken: SnapshotStore<Stock> = {
    load: async () => Promise.reject(new Error('load')),
    save: async () => Promise.reject(new Error('save')),
  };
  const stock = await aggregates(client, {
    ...STOCK,
    snapshots: broken,
    snapshotEvery: 1,
    onSnapshotFailed: (error) => failures.push((error as Error).message),
  }).open('s');
  await stock.transactWrite(() => [{ type: 'bought', pieces: 1, by: 'a' }]);
  assert.deepEqual(failures, ['load', 'save']);
  assert.equal(stock.state.pieces, 1);
});

/** Passes bytes on, and on demand closes a connection when its server answers to a command with this word. */
class LossyProxy implements AsyncDisposable {
  dropped = 0;
  readonly #server: net.Server;
  #word: string | undefined;

  private constructor(target: number) {
    this.#server = net.createServer((client) => {
      const server = net.connect(target, '127.0.0.1');
      let losing = false;
      client.on('data', (bytes) => {
        if (this.#word !== undefined && bytes.includes(this.#word)) {
          losing = true;
          this.#word = undefined;
        }
        server.write(bytes);
      });
      server.on('data', (bytes) => {
        if (!losing) client.write(bytes);
        else {
          this.dropped += 1;
          client.destroy();
        }
      });
      for (const [one, two] of [
        [client, server],
        [server, client],
      ] as const)
        one.on('error', () => undefined).on('close', () => two.destroy());
    });
  }

  static async start(target: number): Promise<LossyProxy> {
    const proxy = new LossyProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  dropNextAnswerTo(word: string): void {
    this.#word = `local last = redis.call('${word}'`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
  }
}
