/** Proves dump, trim and sink as a user runs them: over the Kafka protocol, HTTP and Redis, and killed on the way. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { connect, json } from '../../src/sdk/index.ts';
import { openBroker } from '../../src/server/open-broker.ts';
import { runMillrace, startMillrace } from '../kit/millrace.ts';
import { RedisServer } from '../kit/redis-server.ts';
import { TempDirectory } from '../kit/temp-directory.ts';
import { requireTool } from '../kit/tools.ts';

const TIMEOUT = { timeout: 60_000 };
/** Times of the records are those of long ago: a sweep of old records would take them on a slow machine. */
const KEEP = { settings: { retentionMs: -1 } };

async function ok(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const outcome = await runMillrace(args);
  assert.equal(outcome.code, 0, `${args.join(' ')}: ${outcome.stderr}`);
  return outcome;
}

async function fill(uri: string, count: number, withKeys = true): Promise<void> {
  await using client = await connect(uri);
  await using producer = await client.producer({ value: json<{ n: number }>() });
  const key = withKeys ? 'k' : undefined;
  const headers = withKeys ? { trace: 'abc' } : undefined;
  for (let n = 0; n < count; n++)
    await producer.submit({ key, value: { n }, headers, timestamp: 1_764_000_000_000 + n });
}

test('dump and trim on Redis', TIMEOUT, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using redis = await RedisServer.start(program);
  const uri = `redis://127.0.0.1:${redis.port}/orders?ids=timestamp`;
  await fill(uri, 5);
  const [first, ...others] = (await ok('dump', uri)).stdout.trimEnd().split('\n');
  assert.equal(others.length, 4);
  assert.deepEqual(JSON.parse(first ?? ''), {
    header: {
      stream_key: 'orders',
      shard_id: 0,
      sequence: 1_764_000_000_000 * 65_536,
      timestamp: '2025-11-24T16:00:00.000',
    },
    payload: { n: 0 },
    key: 'k',
    headers: [['trace', 'abc']],
  });
  const part = await ok('dump', uri, '--since', '@1764000000001', '--until', '@1764000000004', '--limit', '2');
  assert.deepEqual(
    part.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { payload: { n: number } }).payload.n),
    [1, 2],
  );
  assert.match((await ok('trim', uri, '--min-ts', '@1764000000001')).stdout, /^orders partition 0 starts at offset/);
  await ok('trim', uri, '--max-len', '2');
  assert.equal((await ok('dump', uri)).stdout.trimEnd().split('\n').length, 2);
  assert.equal((await ok('trim', uri, '--max-len', '0')).stdout, 'orders is empty\n');
});

test('trim over HTTP; what cannot be trimmed; wrong command lines', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  await fill(`${broker.uri}/orders`, 5);
  const uri = `${broker.http}/orders`;
  assert.equal((await ok('trim', uri, '--max-len', '2')).stdout, 'orders partition 0 starts at offset 3\n');
  assert.equal((await ok('trim', uri, '--max-len', '9')).stdout, 'orders partition 0 starts at offset 3\n');
  assert.equal((await ok('trim', uri, '--min-ts', '@1764000000004')).stdout, 'orders partition 0 starts at offset 4\n');
  assert.equal((await ok('dump', `${broker.uri}/orders`)).stdout.trimEnd().split('\n').length, 1);
  const refused = await runMillrace(['trim', `${broker.uri}/orders`, '--max-len', '2']);
  assert.deepEqual([refused.code, /CLIENT_UNSUPPORTED/.test(refused.stderr)], [1, true]);
  for (const args of [
    ['trim', uri],
    ['trim', uri, '--max-len', '1', '--min-ts', '@1'],
    ['trim', broker.http, '--max-len', '1'],
    ['dump', broker.http],
    ['sink', '--from', broker.http, '--to', '-'],
    ['sink', '--from', uri, '--to', 'sqlite:x.db', '--table', 'a; drop'],
  ])
    assert.equal((await runMillrace(args)).code, 2, args.join(' '));
});

test('a topic that is not there is an error, and is not created by reading it', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  using directory = new TempDirectory();
  const absent = `${broker.uri}/absent`;
  for (const args of [
    ['dump', absent],
    ['dump', `${broker.http}/absent`],
    ['sink', '--from', absent, '--to', path.join(directory.path, 'absent.ndjson')],
    ['relay', '--from', absent, '--to', `${broker.uri}/copy`, '--until-end'],
  ]) {
    const outcome = await runMillrace(args);
    assert.deepEqual([outcome.code, outcome.stdout], [1, ''], args.join(' '));
    assert.match(outcome.stderr, /^error: .*no topic .?absent.*\(CLIENT_TOPIC_NOT_FOUND\)\n$/);
  }
  await using client = await connect(broker.uri);
  assert.deepEqual(await client.admin.listTopics(), []);
  await ok('dump', `${absent}?auto-create=true`);
  assert.deepEqual(await client.admin.listTopics(), ['absent']);
});

test('sink to NDJSON goes on where it was, and to stdout', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  using directory = new TempDirectory();
  const uri = `${broker.uri}/orders`;
  const target = path.join(directory.path, 'orders.ndjson');
  const args = ['sink', '--from', uri, '--to', target, '--group', 'archive', '--until-end'];
  await fill(uri, 3);
  assert.equal((await ok(...args)).stderr, `wrote 3 records to ${target}\n`);
  assert.equal((await ok(...args)).stderr, `wrote 0 records to ${target}\n`);
  await fill(uri, 2);
  assert.equal((await ok(...args)).stderr, `wrote 2 records to ${target}\n`);
  const printed = await ok('sink', '--from', uri, '--to', '-', '--offset', 'start', '--until-end', '--quiet');
  assert.equal(printed.stdout, readFileSync(target, 'utf8'));
  assert.equal(printed.stdout.split('\n').length, 6);
});

test('sink to SQLite, killed again and again: each record once', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  using directory = new TempDirectory();
  const uri = `${broker.uri}/orders`;
  const file = path.join(directory.path, 'orders.db');
  const count = 20_000;
  await fill(uri, count);
  const args = ['sink', '--from', uri, '--to', `sqlite:${file}`, '--until-end', '--quiet'];
  const rows = (): number => {
    try {
      const database = new DatabaseSync(file, { readOnly: true });
      try {
        return Number(database.prepare('SELECT count(*) AS n FROM records').get()?.['n']);
      } finally {
        database.close();
      }
    } catch {
      return 0;
    }
  };
  for (let kills = 0; kills < 3; kills++) {
    const before = rows();
    const running = startMillrace(args);
    // Some more of it is there, and perhaps half of a transaction.
    while (rows() <= before && running.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
    running.child.kill('SIGKILL');
    await running.ended;
  }
  await ok(...args);
  const database = new DatabaseSync(file);
  const all = database.prepare('SELECT "offset", key, value, headers, timestamp FROM records ORDER BY "offset"').all();
  database.close();
  assert.equal(all.length, count);
  assert.deepEqual(
    { ...all[7] },
    {
      offset: 7,
      key: 'k',
      value: '{"n":7}',
      headers: '[["trace","abc"]]',
      timestamp: 1_764_000_000_007,
    },
  );
  assert.ok(all.every((row, n) => row['offset'] === n && row['value'] === `{"n":${n}}`));
});
