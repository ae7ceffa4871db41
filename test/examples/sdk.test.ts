/** Proves that the SDK's examples do what their heads say, and that one processor gives equal output on every back end. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { connect, json, nullable, raw, string } from '../../src/sdk/index.ts';
import { openBroker } from '../../src/server/open-broker.ts';
import { RedisServer } from '../kit/redis-server.ts';
import { TempDirectory } from '../kit/temp-directory.ts';
import { requireTool } from '../kit/tools.ts';

const TIMEOUT = { timeout: 120_000 };
/** Times of records may be those of long ago: a sweep of old records would take them on a slow machine. */
const KEEP = { settings: { retentionMs: -1 } };
const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const FEED = path.join(EXAMPLES, 'data/earthquakes.ndjson');
const QUAKES = readFileSync(FEED, 'utf8').trimEnd().split('\n');

async function example(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(EXAMPLES, name), ...args], {
    timeout: 60_000,
  });
  return stdout;
}

async function fill(uri: string): Promise<void> {
  await using client = await connect(uri);
  await using producer = await client.producer({ value: string() });
  await producer.sendAll(QUAKES.map((value) => ({ value })));
}

async function read(uri: string): Promise<string[]> {
  await using client = await connect(uri);
  await using consumer = await client.consumer({ from: 'earliest', until: 'end', value: raw() });
  const values: string[] = [];
  for await (const { value } of consumer) values.push(Buffer.from(value).toString());
  return values;
}

/** What the processor must give, worked out here. */
function expected(): string[] {
  return QUAKES.map((line) => JSON.parse(line) as { mag: number; place: string })
    .filter(({ mag }) => mag >= 5)
    .map(({ mag, place }) => JSON.stringify({ place, strength: mag.toFixed(1) }));
}

test('orders, over the Kafka protocol and in memory', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  assert.equal(await example('sdk-orders.ts', `${broker.uri}/shop.orders`), '3 orders, 50 in total\n');
  assert.equal(await example('sdk-orders.ts'), '3 orders, 50 in total\n');
});

test('an aggregate sells what there is, over HTTP and in memory', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  const sold = '25 of 40 customers served, 0 pieces left\n';
  assert.equal(await example('sdk-aggregate.ts', broker.http), sold);
  assert.equal(await example('sdk-aggregate.ts'), sold);
});

test(
  'one processor on Millrace, a directory, files and pipes: equal output, and nothing twice when it runs again',
  TIMEOUT,
  async () => {
    assert.ok(expected().length > 20);
    using directory = new TempDirectory();
    const file = (name: string): string => `file://${path.join(directory.path, name)}.ss/quakes`;
    {
      await using broker = await openBroker(KEEP);
      await fill(`${broker.uri}/quakes`);
      await example('sdk-processor.ts', `${broker.uri}/quakes`, `${broker.uri}/strong`);
      await example('sdk-processor.ts', `${broker.uri}/quakes`, `${broker.uri}/strong`);
      assert.deepEqual(await read(`${broker.uri}/strong`), expected(), 'Millrace');
      await fill(`${broker.http}/over-http`);
      await example('sdk-processor.ts', `${broker.http}/over-http`, file('from-http'));
      await example('sdk-processor.ts', `${broker.http}/over-http`, file('from-http'));
      assert.deepEqual(await read(file('from-http')), expected(), 'http to file');
    }
    await fill(file('in'));
    const embedded = `millrace+dir://${path.join(directory.path, 'data')}?topics=strong`;
    await example('sdk-processor.ts', file('in'), embedded);
    await example('sdk-processor.ts', file('in'), embedded);
    assert.deepEqual(await read(embedded), expected(), 'file to directory');
    const pipe = spawn(
      process.execPath,
      [path.join(EXAMPLES, 'sdk-processor.ts'), 'stdio:///broadcast', 'stdio:///strong'],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    createReadStream(FEED).pipe(pipe.stdin);
    const lines = (await text(pipe.stdout)).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => line.slice(line.indexOf('] ') + 2)),
      expected(),
      'pipe',
    );
  },
);

/** Quakes of each network and day, and the strongest of each network, worked out here. */
function perDay(): { days: string[]; strongest: Map<string, number> } {
  const counts = new Map<string, number>();
  const strongest = new Map<string, number>();
  for (const line of QUAKES) {
    const { net, mag, time } = JSON.parse(line) as { net: string; mag: number | null; time: number };
    if (mag === null) continue;
    const day = `${new Date(time).toISOString().slice(0, 10)} ${net}`;
    counts.set(day, (counts.get(day) ?? 0) + 1);
    strongest.set(net, Math.max(strongest.get(net) ?? mag, mag));
  }
  return { days: [...counts].map(([day, count]) => `${day} ${count}`).toSorted(), strongest };
}

/** The example on one back end, run twice: the second run has nothing to do. */
async function windowsOn(uri: string): Promise<void> {
  await fill(`${uri}/quakes`);
  await example('process-windows.ts', uri, 'quakes');
  await example('process-windows.ts', uri, 'quakes');
  const expectedDays = perDay();
  assert.deepEqual((await read(`${uri}/quakes.per-day`)).toSorted(), expectedDays.days);
  await using client = await connect(`${uri}/quakes.strongest`);
  await using consumer = await client.consumer({ from: 'earliest', until: 'end', value: nullable(json<number>()) });
  const strongest = new Map<string, number>();
  for await (const { key, value } of consumer) if (key !== null && value !== null) strongest.set(key, value);
  assert.deepEqual(strongest, expectedDays.strongest);
}

test('windows and state, over the Kafka protocol', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  await windowsOn(broker.uri);
});

test('windows and state on Redis', TIMEOUT, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using redis = await RedisServer.start(program);
  await windowsOn(`redis://127.0.0.1:${redis.port}`);
});

test('the same processor on Redis', TIMEOUT, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using redis = await RedisServer.start(program);
  const uri = `redis://127.0.0.1:${redis.port}`;
  await fill(`${uri}/quakes`);
  await example('sdk-processor.ts', `${uri}/quakes`, `${uri}/strong`);
  await example('sdk-processor.ts', `${uri}/quakes`, `${uri}/strong`);
  assert.deepEqual(await read(`${uri}/strong`), expected());
});

test('the same processor in memory, in this process', TIMEOUT, async () => {
  const [input, output] = ['memory://processor/quakes', 'memory://processor/strong'];
  await fill(input);
  const { argv } = process;
  process.argv = [...argv.slice(0, 2), input, output];
  try {
    await import(`${pathToFileURL(path.join(EXAMPLES, 'sdk-processor.ts')).href}?in-memory`);
  } finally {
    process.argv = argv;
  }
  assert.deepEqual(await read(output), expected());
});
