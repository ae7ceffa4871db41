/** Proves retries, dead letters, batches and idle partitions by a clock that the test moves, and what worker threads do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { type Client, connect, json, MillraceError } from '../sdk/index.ts';
import { batch, count, forEach, from, inWorkers, map, pipe, to, tumbling, window } from './index.ts';
import { backoffMs, exactRetry } from './retry.ts';

let names = 0;

async function filled(...values: number[]): Promise<Client> {
  const client = await connect(`memory://work-${names++}`);
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  await producer.sendAll(values.map((value) => ({ value, key: `k${value}` })));
  return client;
}

const SOURCE = { topics: 'in', mode: 'resumable', group: 'g', until: 'end', value: json<number>() } as const;

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('waits between calls double, up to the longest, less what is left to chance', () => {
  const policy = exactRetry({ firstMs: 100, maxMs: 1000, jitter: 0.5 });
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((attempt) => backoffMs(policy, attempt, 0)),
    [100, 200, 400, 800, 1000, 1000],
  );
  assert.equal(backoffMs(policy, 1, 0.999), 100 * (1 - 0.5 * 0.999));
});

test('a call that fails is made again after its wait', async () => {
  await using client = await filled(1, 2);
  const clock = new ManualClock();
  const calls: [number, number, number][] = [];
  const job = pipe(
    from(client, SOURCE),
    map(
      (n, _item, { attempt }) => {
        calls.push([n, attempt, clock.monotonic()]);
        if (n === 1 && attempt < 4) throw new Error('not yet');
        return n;
      },
      { retry: { firstMs: 100, jitter: 0 } },
    ),
    forEach(() => undefined),
  ).start({ clock });
  for (let i = 0; i < 8; i++) {
    await settle();
    clock.advance(100);
  }
  await job.done;
  assert.deepEqual(calls, [
    [1, 1, 0],
    [1, 2, 100],
    [1, 3, 300],
    [1, 4, 700],
    [2, 1, 700],
  ]);
  assert.equal(job.metrics().steps.find(({ step }) => step === 'map')?.retried, 3);
});

test('what is not worth another call is not called again', async () => {
  await using client = await filled(1);
  let calls = 0;
  const run = pipe(
    from(client, SOURCE),
    map(
      () => {
        calls += 1;
        throw new MillraceError('CLIENT_OPTION_INVALID', 'wrong for good');
      },
      { retry: {} },
    ),
    forEach(() => undefined),
  ).run();
  await assert.rejects(run, { code: 'PROCESS_STEP_FAILED' });
  assert.equal(calls, 1);
});

test('dead letters carry the item as it was, its parent and what went wrong', async () => {
  for (const concurrency of [1, 4]) {
    await using client = await filled(1, 2, 3, 4);
    const passed: number[] = [];
    await pipe(
      from(client, SOURCE),
      map(
        async (n) => {
          if (n % 2 === 0) throw new Error(`${n} is even`);
          return n;
        },
        {
          concurrency,
          retry: { attempts: 2, firstMs: 0 },
          deadLetter: to(client, { topic: 'dead', value: json<number>() }),
        },
      ),
      forEach((n) => void passed.push(n)),
    ).run();
    assert.deepEqual(passed, [1, 3]);
    await using dead = await client.consumer({ topics: 'dead', from: 'earliest', until: 'end', value: json<number>() });
    const letters: unknown[][] = [];
    for await (const { key, value, headers } of dead)
      letters.push([
        key,
        value,
        headers.get('millrace-error'),
        headers.get('millrace-error-step'),
        headers.get('millrace-error-attempts'),
        headers.get('millrace-parent'),
      ]);
    assert.deepEqual(
      letters.toSorted((a, b) => Number(a[1]) - Number(b[1])),
      [
        ['k2', 2, '2 is even', 'map', '2', 'in/0/1'],
        ['k4', 4, '4 is even', 'map', '2', 'in/0/3'],
      ],
    );
  }
});

test('drop lets failing items go, and counts them', async () => {
  await using client = await filled(1, 2, 3);
  const job = pipe(
    from(client, SOURCE),
    forEach(
      (n) => {
        if (n === 2) throw new Error('no');
      },
      { deadLetter: 'drop' },
    ),
  ).start();
  await job.done;
  const step = job.metrics().steps.find((metrics) => metrics.step === 'forEach');
  assert.deepEqual([step?.in, step?.out, step?.deadLettered], [3, 2, 1]);
});

test('a batch ends when it is full, when its first item has waited, and with a commit', async () => {
  const client = await filled(1, 2, 3, 4, 5);
  const clock = new ManualClock();
  const batches: number[][] = [];
  const job = pipe(
    from(client, { ...SOURCE, until: undefined }),
    batch({ maxItems: 3, lingerMs: 50 }),
    forEach((items) => void batches.push(items.map(({ value }) => value))),
  ).start({ clock });
  await settle();
  assert.deepEqual(batches, [[1, 2, 3]]);
  clock.advance(49);
  await settle();
  assert.equal(batches.length, 1);
  clock.advance(1);
  await settle();
  assert.deepEqual(batches, [
    [1, 2, 3],
    [4, 5],
  ]);
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  await producer.send({ value: 6 });
  await settle();
  await job.drain();
  assert.deepEqual(batches.at(-1), [6]);
  await client.close();
});

test('a partition that is silent does not hold up event time for ever', async () => {
  await using client = await connect(`memory://work-${names++}?partitions=2`);
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  await producer.sendAll([5, 15, 25].map((timestamp) => ({ key: 'a', value: 1, timestamp, partition: 0 })));
  const clock = new ManualClock();
  const ends: number[] = [];
  const job = pipe(
    from(client, { topics: 'in', mode: 'resumable', group: 'g', value: json<number>(), idleMs: 1000 }),
    window(tumbling({ sizeMs: 10 }), count()),
    forEach(({ endMs }) => void ends.push(endMs)),
  ).start({ clock });
  await settle();
  clock.advance(999);
  await settle();
  assert.deepEqual(ends, [], 'partition 1 may hold older records');
  await producer.send({ key: 'a', value: 1, timestamp: 26, partition: 0 });
  await settle();
  clock.advance(1);
  await settle();
  assert.deepEqual(ends, [10, 20]);
  await job.drain();
  assert.equal(clock.pendingTimers, 0);
});

const WORKER = new URL('../../test/kit/process-worker.ts', import.meta.url);
type Work = typeof import('../../test/kit/process-worker.ts').default;

test('worker threads: results in order, errors by name, and a thread that dies is replaced', {
  timeout: 60_000,
}, async () => {
  await using client = await filled(...Array.from({ length: 40 }, (_, n) => n));
  const seen: string[] = [];
  const dead: number[] = [];
  await pipe(
    from(client, SOURCE),
    inWorkers<Work>(WORKER, {
      threads: 2,
      // One call a thread: what dies takes no other call with it.
      concurrency: 2,
      retry: { attempts: 3, firstMs: 1, when: (error) => error instanceof MillraceError },
      deadLetter: forEach((n) => void dead.push(n)),
    }),
    forEach(({ text, thread }) => {
      assert.ok(thread > 0, 'not the main thread');
      seen.push(text);
    }),
  ).run();
  // 13 throws; 20 ends its thread, again and again.
  assert.deepEqual(
    dead.toSorted((a, b) => a - b),
    [13, 20],
  );
  const expected = Array.from({ length: 40 }, (_, n) => n).filter((n) => n !== 13 && n !== 20);
  assert.deepEqual(
    seen,
    expected.map((n) => `k${n}:${n * 2}`),
  );
});

test('worker threads: a module without a function is a clear failure', { timeout: 60_000 }, async () => {
  await using client = await filled(1);
  const run = pipe(
    from(client, SOURCE),
    inWorkers<Work>(new URL('../../test/kit/manual-clock.ts', import.meta.url), { threads: 1 }),
    forEach(() => undefined),
  ).run();
  await assert.rejects(run, { code: 'PROCESS_STEP_FAILED', message: /no function as its default export/ });
});
