/** Proves what the contract suite leaves out: undecodable records, modes that make no sense, commits by the clock, options. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { type Client, connect, json, nullable, type RawRecord, raw, string } from '../sdk/index.ts';

let names = 0;

async function filled(...values: string[]): Promise<Client> {
  const client = await connect(`memory://consumer-${names++}/t`);
  await using producer = await client.producer({ value: string() });
  await producer.sendAll(values.map((value) => ({ value })));
  return client;
}

const READ = { from: 'earliest', until: 'end', value: json<number>() } as const;

test('undecodable: stop names the place, stands before the record and can be passed by seek', async () => {
  await using client = await filled('1', 'x', '3');
  await using consumer = await client.consumer(READ);
  assert.equal((await consumer.next())?.value, 1);
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(consumer.next(), {
      code: 'CLIENT_DECODE_FAILED',
      message: /^t\/0\/1: The value cannot be read as json/,
    });
  }
  await consumer.seek({ offset: 2 });
  assert.equal((await consumer.next())?.value, 3);
});

test('undecodable in a batch: what stands before is given first', async () => {
  await using client = await filled('1', '2', 'x', '3');
  await using consumer = await client.consumer(READ);
  const batches: number[][] = [];
  await assert.rejects(
    async () => {
      for await (const { records } of consumer.batches()) batches.push(records.map(({ value }) => value));
    },
    { code: 'CLIENT_DECODE_FAILED' },
  );
  assert.deepEqual(batches, [[1, 2]]);
});

test('undecodable: skip, and a callback that takes them elsewhere', async () => {
  await using client = await filled('x', '1', 'y', 'z', '2', 'x');
  const values = async (onUndecodable: 'skip' | ((record: RawRecord) => Promise<void>)): Promise<number[]> => {
    await using consumer = await client.consumer({ ...READ, onUndecodable });
    const seen: number[] = [];
    for await (const { value } of consumer) seen.push(value);
    return seen;
  };
  assert.deepEqual(await values('skip'), [1, 2]);
  await using dead = await client.producer({ topic: 'dead', value: nullable(raw()) });
  assert.deepEqual(await values(async ({ value }) => void (await dead.send({ value }))), [1, 2]);
  await using letters = await client.consumer({ topics: 'dead', from: 'earliest', until: 'end', value: string() });
  const dropped: string[] = [];
  for await (const { value } of letters) dropped.push(value);
  assert.deepEqual(dropped, ['x', 'y', 'z', 'x']);
});

test('a tombstone is undecodable without nullable', async () => {
  await using client = await connect(`memory://consumer-${names++}/t`);
  await using producer = await client.producer({ value: nullable(string()) });
  await producer.send({ key: 'k', value: null });
  await using consumer = await client.consumer({ from: 'earliest', value: string() });
  await assert.rejects(consumer.next(), { code: 'CLIENT_DECODE_FAILED', message: /nullable/ });
});

test('modes and options that make no sense are refused by name', async () => {
  await using client = await connect(`memory://consumer-${names++}`);
  const open = async (options: object) => await client.consumer({ topics: 't', value: string(), ...options });
  const cases: [object, string][] = [
    [{ group: 'g' }, 'CLIENT_GROUP_NOT_ALLOWED'],
    [{ mode: 'resumable' }, 'CLIENT_GROUP_REQUIRED'],
    [{ mode: 'load-balanced', group: '' }, 'CLIENT_GROUP_REQUIRED'],
    [{ mode: 'live' }, 'CLIENT_OPTION_INVALID'],
    [{ topics: [] }, 'CLIENT_OPTION_INVALID'],
    [{ from: 'start' }, 'CLIENT_OPTION_INVALID'],
    [{ from: { offset: -1 } }, 'CLIENT_OPTION_INVALID'],
    [{ from: { timestamp: 1.5 } }, 'CLIENT_OPTION_INVALID'],
    [{ mode: 'resumable', group: 'g', commit: { every: 0 } }, 'CLIENT_OPTION_INVALID'],
    [{ mode: 'resumable', group: 'g', commit: 'sometimes' }, 'CLIENT_OPTION_INVALID'],
  ];
  for (const [options, code] of cases) await assert.rejects(open(options), { code }, JSON.stringify(options));
  await using realTime = await client.consumer({ topics: 't', value: string() });
  await assert.rejects(realTime.commit(), { code: 'CLIENT_COMMIT_NOT_ALLOWED' });
  await using balanced = await client.consumer({ mode: 'load-balanced', group: 'g', topics: 't', value: string() });
  await assert.rejects(balanced.assign([]), { code: 'CLIENT_UNSUPPORTED' });
});

test('two loops over one consumer at the same time are refused', async () => {
  await using client = await filled();
  await using consumer = await client.consumer({ value: string() });
  const first = consumer.next();
  await assert.rejects(consumer.next(), { code: 'CLIENT_OPTION_INVALID', message: /waits for records already/ });
  await consumer.close();
  assert.equal(await first, undefined);
});

test('commits by interval hold what was processed by then', async () => {
  const clock = new ManualClock();
  await using client = await connect(`memory://consumer-${names++}/t`, { clock });
  await using producer = await client.producer({ value: string() });
  await producer.sendAll(['a', 'b', 'c'].map((value) => ({ value })));
  const options = { mode: 'resumable', group: 'g', value: string() } as const;
  const consumer = await client.consumer({ ...options, commit: { intervalMs: 100 } });
  await consumer.next();
  await consumer.next();
  clock.advance(100);
  await new Promise((resolve) => setImmediate(resolve));
  await using other = await client.consumer({ ...options, commit: 'manual' });
  assert.equal((await other.next())?.value, 'b', 'the first is processed, the second still in work');
  await consumer.close();
});

test('a log that forgets tells the reader it overtook, and goes on', async () => {
  await using client = await connect(`memory://consumer-${names++}/t?max-bytes=1000`);
  await using producer = await client.producer({ value: string() });
  await using consumer = await client.consumer({ from: 'earliest', value: string() });
  await producer.sendAll(Array.from({ length: 50 }, (_, i) => ({ value: `${i}` })));
  await assert.rejects(consumer.next(), { code: 'CLIENT_POSITION_OUT_OF_RANGE', kind: 'refresh' });
  const record = await consumer.next();
  assert.ok(Number(record?.value) > 20);
});

test('a client closes what it opened, and refuses from then on', async () => {
  const client = await filled('1');
  const consumer = await client.consumer({ value: string() });
  const producer = await client.producer({ value: string() });
  await client.close();
  await client.close();
  assert.equal(await consumer.next(), undefined);
  assert.throws(() => producer.submit({ value: 'x' }), { code: 'CLIENT_CLOSED' });
  await assert.rejects(client.producer({ value: string() }), { code: 'CLIENT_CLOSED' });
});

test('a scheme without back end is refused with those that there are', async () => {
  await assert.rejects(connect('kafak://x/y'), { code: 'CLIENT_URI_INVALID', message: /memory:\/\// });
  await assert.rejects(connect('memory://x', { signal: AbortSignal.abort() }), { code: 'CLIENT_ABORTED' });
});
