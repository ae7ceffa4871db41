/**
 * Proves what a pipeline promises whatever its steps: every record goes through, nothing is committed before it is processed,
 * a slow sink slows the source, failures and signals end it, and a drained one goes on where it stopped. In memory, so it says
 * nothing about back ends; test/process does.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { type Client, connect, json, string } from '../sdk/index.ts';
import {
  batch,
  compacted,
  filter,
  flatMap,
  forEach,
  from,
  map,
  metricsText,
  pipe,
  reduce,
  rekey,
  tap,
  to,
} from './index.ts';

let names = 0;

async function memory(partitions = 1): Promise<Client> {
  return await connect(`memory://pipe-${names++}?partitions=${partitions}`);
}

async function fill(
  client: Client,
  topic: string,
  values: readonly number[],
  keyOf = (n: number): string => `k${n % 3}`,
): Promise<void> {
  await using producer = await client.producer({ topic, value: json<number>() });
  await producer.sendAll(values.map((value, i) => ({ value, key: keyOf(value), timestamp: 1_700_000_000_000 + i })));
}

const DEADLINE = { timeout: 60_000 };

/** Polls; ends with the test's deadline, so that a wait in vain leaves nothing that spins. */
async function until({ signal }: TestContext, condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

const GROUP = { mode: 'resumable', group: 'g', until: 'end', value: json<number>() } as const;

async function read(client: Client, topic: string): Promise<number[]> {
  await using consumer = await client.consumer({
    topics: topic,
    from: 'earliest',
    until: 'end',
    value: json<number>(),
  });
  const values: number[] = [];
  for await (const { value } of consumer) values.push(value);
  return values;
}

test('steps compose, and key, time, headers and parents travel with the values', async () => {
  await using client = await memory();
  {
    await using producer = await client.producer({ topic: 'in', value: json<number>() });
    for (const value of numbers(6))
      await producer.send({ key: `k${value}`, value, timestamp: 1000 + value, headers: { trace: `t${value}` } });
  }
  const seen: string[] = [];
  await pipe(
    from(client, { topics: 'in', ...GROUP }),
    filter((n) => n % 2 === 1),
    tap((n) => void seen.push(`saw ${n}`)),
    flatMap((n) => [n, n * 10]),
    map((n, item) => `${item.key}:${n}`),
    to(client, { topic: 'out', value: string() }),
  ).run();
  assert.deepEqual(seen, ['saw 1', 'saw 3', 'saw 5']);
  await using consumer = await client.consumer({ topics: 'out', from: 'earliest', until: 'end', value: string() });
  const rows: unknown[] = [];
  for await (const { key, value, timestamp, headers } of consumer)
    rows.push([key, value, timestamp, headers.get('trace'), headers.get('millrace-parent')]);
  assert.deepEqual(rows, [
    ['k1', 'k1:1', 1001, 't1', 'in/0/1'],
    ['k1', 'k1:10', 1001, 't1', 'in/0/1'],
    ['k3', 'k3:3', 1003, 't3', 'in/0/3'],
    ['k3', 'k3:30', 1003, 't3', 'in/0/3'],
    ['k5', 'k5:5', 1005, 't5', 'in/0/5'],
    ['k5', 'k5:50', 1005, 't5', 'in/0/5'],
  ]);
});

test('a second hop names its own parent, not its grandparent', async () => {
  await using client = await memory();
  await fill(client, 'a', [1]);
  await pipe(from(client, { topics: 'a', ...GROUP }), to(client, { topic: 'b', value: json() })).run();
  await pipe(from(client, { topics: 'b', ...GROUP }), to(client, { topic: 'c', value: json() })).run();
  await using consumer = await client.consumer({ topics: 'c', from: 'earliest', value: json() });
  const record = await consumer.next();
  assert.deepEqual(
    record?.headers.entries.map(({ value }) => Buffer.from(value ?? []).toString()),
    ['b/0/0'],
  );
});

test('with any concurrency and order: each item once, in the order asked for', async () => {
  const orders = ['kept', 'any', 'key'] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.nat(4), waits: fc.nat(3) }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom(...orders),
      async (items, concurrency, order) => {
        await using client = await memory();
        await using producer = await client.producer({ topic: 'in', value: json<{ n: number; waits: number }>() });
        await producer.sendAll(items.map(({ key, waits }, n) => ({ key: `k${key}`, value: { n, waits } })));
        let running = 0;
        let most = 0;
        const runningKeys = new Set<string | null>();
        const out: { n: number; key: string | null }[] = [];
        await pipe(
          from(client, { topics: 'in', ...GROUP, value: json<{ n: number; waits: number }>() }),
          map(
            async ({ n, waits }, { key }) => {
              most = Math.max(most, ++running);
              if (order === 'key') assert.ok(!runningKeys.has(key), 'two calls for one key at a time');
              runningKeys.add(key);
              for (let i = 0; i < waits; i++) await new Promise((resolve) => setImmediate(resolve));
              runningKeys.delete(key);
              running -= 1;
              return n;
            },
            { concurrency, order },
          ),
          forEach((n, { key }) => void out.push({ n, key })),
        ).run();
        assert.ok(most <= concurrency);
        const all = out.map(({ n }) => n);
        if (order === 'kept') assert.deepEqual(all, numbers(items.length));
        assert.deepEqual(
          all.toSorted((a, b) => a - b),
          numbers(items.length),
        );
        if (order !== 'any') {
          for (const key of new Set(out.map((row) => row.key))) {
            const own = out.filter((row) => row.key === key).map(({ n }) => n);
            assert.deepEqual(
              own,
              own.toSorted((a, b) => a - b),
            );
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('whatever fails where, a run that follows goes on so that nothing is missing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat(80), { maxLength: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 20 }),
      async (count, failures, concurrency, commitEveryRecords) => {
        await using client = await memory(3);
        await fill(client, 'in', numbers(count));
        const left = new Set(failures);
        let ended = false;
        for (let run = 0; !ended; run++) {
          assert.ok(run <= failures.length + 1);
          try {
            await pipe(
              from(client, { topics: 'in', ...GROUP, maxReadRecords: 5 }),
              map(
                async (n) => {
                  await new Promise((resolve) => setImmediate(resolve));
                  if (left.delete(n)) throw new Error(`no ${n}`);
                  return n;
                },
                { concurrency, order: 'any' },
              ),
              batch({ maxItems: 4 }),
              flatMap((items) => items.map(({ value }) => value)),
              rekey((n) => `${n}`),
              to(client, { topic: 'out', value: json<number>() }),
            ).run({ commitEveryRecords });
            ended = true;
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'PROCESS_STEP_FAILED');
          }
        }
        const seen = new Set(await read(client, 'out'));
        assert.deepEqual(
          [...seen].toSorted((a, b) => a - b),
          numbers(count),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('nothing is committed before the sink has it', DEADLINE, async (t) => {
  await using client = await memory();
  await fill(client, 'in', numbers(10));
  const source = { topics: 'in', ...GROUP, maxReadRecords: 2 } as const;
  const gate = Promise.withResolvers<void>();
  const job = pipe(
    from(client, source),
    forEach(async (n) => {
      if (n === 5) await gate.promise;
    }),
  ).start({ commitEveryRecords: 1 });
  const committed = async (): Promise<number | undefined> => {
    await using other = await client.consumer({ ...source, commit: 'manual' });
    return (await other.next())?.value;
  };
  await until(t, async () => (await committed()) === 4);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(await committed(), 4, '4 was read together with 5, which is in work');
  gate.resolve();
  await job.done;
  await using after = await client.consumer({ ...source, commit: 'manual' });
  assert.equal(await after.next(), undefined);
});

test('a drained job commits what it read, and the next goes on behind it', async () => {
  await using client = await memory();
  await fill(client, 'in', numbers(100));
  const seen: number[] = [];
  const enough = Promise.withResolvers<void>();
  const source = { topics: 'in', mode: 'resumable', group: 'g', value: json<number>(), maxReadRecords: 10 } as const;
  const pipeline = pipe(
    from(client, source),
    forEach(async (n) => {
      seen.push(n);
      if (n === 33) enough.resolve();
      await new Promise((resolve) => setImmediate(resolve));
    }),
  );
  const first = pipeline.start();
  await enough.promise;
  await first.drain();
  const count = seen.length;
  assert.ok(count >= 34 && count < 100);
  const second = pipeline.start();
  while (seen.length < 100) await new Promise((resolve) => setImmediate(resolve));
  await second.drain();
  assert.deepEqual(seen, numbers(100), 'each once, in order');
});

test('a signal ends a run at once, functions in work too', async () => {
  await using client = await memory();
  await fill(client, 'in', numbers(5));
  const abort = new AbortController();
  let told = false;
  const running = pipe(
    from(client, { topics: 'in', ...GROUP }),
    forEach(async (_n, _item, { signal }) => {
      signal.addEventListener('abort', () => {
        told = true;
      });
      abort.abort(new Error('enough'));
      // It does not listen to the signal; nobody waits for it.
      await new Promise(() => undefined);
    }),
  ).run({ signal: abort.signal });
  await assert.rejects(running, { code: 'CLIENT_ABORTED', message: /enough/ });
  assert.ok(told);
  await assert.rejects(
    pipe(
      from(client, { topics: 'in', ...GROUP }),
      forEach(() => undefined),
    ).run({ signal: AbortSignal.abort() }),
    {
      code: 'CLIENT_ABORTED',
    },
  );
});

test('a slow sink slows the source: what is in memory stays bounded', async () => {
  await using client = await memory();
  await fill(client, 'in', numbers(5000));
  let passed = 0;
  let done = 0;
  await pipe(
    from(client, { topics: 'in', ...GROUP, maxReadRecords: 100 }),
    tap(() => void passed++),
    forEach(
      async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done += 1;
        assert.ok(passed - done <= 100 + 4, `${passed - done} are under way`);
      },
      { concurrency: 4, order: 'any' },
    ),
  ).run();
  assert.equal(done, 5000);
});

test('a failure names the step, the record and the reason', async () => {
  await using client = await memory();
  await fill(client, 'in', [7]);
  const run = pipe(
    from(client, { topics: 'in', ...GROUP }),
    map(
      () => {
        throw new RangeError('no luck');
      },
      { name: 'price' },
    ),
    forEach(() => undefined),
  ).run();
  await assert.rejects(run, {
    code: 'PROCESS_STEP_FAILED',
    message: 'Step price failed on in/0/0: no luck',
    details: { step: 'price', attempts: 1, record: 'in/0/0' },
  });
});

test('metrics count, and have a text form', async () => {
  await using client = await memory();
  await fill(client, 'in', numbers(10));
  const job = pipe(
    from(client, { topics: 'in', ...GROUP }),
    filter((n) => n > 3),
    map((n) => n),
    map((n) => n, { name: 'double "it"' }),
    to(client, { topic: 'out', value: json() }),
  ).start();
  await job.done;
  const metrics = job.metrics();
  assert.equal(metrics.recordsRead, 10);
  assert.equal(metrics.uncommittedMs, 0);
  assert.equal(metrics.commits, 1);
  assert.deepEqual(
    metrics.steps.map(({ step, in: came, out, dropped }) => [step, came, out, dropped]),
    [
      ['from in', 10, 10, 0],
      ['to out', 6, 6, 0],
      ['double "it"', 6, 6, 0],
      ['map', 6, 6, 0],
      ['filter', 10, 6, 4],
    ],
  );
  const text = metricsText(metrics, { pipeline: 'p' });
  assert.match(text, /^# TYPE millrace_process_step_in_total counter$/m);
  assert.match(text, /^millrace_process_step_out_total\{pipeline="p",step="double \\"it\\""\} 6$/m);
  assert.match(text, /^millrace_process_records_read_total\{pipeline="p"\} 10$/m);
});

test('options that make no sense are refused before anything runs', async () => {
  await using client = await memory();
  assert.throws(() => map((n: number) => n, { concurrency: 0 }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => map((n: number) => n, { order: 'some' as 'any' }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => map((n: number) => n, { retry: { attempts: 0 } }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => batch({ maxItems: 0.5 }), { code: 'CLIENT_OPTION_INVALID' });
  const group = pipe(
    from(client, { topics: 'in', mode: 'resumable', group: '', value: string() }),
    forEach(() => undefined),
  );
  await assert.rejects(group.run(), { code: 'CLIENT_GROUP_REQUIRED' });
});

test('members of a group share the work, and states of keys move with their partitions', DEADLINE, async (t) => {
  await using client = await memory(4);
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  const send = async (count: number): Promise<void> =>
    void (await producer.sendAll(numbers(count).map((n) => ({ key: `k${n % 8}`, value: 1 }))));
  const member = () =>
    pipe(
      from(client, { topics: 'in', mode: 'load-balanced', group: 'g', value: json<number>(), maxReadRecords: 3 }),
      reduce({
        initial: () => 0,
        fold: (total, n: number) => total + n,
        state: compacted(client, { topic: 'totals', value: json<number>() }),
      }),
      forEach(() => undefined),
    ).start({ commitEveryMs: 5 });
  const isThrough = async (total: number): Promise<void> =>
    await until(t, async () => {
      const totals = new Map<string, number>();
      await using consumer = await client.consumer({
        topics: 'totals',
        from: 'earliest',
        until: 'end',
        value: json<number>(),
      });
      for await (const { key, value } of consumer) totals.set(key ?? '', value);
      const sum = [...totals.values()].reduce((a, b) => a + b, 0);
      assert.ok(sum <= total, `${sum} of ${total}: something counted twice`);
      return sum === total && [...totals.values()].every((value) => value === total / 8);
    });
  const first = member();
  await send(80);
  await isThrough(80);
  const second = member();
  await send(80);
  await isThrough(160);
  await first.drain();
  await send(80);
  await isThrough(240);
  assert.ok((second.metrics().steps.find(({ step }) => step === 'reduce')?.in ?? 0) > 0);
  await second.drain();
});

test(
  'a member that lost a partition does not write its older state over that of the new owner',
  DEADLINE,
  async (t) => {
    await using client = await memory(2);
    await using producer = await client.producer({ topic: 'in', value: json<number>() });
    const send = async (count: number): Promise<void> =>
      void (await producer.sendAll(numbers(count).map((n) => ({ key: `k${n % 8}`, value: 1 }))));
    const counted = Array.from({ length: 2 }, () => 0);
    const member = (index: number, commitEveryMs: number) =>
      pipe(
        from(client, { topics: 'in', mode: 'load-balanced', group: 'g', value: json<number>() }),
        reduce({
          initial: () => 0,
          fold: (total, n: number) => total + n,
          state: compacted(client, { topic: 'totals', value: json<number>() }),
        }),
        forEach(() => void ((counted[index] as number) += 1)),
      ).start({ commitEveryMs });
    const totals = async (): Promise<Map<string, number>> => {
      const found = new Map<string, number>();
      await using consumer = await client.consumer({
        topics: 'totals',
        from: 'earliest',
        until: 'end',
        value: json<number>(),
      });
      for await (const { key, value } of consumer) found.set(key ?? '', value);
      return found;
    };
    await client.admin.createTopic('totals', { partitions: 1 });
    // It has counted all of it, and written nothing.
    const first = member(0, 3_600_000);
    await send(40);
    await until(t, () => counted[0] === 40);
    // The second begins anew with the partition that it is given, is ahead of the first there, and has written.
    const second = member(1, 1);
    await until(t, () => counted[1] !== 0);
    await send(40);
    await until(t, async () => [...(await totals()).values()].includes(10));
    const ahead = [...(await totals())].filter(([, total]) => total === 10).map(([key]) => key);
    await first.drain();
    const kept = await totals();
    for (const key of ahead) assert.equal(kept.get(key), 10, `${key} was overwritten`);
    await send(8);
    await until(t, async () => [...(await totals()).values()].every((total) => total === 11));
    await second.drain();
    assert.equal((await totals()).size, 8);
  },
);
