/**
 * Proves that effects and positions in a database of the program's count together: whatever fails, every record has its effect
 * once; and that a second pipeline of the group is told. On SQLite, and on a PostgreSQL server that is killed meanwhile.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { Pool, type PoolClient } from 'pg';
import { PostgresServer, requirePostgres } from '../../../test/kit/postgres-server.ts';
import * as fc from '../../../test/kit/properties.ts';
import { connect, json } from '../../sdk/index.ts';
import {
  batch,
  filter,
  flatMap,
  from,
  into,
  type OffsetStore,
  pipe,
  postgresOffsets,
  sqliteOffsets,
} from '../index.ts';

const TIMEOUT = { timeout: 60_000 };
let names = 0;

/** A store with a table `effects (n)`, and what is in it. */
interface Database<Transaction> {
  readonly store: OffsetStore<Transaction>;
  readonly insert: (transaction: Transaction, n: number) => void | Promise<void>;
  readonly effects: () => number[] | Promise<number[]>;
}

function sqlite(): Database<DatabaseSync> {
  const database = new DatabaseSync(':memory:');
  database.exec('CREATE TABLE effects (n INTEGER)');
  return {
    store: sqliteOffsets(database),
    insert: (transaction, n) => void transaction.prepare('INSERT INTO effects VALUES (?)').run(n),
    effects: () =>
      database
        .prepare('SELECT n FROM effects ORDER BY n')
        .all()
        .map((row) => Number(row['n'])),
  };
}

async function everyRecordOnce<Transaction>(
  open: () => Promise<Database<Transaction>>,
  numRuns: number,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 15 }),
      async (count, failAt, commitEveryRecords) => {
        await using client = await connect(`memory://offsets-${names++}?partitions=3`);
        await using producer = await client.producer({ topic: 'in', value: json<number>() });
        await producer.sendAll(Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: n })));
        const { store, insert, effects } = await open();
        const left = new Set(failAt);
        let calls = 0;
        for (let attempt = 0, ended = false; !ended; attempt++) {
          assert.ok(attempt <= failAt.length);
          try {
            await pipe(
              from(client, {
                topics: 'in',
                offsets: { store, group: 'g' },
                until: 'end',
                value: json<number>(),
                maxReadRecords: 6,
              }),
              filter((n) => n % 5 !== 0),
              batch({ maxItems: 4 }),
              flatMap((items) => items.map(({ value }) => value)),
              into(store, async (items, transaction) => {
                for (const { value } of items) {
                  await insert(transaction, value);
                  if (left.delete(++calls)) throw new RangeError(`call ${calls}`);
                }
              }),
            ).run({ commitEveryRecords });
            ended = true;
          } catch (error) {
            assert.ok(error instanceof RangeError, String(error));
          }
        }
        assert.deepEqual(
          await effects(),
          Array.from({ length: count }, (_, n) => n).filter((n) => n % 5 !== 0),
        );
        const stored = await store.load('g');
        assert.equal(
          stored.reduce((sum, { nextOffset }) => sum + Number(nextOffset), 0),
          count,
        );
        assert.deepEqual(await store.load('other'), []);
      },
    ),
    { numRuns },
  );
}

