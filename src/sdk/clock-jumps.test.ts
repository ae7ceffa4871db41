/**
 * Proves that a wall clock that jumps, days ahead and back, breaks nothing: it is asked for the times of records alone. Waits
 * (linger, commits by interval, retries) go by the other clock.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { RedisServer } from '../../test/kit/redis-server.ts';
import { TempDirectory } from '../../test/kit/temp-directory.ts';
import { requireTool } from '../../test/kit/tools.ts';
import { openBroker } from '../server/open-broker.ts';
import { type Clock, connect, json, systemClock } from './index.ts';

const DAY_MS = 86_400_000;
const TIMEOUT = { timeout: 60_000 };
const COUNT = 40;

/** Each look at it is days before or behind the last. */
function jumping(): Clock {
  let looks = 0;
  return { ...systemClock, now: () => Date.UTC(2026, 10, 25) + ((looks++ % 5) - 2) * DAY_MS };
}

async function jumps(uri: string): Promise<void> {
  await using client = await connect(uri, { clock: jumping() });
  await using producer = await client.producer({ value: json<number>(), lingerMs: 5 });
  const { resumable } = client.features;
  const mode = resumable ? ({ mode: 'resumable', group: 'g', commit: { intervalMs: 5 } } as const) : {};
  for (let n = 0; n < COUNT; n++) {
    if (n % 10 === 0) await producer.flush();
    await producer.submit({ value: n });
  }
  await producer.flush();
  await using consumer = await client.consumer({ ...mode, from: 'earliest', value: json<number>() });
  const times: number[] = [];
  for (let n = 0; n < COUNT; n++) {
    const record = await consumer.next();
    assert.equal(record?.value, n);
    times.push(record.timestamp);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(
    times.some((time, i) => i > 0 && time < (times[i - 1] ?? 0)),
    'the times of the records jump',
  );
  await consumer.close();
  if (!resumable) return;
  await producer.send({ value: COUNT });
  await using again = await client.consumer({ ...mode, value: json<number>() });
  const next = await again.next();
  assert.ok(next !== undefined && next.value >= COUNT - 1, 'what was processed was committed');
}

test('a clock that jumps: Kafka protocol, HTTP, files, memory', TIMEOUT, async () => {
  using directory = new TempDirectory();
  await using broker = await openBroker({ settings: { retentionMs: -1 } });
  await jumps(`${broker.uri}/jumps`);
  await createTopic(broker.http, 'jumps-http');
  await jumps(`${broker.http}/jumps-http`);
  await jumps(`file://${path.join(directory.path, 'a.ss')}/jumps`);
  await jumps('memory://clock-jumps/jumps');
});

test('a clock that jumps: Redis, and ids that are times are refused with a reason', TIMEOUT, async (t) => {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return;
  await using redis = await RedisServer.start(program);
  await jumps(`redis://127.0.0.1:${redis.port}/jumps`);
  await using client = await connect(`redis://127.0.0.1:${redis.port}/times?ids=timestamp`, { clock: jumping() });
  await using producer = await client.producer({ value: json<number>() });
  await producer.send({ value: 0, timestamp: 2_000 });
  await assert.rejects(producer.send({ value: 1, timestamp: 1_000 }), {
    code: 'CLIENT_REFUSED',
    message: /ID|smaller/,
  });
});

async function createTopic(uri: string, topic: string): Promise<void> {
  await using client = await connect(uri);
  await client.admin.createTopic(topic);
}
