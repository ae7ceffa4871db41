/**
 * Proves transactions of the SDK and exactly-once pipelines against a real broker in this process: what is aborted is seen by
 * nobody, positions and results count together, an older holder of an id is fenced, and whatever fails, every record has its
 * result once. Processes and brokers that are killed: test/soak/pipeline-kill-9.slice.ts.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as fc from '../../test/kit/properties.ts';
import { type Client, connect, json, MillraceError, string } from '../sdk/index.ts';
import { type OpenedBroker, openBroker } from '../server/open-broker.ts';
import { batch, compacted, flatMap, forEach, from, map, pipe, reduce, sum, to, tumbling, window } from './index.ts';

const TIMEOUT = { timeout: 60_000 };
let broker: OpenedBroker;
let names = 0;

before(async () => {
  // Times of the records are those of long ago: a sweep of old records would take them on a slow machine.
  broker = await openBroker({ settings: { retentionMs: -1 } });
});
after(async () => {
  await broker.close();
});

async function open(): Promise<Client<'exactly-once'>> {
  const client: Client = await connect(broker.uri);
  assert.ok(client.hasTransactions());
  return client;
}

async function readAll(client: Client, topic: string): Promise<string[]> {
  await using consumer = await client.consumer({ topics: topic, from: 'earliest', until: 'end', value: string() });
  const values: string[] = [];
  for await (const { value } of consumer) values.push(value);
  return values;
}

async function fill(client: Client, topic: string, count: number, partitions = 2): Promise<void> {
  await client.admin.createTopic(topic, { partitions });
  await using producer = await client.producer({ topic, value: json<number>() });
  await producer.sendAll(
    Array.from({ length: count }, (_, n) => ({ key: `k${n % 5}`, value: n, timestamp: 1000 + n * 10 })),
  );
}

test('a transaction counts whole or not at all', TIMEOUT, async () => {
  await using client = await open();
  const [a, b] = [`ta${names++}`, `tb${names++}`];
  await using transactor = await client.transactor({ transactionalId: `t${names++}` });
  const producer = transactor.producer({ value: string() });
  const result = await transactor.run(async () => {
    await producer.send({ topic: a, value: 'a1' });
    await producer.submit({ topic: b, value: 'b1' });
    return 7;
  });
  assert.equal(result, 7);
  const failing = transactor.run(async () => {
    await producer.send({ topic: a, value: 'a2 aborted' });
    await producer.submit({ topic: b, value: 'b2 aborted' });
    throw new RangeError('changed my mind');
  });
  await assert.rejects(failing, RangeError);
  await transactor.run(async () => void (await producer.submit({ topic: a, value: 'a3' })));
  await transactor.run(() => undefined);
  assert.deepEqual(await readAll(client, a), ['a1', 'a3']);
  assert.deepEqual(await readAll(client, b), ['b1']);
});

test('sending outside of a transaction, and two at a time, are refused', TIMEOUT, async () => {
  await using client = await open();
  await using transactor = await client.transactor({ transactionalId: `t${names++}` });
  const producer = transactor.producer({ topic: `t${names++}`, value: string() });
  await assert.rejects(producer.send({ value: 'x' }), { code: 'CLIENT_OPTION_INVALID', message: /transactor\.run/ });
  await transactor.run(async () => {
    await assert.rejects(
      transactor.run(() => undefined),
      { code: 'CLIENT_OPTION_INVALID' },
    );
  });
});

test('positions of a consumer count with the transaction', TIMEOUT, async () => {
  await using client = await open();
  const topic = `in${names++}`;
  await fill(client, topic, 6, 1);
  const options = { topics: topic, mode: 'resumable', group: topic, commit: 'manual', value: json<number>() } as const;
  await using transactor = await client.transactor({ transactionalId: topic });
  const producer = transactor.producer({ topic: `${topic}.out`, value: json<number>() });
  const step = async (fails: boolean): Promise<number | undefined> => {
    await using consumer = await client.consumer(options);
    let value: number | undefined;
    const running = transactor.run(async (transaction) => {
      value = (await consumer.next())?.value;
      await producer.submit({ value: value ?? -1 });
      transaction.commitPositions(consumer);
      if (fails) throw new Error('no');
    });
    if (fails) await assert.rejects(running, { message: 'no' });
    else await running;
    return value;
  };
  const seen: (number | undefined)[] = [];
  for (const fails of [false, true, true, false, false]) seen.push(await step(fails));
  assert.deepEqual(seen, [0, 1, 1, 1, 2]);
  assert.deepEqual(await readAll(client, `${topic}.out`), ['0', '1', '2']);
  await using automatic = await client.consumer({
    topics: topic,
    mode: 'resumable',
    group: `${topic}-2`,
    value: string(),
  });
  await assert.rejects(
    transactor.run((transaction) => transaction.commitPositions(automatic)),
    { code: 'CLIENT_COMMIT_NOT_ALLOWED' },
  );
});

test('who opens an id fences the one before, whose open transaction is aborted', TIMEOUT, async () => {
  await using client = await open();
  const topic = `t${names++}`;
  await using first = await client.transactor({ transactionalId: topic });
  const producer = first.producer({ topic, value: string() });
  const losing = first.run(async () => {
    await producer.send({ value: 'lost' });
    await using second = await client.transactor({ transactionalId: topic });
    const heir = second.producer({ topic, value: string() });
    await second.run(async () => void (await heir.send({ value: 'won' })));
    await producer.send({ value: 'lost too' });
  });
  await assert.rejects(losing, { kind: 'fenced' });
  assert.deepEqual(await readAll(client, topic), ['won']);
});

test('back ends without transactions refuse them, at run time too', TIMEOUT, async () => {
  const client: Client = await connect('memory://');
  assert.ok(!client.hasTransactions());
  const forced = client as unknown as Client<'exactly-once'>;
  await assert.rejects(forced.transactor({ transactionalId: 'x' }), { code: 'CLIENT_UNSUPPORTED' });
  const pipeline = pipe(from(forced, { topics: 'a', value: string() }), to(forced, { topic: 'b', value: string() }));
  await assert.rejects(pipeline.run({ exactlyOnce: { transactionalId: 'x' } }), { code: 'CLIENT_UNSUPPORTED' });
  await using one = await open();
  await using two = await open();
  const across = pipe(from(one, { topics: 'a', value: string() }), to(two, { topic: 'b', value: string() }));
  await assert.rejects(across.run({ exactlyOnce: { transactionalId: 'x' } }), {
    code: 'CLIENT_UNSUPPORTED',
    message: /one client/,
  });
  const windows = pipe(
    from(one, { topics: 'a', mode: 'resumable', group: 'g', value: json<number>() }),
    window(
      tumbling({ sizeMs: 10 }),
      sum((n) => n),
    ),
    map(({ value }) => value),
    to(one, { topic: 'b', value: json<number>() }),
  );
  await assert.rejects(windows.run({ exactlyOnce: { transactionalId: 'x' } }), {
    code: 'CLIENT_UNSUPPORTED',
    message: /state/,
  });
});

const RESTART = { attempts: 20, firstMs: 1, when: (error: unknown) => error instanceof MillraceError } as const;

test('whatever fails, every record has its result once, and states and windows count it once', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 30 }),
      async (count, failAt, commitEveryRecords) => {
        await using client = await open();
        const topic = `eo${names++}`;
        await fill(client, topic, count);
        const source = {
          topics: topic,
          mode: 'resumable',
          until: 'end',
          value: json<number>(),
          maxReadRecords: 7,
        } as const;
        let calls = 0;
        const left = new Set(failAt);
        const mayFail = (): void => {
          if (left.delete(++calls)) throw new Error(`call ${calls}`);
        };
        const results = pipe(
          from(client, { ...source, group: `${topic}-results` }),
          batch({ maxItems: 3 }),
          flatMap((items) => items.map(({ value }) => value)),
          map((n) => {
            mayFail();
            return { n };
          }),
          to(client, { topic: `${topic}.results`, value: json<{ n: number }>() }),
        );
        await results.run({
          exactlyOnce: { transactionalId: `${topic}-results` },
          restart: RESTART,
          commitEveryRecords,
        });
        const sums = pipe(
          from(client, { ...source, group: `${topic}-sums` }),
          reduce({
            initial: () => 0,
            fold: (total, n: number) => total + n,
            state: compacted(client, { topic: `${topic}.sums`, value: json<number>() }),
          }),
          map((total) => {
            mayFail();
            return total;
          }),
          to(client, { topic: `${topic}.totals`, value: json<number>() }),
        );
        await sums.run({ exactlyOnce: { transactionalId: `${topic}-sums` }, restart: RESTART, commitEveryRecords });
        const windows = pipe(
          from(client, { ...source, group: `${topic}-windows` }),
          window(
            tumbling({ sizeMs: 50 }),
            sum(() => 1),
            {
              state: compacted(client, { topic: `${topic}.open`, value: json<number>() }),
            },
          ),
          map(({ startMs, value }, { key }) => {
            mayFail();
            return `${key} ${startMs} ${value}`;
          }),
          to(client, { topic: `${topic}.windows`, value: string() }),
        );
        await windows.run({
          exactlyOnce: { transactionalId: `${topic}-windows` },
          restart: RESTART,
          commitEveryRecords,
        });
        const numbers = Array.from({ length: count }, (_, n) => n);
        const seen = (await readAll(client, `${topic}.results`)).map((text) => (JSON.parse(text) as { n: number }).n);
        assert.deepEqual(
          seen.toSorted((x, y) => x - y),
          numbers,
        );
        assert.equal((await readAll(client, `${topic}.totals`)).length, count);
        const model = new Map<string, number>();
        for (const n of numbers) model.set(`k${n % 5}`, (model.get(`k${n % 5}`) ?? 0) + n);
        const sumsNow = new Map<string, number>();
        await using table = await client.consumer({
          topics: `${topic}.sums`,
          from: 'earliest',
          until: 'end',
          value: json<number>(),
        });
        for await (const { key, value } of table) sumsNow.set(key ?? '', value);
        assert.deepEqual(sumsNow, model);
        const perWindow = new Map<string, number>();
        for (const n of numbers) {
          const id = `k${n % 5} ${Math.floor((1000 + n * 10) / 50) * 50}`;
          perWindow.set(id, (perWindow.get(id) ?? 0) + 1);
        }
        assert.deepEqual(
          (await readAll(client, `${topic}.windows`)).toSorted(),
          [...perWindow].map(([id, n]) => `${id} ${n}`).toSorted(),
        );
      },
    ),
    { numRuns: 8 },
  );
});

test('two members of a group: what moves between them is done once', TIMEOUT, async () => {
  await using client = await open();
  const topic = `lb${names++}`;
  await fill(client, topic, 0, 4);
  const member = (id: string) =>
    pipe(
      from(client, { topics: topic, mode: 'load-balanced', group: topic, value: json<number>(), maxReadRecords: 5 }),
      map((n) => n),
      to(client, { topic: `${topic}.out`, value: json<number>() }),
    ).start({ exactlyOnce: { transactionalId: `${topic}-${id}` }, restart: RESTART, commitEveryMs: 10 });
  await using producer = await client.producer({ topic, value: json<number>() });
  const first = member('a');
  let sent = 0;
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await producer.submit({ key: `k${sent % 9}`, value: sent++ });
    await producer.flush();
  };
  await send(100);
  const second = member('b');
  for (let i = 0; i < 20; i++) {
    await send(20);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await first.drain();
  await send(100);
  let seen: string[] = [];
  while (seen.length < sent) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    seen = await readAll(client, `${topic}.out`);
  }
  await second.drain();
  seen = await readAll(client, `${topic}.out`);
  assert.deepEqual(
    seen.map(Number).toSorted((x, y) => x - y),
    Array.from({ length: sent }, (_, n) => n),
  );
});

test('a partition that went away while others gave records takes its results along', TIMEOUT, async (t) => {
  await using client = await open();
  const topic = `away${names++}`;
  await fill(client, topic, 0, 4);
  const seen = [0, 0];
  const member = (index: number, commitEveryMs: number) =>
    pipe(
      from(client, { topics: topic, mode: 'load-balanced', group: topic, value: json<number>() }),
      map((n) => {
        seen[index] = (seen[index] ?? 0) + 1;
        return n;
      }),
      to(client, { topic: `${topic}.out`, value: json<number>() }),
    ).start({ exactlyOnce: { transactionalId: `${topic}-${index}` }, restart: RESTART, commitEveryMs });
  await using producer = await client.producer({ topic, value: json<number>() });
  let sent = 0;
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await producer.submit({ key: `k${sent % 16}`, value: sent++ });
    await producer.flush();
  };
  const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await condition())) await delay(20, undefined, { signal: t.signal });
  };
  // All of it is in one transaction of the first member, which does not end by itself.
  const first = member(0, 3_600_000);
  await send(80);
  await until(() => seen[0] === 80);
  // The second does again what was in work, and the first goes on with what it has left.
  const second = member(1, 10);
  await until(() => (seen[1] ?? 0) > 0);
  await send(80);
  await until(() => (seen[0] ?? 0) > 100);
  // It cannot commit the results of what went away; all that it had in work comes again with the second.
  await assert.rejects(first.drain(), { code: 'BROKER_REBALANCE_IN_PROGRESS' });
  await until(async () => (await readAll(client, `${topic}.out`)).length >= sent);
  await second.drain();
  assert.deepEqual(
    (await readAll(client, `${topic}.out`)).map(Number).toSorted((x, y) => x - y),
    Array.from({ length: sent }, (_, n) => n),
  );
});

test('an effect outside of the transaction is no part of exactly-once', TIMEOUT, async () => {
  await using client = await open();
  const effects = pipe(
    from(client, { topics: 'a', value: string() }),
    forEach(() => undefined),
  );
  const forced = effects as unknown as ReturnType<typeof pipe<string, 'exactly-once'>>;
  await assert.rejects(forced.run({ exactlyOnce: { transactionalId: 'x' } }), { code: 'CLIENT_UNSUPPORTED' });
});
