/** Proves what the contract suite leaves out: undecodable records, modes that make no sense, commits by the clock, options. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { type Client, connect, json, nullable, type RawRecord, raw, string } from '../sdk/index.ts';
import type { BackendLoader, Reader } from './backend.ts';
import { MEMORY_FORM, openMemory } from './backends/memory/backend.ts';
import { createConnect } from './connect.ts';
import { Consumer } from './consumer.ts';

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
    [{ value: undefined }, 'CLIENT_OPTION_INVALID'],
    [{ partitions: [{ topic: 't', partition: 1 }] }, 'CLIENT_OPTION_INVALID'],
    [{ partitions: [{ topic: 'u', partition: 0 }] }, 'CLIENT_OPTION_INVALID'],
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

test('options of producers that make no sense are refused by name', async () => {
  await using client = await connect(`memory://consumer-${names++}`);
  for (const odd of [{ value: undefined }, { acks: 'some' }, { compression: 'brotli' }]) {
    const options = { topic: 't', value: string(), ...odd } as never;
    await assert.rejects(client.producer(options), {
      code: 'CLIENT_OPTION_INVALID',
      message: new RegExp(Object.keys(odd)[0] ?? ''),
    });
  }
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

/** Ten records, and commits that end when the test says so. */
function stuckReader(commit: () => Promise<void>): Reader & { closed: boolean } {
  const record = { topic: 't', partition: 0, timestamp: 0, key: null, value: new Uint8Array([49]), headers: [] };
  let offset = 0n;
  return {
    closed: false,
    read: async () => (offset < 10n ? [{ ...record, offset: offset++ }] : undefined),
    mark: () => undefined,
    partitions: () => [],
    commit,
    seek: async () => undefined,
    assign: async () => undefined,
    async close() {
      this.closed = true;
    },
  };
}

const RESUMABLE = { mode: 'resumable', group: 'g', value: json<number>() } as const;

test('a commit that a server does not answer is bounded: by signals, and by the limit of close', async () => {
  const clock = new ManualClock();
  const reader = stuckReader(() => new Promise<void>(() => undefined));
  const consumer = new Consumer({ reader, clock, onClose: () => undefined }, { ...RESUMABLE, closeTimeoutMs: 1000 });
  await consumer.next();
  await assert.rejects(consumer.commit({ signal: AbortSignal.timeout(1) }), { code: 'CLIENT_ABORTED' });
  await consumer.next({ signal: AbortSignal.timeout(1) }).catch(() => undefined);
  const closing = consumer.close();
  clock.advance(1000);
  await assert.rejects(closing, { code: 'CLIENT_TIMED_OUT', message: /1000 ms/ });
  assert.equal(reader.closed, true);
});

test('what a commit fails with after it was given up is thrown by the next call', async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  let commits = 0;
  const reader = stuckReader(async () => (commits++ === 0 ? await promise : undefined));
  const consumer = new Consumer({ reader, clock: new ManualClock(), onClose: () => undefined }, RESUMABLE);
  await consumer.next();
  await assert.rejects(consumer.commit({ signal: AbortSignal.timeout(1) }), { code: 'CLIENT_ABORTED' });
  reject(new Error('the disk is full'));
  await new Promise((done) => setImmediate(done));
  await assert.rejects(consumer.next(), /the disk is full/);
  assert.equal((await consumer.next())?.offset, 1n);
  await consumer.close();
});

test('what opens after it was given up is closed', async () => {
  const { promise, resolve } = Promise.withResolvers<Reader>();
  const openSlowly: BackendLoader = async (context) => ({
    ...(await openMemory(context)),
    openReader: async () => await promise,
  });
  const slow = { form: MEMORY_FORM, load: async () => openSlowly };
  await using client = await createConnect({ slow })('slow://');
  const opening = client.consumer({ topics: 't', value: string() }, { signal: AbortSignal.timeout(1) });
  await assert.rejects(opening, { code: 'CLIENT_ABORTED' });
  const late = stuckReader(async () => undefined);
  resolve(late);
  await new Promise((done) => setImmediate(done));
  assert.equal(late.closed, true);
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
