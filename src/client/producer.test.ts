/** Proves batching, bounds, order and failure handling of producers, on a writer that answers when it is told to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import type { Offsets, WriteBatch, Writer } from './backend.ts';
import { string } from './codec.ts';
import { Producer, type ProducerOptions } from './producer.ts';
import { Sender } from './sender.ts';
import { decodeUtf8 } from './utf8.ts';

interface Pending {
  readonly batches: readonly WriteBatch[];
  answer(outcomes?: readonly (Offsets | Error)[]): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** Lets what is ready run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function setUp(options: Partial<ProducerOptions<string>> = {}, partitionCount = 1) {
  const clock = new ManualClock();
  const writes: Pending[] = [];
  const ends = new Map<string, number>();
  const offsetsOf = ({ topic, partition, records }: WriteBatch): Offsets => {
    const base = ends.get(`${topic}/${partition}`) ?? 0;
    ends.set(`${topic}/${partition}`, base + records.length);
    return (index) => BigInt(base + index);
  };
  const writer: Writer = {
    partitionCount: async () => partitionCount,
    write: async (batches) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly (Offsets | Error)[]>();
      writes.push({
        batches,
        async answer(outcomes = batches.map(offsetsOf)) {
          resolve(outcomes);
          await settle();
        },
        async fail(error) {
          reject(error);
          await settle();
        },
      });
      return await promise;
    },
    close: async () => undefined,
  };
  const features = {
    keys: true,
    headers: true,
    tombstones: true,
    partitions: true,
    seek: true,
    resumable: true,
    loadBalanced: true,
    acknowledgesRecords: false,
    transactions: false,
    conditionalAppends: false,
    offsetsFromZero: true,
  };
  const parts = { writer, backendName: 'fake', features, clock, defaultTopic: 't', onClose: () => undefined };
  const producer = new Producer(parts, { value: string(), ...options });
  const valuesOf = (write: Pending | undefined): string[][] =>
    (write?.batches ?? []).map(({ records }) => records.map(({ value }) => decodeUtf8(value ?? new Uint8Array())));
  return { clock, writes, producer, valuesOf };
}

test('records submitted in one go travel together; while they are on the way the next batch fills', async () => {
  const { producer, writes, valuesOf } = setUp();
  // The first use of a topic waits for its partition count.
  const warm = producer.send({ value: 'warm' });
  await settle();
  await writes.shift()?.answer();
  assert.equal((await warm).offset, 0n);
  const first = ['a', 'b', 'c'].map((value) => producer.send({ value }));
  await settle();
  const second = ['d', 'e'].map((value) => producer.send({ value }));
  await settle();
  assert.equal(writes.length, 1, 'never two batches of one partition on the way');
  assert.deepEqual(valuesOf(writes[0]), [['a', 'b', 'c']]);
  await writes[0]?.answer();
  assert.deepEqual(valuesOf(writes[1]), [['d', 'e']]);
  await writes[1]?.answer();
  const receipts = await Promise.all([...first, ...second]);
  assert.deepEqual(
    receipts.map(({ offset }) => offset),
    [1n, 2n, 3n, 4n, 5n],
  );
});

test('linger waits for company, and a full batch waits for nothing', async () => {
  const { producer, writes, clock, valuesOf } = setUp({ lingerMs: 10, maxBatchRecords: 2 });
  await producer.submit({ value: 'a' });
  await settle();
  clock.advance(9);
  await settle();
  assert.equal(writes.length, 0);
  clock.advance(1);
  await settle();
  assert.deepEqual(valuesOf(writes[0]), [['a']]);
  await writes[0]?.answer();
  await producer.submit({ value: 'b' });
  await producer.submit({ value: 'c' });
  await settle();
  assert.deepEqual(valuesOf(writes[1]), [['b', 'c']]);
  await writes[1]?.answer();
  assert.equal(producer.bufferedBytes, 0);
});

test('flush sends without linger and resolves when all is answered', async () => {
  const { producer, writes } = setUp({ lingerMs: 1000 });
  await producer.submit({ value: 'a' });
  let flushed = false;
  const flush = producer.flush().then(() => (flushed = true));
  await settle();
  assert.deepEqual([writes.length, flushed], [1, false]);
  await writes[0]?.answer();
  await flush;
});

test('a full buffer: wait, wait so long, fail', async () => {
  const tight = { maxBufferedBytes: 100 };
  const value = 'x'.repeat(20);
  {
    const { producer, writes } = setUp(tight);
    await producer.submit({ value });
    let taken = false;
    const waiting = Promise.resolve(producer.submit({ value })).then(() => (taken = true));
    await settle();
    assert.equal(taken, false);
    await writes[0]?.answer();
    await waiting;
  }
  {
    const { producer } = setUp({ ...tight, whenFull: 'fail' });
    await producer.submit({ value });
    assert.throws(() => producer.submit({ value }), { code: 'CLIENT_BUFFER_FULL', kind: 'retry' });
  }
  {
    const { producer, clock } = setUp({ ...tight, whenFull: { waitMs: 50 } });
    await producer.submit({ value });
    const refused = assert.rejects(Promise.resolve(producer.submit({ value })), { code: 'CLIENT_BUFFER_FULL' });
    await settle();
    clock.advance(50);
    await refused;
  }
});

test('a record larger than the whole buffer is taken when the buffer is empty', async () => {
  const { producer, writes } = setUp({ maxBufferedBytes: 10 });
  const receipt = producer.send({ value: 'x'.repeat(1000) });
  await settle();
  await writes[0]?.answer();
  assert.equal((await receipt).offset, 0n);
});

test('who waits for room is served in order, and one that gives up holds up nobody', async () => {
  const { producer, writes, valuesOf } = setUp({ maxBufferedBytes: 80 });
  await producer.submit({ value: 'a' });
  const giveUp = new AbortController();
  const b = assert.rejects(Promise.resolve(producer.submit({ value: 'b' }, { signal: giveUp.signal })), {
    code: 'CLIENT_ABORTED',
  });
  const c = producer.submit({ value: 'c' });
  await settle();
  giveUp.abort();
  await b;
  await writes[0]?.answer();
  await c;
  await settle();
  assert.deepEqual(valuesOf(writes[1]), [['c']]);
});

test('a failure reaches who asked for the receipt; else the next flush', async () => {
  const { producer, writes } = setUp();
  const asked = assert.rejects(producer.send({ value: 'a' }), { code: 'BROKER_OVERLOADED' });
  await settle();
  await writes[0]?.fail(new MillraceError('BROKER_OVERLOADED', 'busy'));
  await asked;
  await producer.flush();
  await producer.submit({ value: 'b' });
  await settle();
  await writes[1]?.answer([new MillraceError('MODEL_BATCH_TOO_LARGE', 'large')]);
  await assert.rejects(producer.flush(), {
    code: 'MODEL_BATCH_TOO_LARGE',
    message: /1 records were not written: large/,
  });
  await producer.flush();
});

test('close flushes, then refuses; a back end that does not answer ends it in time', async () => {
  const { producer, writes } = setUp();
  await producer.submit({ value: 'a' });
  const closed = producer.close();
  await settle();
  await writes[0]?.answer();
  await closed;
  await producer.close();
  assert.throws(() => producer.submit({ value: 'b' }), { code: 'CLIENT_CLOSED' });
  const stuck = setUp({ closeTimeoutMs: 1000 });
  await stuck.producer.submit({ value: 'a' });
  const second = stuck.producer.submit({ value: 'b' });
  const timedOut = assert.rejects(stuck.producer.close(), { code: 'CLIENT_TIMED_OUT' });
  await settle();
  stuck.clock.advance(1000);
  await timedOut;
  assert.ok(second);
});

test('what the back end cannot keep is refused, or dropped where that was said', async () => {
  const clock = new ManualClock();
  const writes: WriteBatch[] = [];
  const writer: Writer = {
    partitionCount: async () => 1,
    write: async (batches) => {
      writes.push(...batches);
      return batches.map(() => (index: number) => BigInt(index));
    },
    close: async () => undefined,
  };
  const features = {
    keys: false,
    headers: false,
    tombstones: false,
    partitions: false,
    seek: false,
    resumable: false,
    loadBalanced: false,
    acknowledgesRecords: false,
    transactions: false,
    conditionalAppends: false,
    offsetsFromZero: true,
  };
  const parts = { writer, backendName: 'pipe', features, clock, defaultTopic: 't', onClose: () => undefined };
  const strict = new Producer(parts, { value: string() });
  await assert.rejects(strict.send({ value: 'v', key: 'k', headers: { a: 'b' } }), {
    code: 'CLIENT_UNSUPPORTED',
    message: /no keys and no headers/,
  });
  const lax = new Producer(parts, { value: string(), unstorable: 'drop' });
  await lax.send({ value: 'v', key: 'k', headers: { a: 'b' } });
  assert.deepEqual([writes[0]?.records[0]?.key, writes[0]?.records[0]?.headers], [null, []]);
});

test('options out of range are refused by name', () => {
  assert.throws(() => setUp({ maxInflight: 0 }), { code: 'CLIENT_OPTION_INVALID', message: /maxInflight/ });
  assert.throws(() => setUp({ lingerMs: -1 }), { code: 'CLIENT_OPTION_INVALID', message: /lingerMs/ });
});

test('property: order per partition is the order of submit, and bytes come to nothing, however answers fall', async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constant('submit' as const), partition: fc.nat({ max: 2 }) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('answer' as const), which: fc.nat({ max: 9 }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('tick' as const), ms: fc.nat({ max: 5 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.nat({ max: 3 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, lingerMs, maxBatchRecords) => {
        const { producer, writes, clock } = setUp({ lingerMs, maxBatchRecords, maxInflight: 2 }, 3);
        const open: Pending[] = [];
        let known = 0;
        const notice = (): void => {
          open.push(...writes.slice(known));
          known = writes.length;
        };
        const written: string[][] = [[], [], []];
        const answer = async (pending: Pending): Promise<void> => {
          for (const { partition, records } of pending.batches)
            written[partition]?.push(...records.map(({ value }) => decodeUtf8(value ?? new Uint8Array())));
          await pending.answer();
          notice();
        };
        const sent: string[][] = [[], [], []];
        for (const [index, action] of steps.entries()) {
          if (action.type === 'submit') {
            sent[action.partition]?.push(`${index}`);
            await producer.submit({ value: `${index}`, partition: action.partition });
          } else if (action.type === 'tick') clock.advance(action.ms);
          else if (open.length > 0) await answer(open.splice(action.which % open.length, 1)[0] as Pending);
          await settle();
          notice();
          assert.ok(open.length <= 2, 'never more writes on the way than allowed');
          const partitions = open.flatMap(({ batches }) => batches.map(({ partition }) => partition));
          assert.equal(new Set(partitions).size, partitions.length, 'never two of one partition');
        }
        const flushed = producer.flush();
        await settle();
        notice();
        while (open.length > 0) await answer(open.shift() as Pending);
        await flushed;
        assert.deepEqual(written, sent);
        assert.equal(producer.bufferedBytes, 0);
        assert.equal(clock.pendingTimers, 0);
      },
    ),
    { numRuns: 150 },
  );
});

test('a writer that keeps the order of calls gets full batches of a partition without waiting', async () => {
  const { promise: open, resolve: answer } = Promise.withResolvers<void>();
  const calls: number[] = [];
  let most = 0;
  let now = 0;
  const writer: Writer = {
    ordered: true,
    partitionCount: async () => 1,
    async write(batches) {
      now += 1;
      most = Math.max(most, now);
      calls.push(...batches.map(({ records }) => records.length));
      await open;
      now -= 1;
      return batches.map(() => () => 0n);
    },
    close: async () => undefined,
  };
  const sender = new Sender(
    writer,
    new ManualClock(),
    { lingerMs: 0, maxBatchBytes: 1_000_000, maxBatchRecords: 10, maxBufferedBytes: 1_000_000, maxInflight: 3 },
    () => undefined,
  );
  const record = { key: null, value: new Uint8Array(1), headers: [], timestamp: 0 };
  for (let i = 0; i < 55; i++) sender.submit('t', 0, record, 65);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(calls, [10, 10, 10], 'as many as may be on the way, all of them full');
  answer();
  await sender.flush();
  assert.deepEqual(calls, [10, 10, 10, 10, 10, 5]);
  assert.equal(most, 3);
});