async function secondIsTold<Transaction>({ store, insert, effects }: Database<Transaction>): Promise<void> {
  await using client = await connect(`memory://offsets-${names++}`);
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  await producer.send({ value: 1 });
  const pipeline = pipe(
    from(client, { topics: 'in', offsets: { store, group: 'g' }, value: json<number>() }),
    into(store, async (items, transaction) => {
      for (const { value } of items) await insert(transaction, value);
    }),
  );
  const first = pipeline.start({ commitEveryMs: 1 });
  while ((await effects()).length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
  const second = pipeline.start({ commitEveryMs: 1 });
  // Whichever is behind the other is refused at its next commit; as many records as it takes until there is one.
  let sent = 1;
  const outcomes = Promise.allSettled([first.done, second.done]);
  const refusal = new AbortController();
  void Promise.race([first.done, second.done]).catch(() => refusal.abort());
  while (!refusal.signal.aborted) {
    await producer.send({ value: (sent += 1) });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  while ((await effects()).length < sent) await new Promise((resolve) => setTimeout(resolve, 5));
  await Promise.allSettled([first.drain(), second.drain()]);
  const refused = (await outcomes).filter((outcome) => outcome.status === 'rejected');
  assert.deepEqual(
    refused.map(({ reason }) => (reason as { code: string }).code),
    ['PROCESS_POSITION_MOVED'],
  );
  assert.deepEqual(
    await effects(),
    Array.from({ length: sent }, (_, i) => i + 1),
  );
}

test('SQLite: every record has its effect once, whatever fails', async () => {
  await everyRecordOnce(async () => sqlite(), 80);
});

test('SQLite: a second pipeline of the group is told, and its effects do not count', async () => {
  await secondIsTold(sqlite());
});

interface Postgres extends AsyncDisposable {
  readonly server: PostgresServer;
  readonly pool: Pool;
}

async function startPostgres(t: TestContext): Promise<Postgres | undefined> {
  const programs = requirePostgres(t);
  if (programs === undefined) return undefined;
  const server = await PostgresServer.start(programs);
  const pool = new Pool({ ...server.connection, max: 4 });
  // Idle connections whose server is killed say so here.
  pool.on('error', () => undefined);
  const close = async (): Promise<void> => {
    await pool.end();
    await server[Symbol.asyncDispose]();
  };
  return { server, pool, [Symbol.asyncDispose]: close };
}

/** A database whose tables are new. */
async function postgres(pool: Pool): Promise<Database<PoolClient>> {
  await pool.query('DROP TABLE IF EXISTS effects, millrace_offsets');
  await pool.query('CREATE TABLE effects (n integer)');
  return {
    store: postgresOffsets<PoolClient>(pool),
    insert: async (transaction, n) => void (await transaction.query('INSERT INTO effects VALUES ($1)', [n])),
    effects: async () => (await pool.query<{ n: number }>('SELECT n FROM effects ORDER BY n')).rows.map(({ n }) => n),
  };
}

test('PostgreSQL: every record has its effect once, whatever fails; a second pipeline is told', TIMEOUT, async (t) => {
  await using running = await startPostgres(t);
  if (running === undefined) return;
  const { pool } = running;
  await everyRecordOnce(async () => await postgres(pool), 15);
  await secondIsTold(await postgres(pool));
});

test('PostgreSQL killed again and again: every record has its effect once', TIMEOUT, async (t) => {
  await using running = await startPostgres(t);
  if (running === undefined) return;
  const { server, pool } = running;
  const { store, insert, effects } = await postgres(pool);
  await using client = await connect('memory://postgres-killed?partitions=2');
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  const count = 3_000;
  await producer.sendAll(Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: n })));
  const pipeline = pipe(
    from(client, { topics: 'in', offsets: { store, group: 'g' }, until: 'end', value: json<number>() }),
    into(store, async (items, transaction) => {
      for (const { value } of items) await insert(transaction, value);
    }),
  );
  let over = false;
  const giveUp = new AbortController();
  const run = pipeline
    .run({ commitEveryRecords: 20, restart: { attempts: 100, firstMs: 20, maxMs: 200 }, signal: giveUp.signal })
    .finally(() => (over = true));
  let kills = 0;
  try {
    for (; kills < 4; kills++) {
      await new Promise((resolve) => setTimeout(resolve, 60 * (kills + 1)));
      if (over) break;
      await server.kill9();
      await server.start();
    }
  } catch (error) {
    giveUp.abort(error);
    await run.catch(() => undefined);
    throw error;
  }
  await run;
  assert.ok(kills > 0, 'the server was killed while the pipeline ran');
  assert.deepEqual(
    await effects(),
    Array.from({ length: count }, (_, n) => n),
  );
});

test('PostgreSQL: nobody there', TIMEOUT, async () => {
  await using closing = new AsyncDisposableStack();
  const pool = new Pool({ host: '127.0.0.1', port: 1, user: 'test', database: 'postgres' });
  closing.defer(async () => await pool.end());
  const store = postgresOffsets<PoolClient>(pool);
  await assert.rejects(store.load('g'), { code: 'CLIENT_NETWORK', kind: 'retry', message: /PostgreSQL/ });
  assert.throws(() => postgresOffsets(pool, { table: 'a; DROP TABLE b' }), { code: 'CLIENT_OPTION_INVALID' });
});

test('offsets go with their own sink and mode', async () => {
  await using client = await connect('memory://');
  const { store } = sqlite();
  const balanced = pipe(
    from(client, {
      topics: 'in',
      mode: 'resumable',
      group: 'g',
      offsets: { store, group: 'g' },
      value: json<number>(),
    }),
    into(store, () => undefined),
  );
  await assert.rejects(balanced.run(), { code: 'CLIENT_OPTION_INVALID', message: /real-time/ });
  assert.throws(() => sqliteOffsets(new DatabaseSync(':memory:'), { table: 'a; DROP TABLE b' }), {
    code: 'CLIENT_OPTION_INVALID',
  });
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  await producer.send({ value: 1 });
  const elsewhere = pipe(
    from(client, { topics: 'in', from: 'earliest', until: 'end', value: json<number>() }),
    into(store, () => undefined),
  );
  await assert.rejects(elsewhere.run(), { code: 'CLIENT_OPTION_INVALID', message: /offsets/ });
});
