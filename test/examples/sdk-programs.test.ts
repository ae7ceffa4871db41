/** Proves that the smaller examples of the SDK do what their heads say, against a broker that all of them share. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect, json, string } from '../../src/sdk/index.ts';
import { type OpenedBroker, openBroker } from '../../src/server/open-broker.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const TIMEOUT = { timeout: 60_000 };
/** Times of records may be those of long ago: a sweep of old records would take them on a slow machine. */
const KEEP = { settings: { retentionMs: -1 } };
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const EXAMPLES = path.join(ROOT, 'examples');
const QUAKES = readFileSync(path.join(EXAMPLES, 'data/earthquakes.ndjson'), 'utf8').trimEnd().split('\n');
const directory = new TempDirectory();
let broker: OpenedBroker;
let quakes: string;

before(async () => {
  broker = await openBroker(KEEP);
  quakes = `${broker.uri}/quakes`;
  await using client = await connect(quakes);
  await using producer = await client.producer({ value: string() });
  await producer.sendAll(QUAKES.map((value) => ({ value })));
}, TIMEOUT);

after(async () => {
  await broker.close();
  directory[Symbol.dispose]();
}, TIMEOUT);

async function example(name: string, ...args: string[]): Promise<string> {
  const program = [path.join(EXAMPLES, name), ...args];
  const { stdout } = await promisify(execFile)(process.execPath, program, { timeout: 50_000 });
  return stdout;
}

test('resumable: the second run has nothing to do', TIMEOUT, async () => {
  assert.match(await example('sdk-resumable.ts', quakes), new RegExp(`${QUAKES.length} new ones\n$`));
  assert.equal(await example('sdk-resumable.ts', quakes), '0 new ones\n');
});

test('buffered: reading runs ahead, and not too far', TIMEOUT, async () => {
  const [, waiting] = /(\d+) batches waiting/.exec(await example('sdk-buffered.ts', quakes)) ?? [];
  assert.ok(Number(waiting) <= 4, `${waiting} batches`);
});

test('blocking: on worker threads, in order', TIMEOUT, async () => {
  assert.equal(await example('sdk-blocking.ts', quakes), `${QUAKES.length} records hashed on two threads, in order\n`);
});

test('a price feed from a recorded file', TIMEOUT, async () => {
  const args = [`file://${path.join(directory.path, 'feed.ss')}`, `${broker.uri}/prices`, '1000'];
  assert.equal(await example('sdk-price-feed.ts', ...args), '120 prices replayed, in order of their times\n');
});

test('a gateway from HTTP: 202 is a promise, and a bad body is told', TIMEOUT, async () => {
  const uri = `${broker.uri}/measurements`;
  const gateway = spawn(process.execPath, [path.join(EXAMPLES, 'sdk-gateway.ts'), uri, '0'], { stdio: 'pipe' });
  try {
    const [line] = (await once(gateway.stdout, 'data')) as [Buffer];
    const url = `http://127.0.0.1:${/\d+/.exec(line.toString())?.[0]}/kitchen`;
    const answers = await Promise.all(
      [1, 2, 3].map(async (n) => await fetch(url, { method: 'POST', body: `{"n":${n}}` })),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202, 202],
    );
    assert.equal((await fetch(url, { method: 'POST', body: 'no' })).status, 400);
    gateway.kill('SIGTERM');
    const [code] = (await once(gateway, 'exit')) as [number];
    assert.equal(code, 0);
  } finally {
    gateway.kill('SIGKILL');
  }
  await using client = await connect(uri);
  await using consumer = await client.consumer({ from: 'earliest', until: 'end', value: json<{ n: number }>() });
  const seen: number[] = [];
  for await (const { key, value } of consumer) if (key === 'kitchen') seen.push(value.n);
  assert.deepEqual(new Set(seen), new Set([1, 2, 3]));
  assert.equal(seen.length, 3);
});

test('reliable processing: retries, dead letters', TIMEOUT, async () => {
  assert.equal(
    await example('sdk-reliable.ts', broker.uri),
    '13 failed: card refused, after 4 attempts\n19 paid, 11 calls made again\n',
  );
});

test('transactions: a transfer that fails shows nothing of itself', TIMEOUT, async () => {
  assert.equal(await example('sdk-transactions.ts', broker.kafka), '4 entries, 0 in sum, 1 transfer refused\n');
});

test('encryption and rotation, on a broker and in memory', TIMEOUT, async () => {
  assert.equal(await example('sdk-encryption.ts', `${broker.uri}/cards`), '3 read, 1 gone with its key\n');
  assert.equal(await example('sdk-encryption.ts'), '3 read, 1 gone with its key\n');
});

test('effects in SQLite: the second run adds nothing', TIMEOUT, async () => {
  const strong = QUAKES.filter((line) => ((JSON.parse(line) as { mag: number | null }).mag ?? 0) >= 5).length;
  const file = path.join(directory.path, 'quakes.db');
  for (let run = 0; run < 2; run++)
    assert.equal(await example('sdk-into-sqlite.ts', quakes, file), `${strong} strong ones\n`);
});

test('the fixture under vitest', TIMEOUT, async () => {
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = [vitest, 'run', '--root', EXAMPLES, '--config', path.join(EXAMPLES, 'vitest.config.ts'), '--no-color'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  assert.match(stdout, /Tests {2}1 passed/);
});
