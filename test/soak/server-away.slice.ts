/**
 * Proves that programs of the SDK outlive a server that is gone for a minute: the producer holds what its buffer takes and makes
 * the program wait for more, consumers wait, also in the middle of a commit, memory stays bounded, and all go on by themselves.
 * Nothing that was taken is missing or, where the back end is idempotent, there twice; a group stands behind the last record. Over the Kafka protocol, HTTP and Redis (synced), side by side.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, string } from '../../src/sdk/index.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RedisServer } from '../kit/redis-server.ts';
import { requireTool } from '../kit/tools.ts';

const AWAY_MS = Number(process.env['MILLRACE_AWAY_MS'] ?? 60_000);
const TIMEOUT = { timeout: AWAY_MS + 120_000 };
const BUFFER_BYTES = 256 * 1024;
/** With what surrounds them, more than the buffer takes by far. */
const COUNT = 3_000;
const PAYLOAD = 'x'.repeat(1_000);
/** The heap of a program that holds a buffer of 256 KiB has no reason to grow by more. */
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;

interface Server {
  readonly uri: string;
  kill9(): Promise<void>;
  start(): Promise<void>;
}

async function away(t: TestContext, server: Server, exactly: boolean): Promise<void> {
  await using client = await connect(server.uri);
  await using producer = await client.producer({
    topic: 'away',
    value: string(),
    maxBufferedBytes: BUFFER_BYTES,
    maxBatchRecords: 50,
  });
  await producer.send({ value: `0 ${PAYLOAD}` });
  await using consumer = await client.consumer({ topics: 'away', from: 'earliest', value: string() });
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { value } of consumer) {
      const n = Number(value.slice(0, value.indexOf(' ')));
      seen.push(n);
      if (n === COUNT - 1) return;
    }
  })();
  const grouped = { topics: 'away', mode: 'resumable', group: 'away', value: string(), commit: 'each' } as const;
  const resumed = new Set<string>();
  const committing = (async () => {
    await using member = await client.consumer(grouped);
    for await (const { value } of member) {
      resumed.add(value);
      if (resumed.size < COUNT) continue;
      await member.commit();
      return;
    }
  })();
  const progress = { taken: 1 };
  const writing = (async () => {
    for (; progress.taken < COUNT; progress.taken++) {
      await producer.submit({ value: `${progress.taken} ${PAYLOAD}` });
      await sleep(1);
    }
    await producer.flush();
  })();
  while (progress.taken < 200) await sleep(10);
  await server.kill9();
  await sleep(5_000);
  const heldAt = progress.taken;
  assert.ok(heldAt < COUNT, 'the program waits for room');
  const before = process.memoryUsage().heapUsed;
  await sleep(Math.max(AWAY_MS - 5_000, 0));
  assert.equal(progress.taken, heldAt, 'a full buffer takes nothing more');
  const growth = process.memoryUsage().heapUsed - before;
  assert.ok(growth < MAX_GROWTH_BYTES, `the heap grew by ${growth} bytes`);
  await server.start();
  const back = performance.now();
  await writing;
  await Promise.all([reading, committing]);
  t.diagnostic(
    `${heldAt} records taken when it was full; all ${COUNT} through ${Math.round(performance.now() - back)} ms after`,
  );
  const numbers = Array.from({ length: COUNT }, (_, n) => n);
  assert.deepEqual(exactly ? seen : [...new Set(seen)].toSorted((a, b) => a - b), numbers);
  await using rest = await client.consumer({ ...grouped, until: 'end' });
  // Where records may come twice, some of the last may stand behind the one that was the last to come first.
  if (exactly) assert.equal(await rest.next(), undefined, 'all of it is committed');
}

test('a server that is gone for a minute', { ...TIMEOUT, concurrency: 3 }, async (t) => {
  await Promise.all([
    t.test('kafka://', TIMEOUT, async (own) => {
      await using broker = await MillraceProcess.start();
      const parts = { kill9: async () => await broker.kill9(), start: async () => await broker.start() };
      await away(own, { uri: `kafka://${broker.kafka}`, ...parts }, true);
    }),
    t.test('http://', TIMEOUT, async (own) => {
      await using broker = await MillraceProcess.start();
      const parts = { kill9: async () => await broker.kill9(), start: async () => await broker.start() };
      await away(own, { uri: `http://${broker.http}`, ...parts }, true);
    }),
    t.test('redis://', TIMEOUT, async (own) => {
      const program = requireTool(own, 'redis-server');
      if (program === undefined) return;
      await using redis = await RedisServer.start(program);
      const parts = { kill9: async () => await redis.kill9(), start: async () => await redis.start() };
      // What was sent and not answered is sent again, and Redis knows no repeat.
      await away(own, { uri: `redis://127.0.0.1:${redis.port}`, ...parts }, false);
    }),
  ]);
});
