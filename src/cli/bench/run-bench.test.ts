// Proves, against an in-memory broker double: every mode runs in its own process and counts what it moved; what was sent
// is stored whole; errors, silence, refused connections and offset holes fail the run with a message that names them;
// open loop offers what was asked; options out of range are refused by name. Speeds are never looked at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SinkBroker, type SinkBrokerOptions } from '../../../test/kit/sink-broker.ts';
import { validateBatch } from '../../model/record-batch.ts';
import { type BenchOptions, makePlan, planOfProcess } from './plan.ts';
import { type BenchProgress, type BenchReport, runBench } from './run-bench.ts';

const timeout = 30_000;
type Changes = Partial<BenchOptions> & Pick<BenchOptions, 'mode'>;

async function run(broker: SinkBroker, changes: Changes): Promise<BenchReport> {
  const short = { length: { seconds: 0.3 }, warmup: 0.1, timeout: 5 };
  return await runBench(makePlan({ broker: { host: '127.0.0.1', port: broker.port }, ...short, ...changes }));
}

async function runAlone(changes: Changes, options: SinkBrokerOptions = {}): Promise<BenchReport> {
  await using broker = await SinkBroker.start(options);
  return await run(broker, changes);
}

test('produce: records are stored in valid batches and counted', { timeout }, async () => {
  await using broker = await SinkBroker.start();
  const length = { records: 500 };
  const report = await run(broker, {
    mode: 'produce',
    batch: 10,
    topics: 3,
    partitions: 2,
    connections: 2,
    length,
    warmup: 0,
  });
  assert.ok((report.produced?.records ?? 0) >= 500);
  assert.equal(report.produced?.records, (report.produced?.requests ?? 0) * 10);
  assert.equal(report.consumed, undefined);
  assert.ok((report.produced?.latency?.p99Ms ?? 0) > 0);
  assert.deepEqual(broker.topics(), ['bench-0', 'bench-1', 'bench-2']);
  for (const topic of broker.topics()) {
    for (const partition of [0, 1]) {
      const stored = broker.stored(topic, partition);
      assert.ok(stored.length > 0, `${topic}/${partition} got nothing`);
      assert.equal(validateBatch(stored.subarray(0, stored.readInt32BE(8) + 12), 1e9), undefined);
    }
  }
});

test('produce with acks=0 has no latency and needs no answers', { timeout }, async () => {
  // By count: a window of time may pass on a busy machine before anything was sent.
  const length = { records: 400 };
  const load = { mode: 'produce', acks: 0, batch: 1, size: 100, length, warmup: 0 } as const;
  const report = await runAlone(load, { keepBytes: 1e6 });
  assert.ok((report.produced?.records ?? 0) >= 400);
  assert.equal(report.produced?.latency, undefined);
});

test('two processes share the connections and add up', { timeout }, async () => {
  const report = await runAlone({ mode: 'produce', connections: 3, processes: 2, length: { records: 400 }, warmup: 0 });
  assert.ok((report.produced?.records ?? 0) >= 400);
});

test('consume reads the log over and over; tail sees nothing of the past', { timeout }, async () => {
  await using broker = await SinkBroker.start();
  await run(broker, { mode: 'produce', batch: 10, connections: 1, inFlight: 1, length: { records: 100 }, warmup: 0 });
  const stored = broker.stored('bench-0', 0).length;
  const report = await run(broker, { mode: 'consume', connections: 2, fetchBytes: 20_000 });
  assert.ok((report.consumed?.bytes ?? 0) > stored, 'it started over');
  const tailing = run(broker, { mode: 'consume', connections: 1, tail: true, timeout: 1, length: { records: 1 } });
  await assert.rejects(tailing, { code: 'CLIENT_TIMED_OUT' });
});

test('end to end: each record arrives once, with its latency', { timeout }, async () => {
  const report = await runAlone({ mode: 'end-to-end', rate: 1000, length: { records: 200 } });
  assert.ok((report.consumed?.records ?? 0) >= 200);
  const { latency } = report.consumed ?? {};
  assert.ok(latency !== undefined && latency.p50Ms > 0 && latency.maxMs < 10_000, JSON.stringify(latency));
});

test('fan-out: every consumer gets everything', { timeout }, async () => {
  const report = await runAlone({ mode: 'fan-out', consumers: 5, batch: 10, window: 100_000 });
  const [produced, consumed] = [report.produced?.records ?? 0, report.consumed?.records ?? 0];
  // The window (100 records for each of five consumers) may be on its way at either end.
  assert.ok(Math.abs(consumed - produced * 5) <= 2 * 5 * 110, `${consumed} of ${produced} x 5`);
});

test('open loop sends what is offered, no more', { timeout }, async () => {
  const startedAt = performance.now();
  const report = await runAlone({ mode: 'produce', batch: 1, rate: 500, inFlight: 100 });
  const elapsedSeconds = (performance.now() - startedAt) / 1000;
  const records = report.produced?.records ?? 0;
  assert.ok(records > 0 && records <= 500 * elapsedSeconds, `${records} records in ${elapsedSeconds} s`);
  assert.equal(report.droppedRequests, 0);
});

test('an error answer fails the run with its name and place', { timeout }, async () => {
  const failing = runAlone({ mode: 'produce' }, { produceError: 2 });
  await assert.rejects(failing, {
    code: 'CLIENT_REFUSED',
    message: /Produce for bench-0, partition 0 with CORRUPT_MESSAGE \(2\)/,
  });
});

test('a broker that goes silent fails the run', { timeout }, async () => {
  await assert.rejects(runAlone({ mode: 'produce', timeout: 1, length: { seconds: 20 } }, { silent: true }), {
    code: 'CLIENT_TIMED_OUT',
  });
});

test('an offset hole fails the run', { timeout }, async () => {
  await assert.rejects(runAlone({ mode: 'end-to-end' }, { offsetGap: 1 }), /Offset hole/);
});

test('nothing listens, nothing there, nothing in it: said plainly', { timeout }, async () => {
  const gone = await SinkBroker.start();
  const broker = { host: '127.0.0.1', port: gone.port };
  await gone[Symbol.asyncDispose]();
  await assert.rejects(runBench(makePlan({ mode: 'produce', broker })), { code: 'CLIENT_NETWORK' });
  await assert.rejects(runAlone({ mode: 'consume' }), /UNKNOWN_TOPIC_OR_PARTITION.*Create it first/);
  await using empty = await SinkBroker.start();
  await run(empty, { mode: 'fan-out', topic: 'other', consumers: 1 });
  const admin = await import('./admin.ts').then(({ AdminClient }) =>
    AdminClient.connect({ host: '127.0.0.1', port: empty.port }),
  );
  await admin.createTopics(['bench-0'], 1);
  admin.close();
  await assert.rejects(run(empty, { mode: 'consume' }), /bench-0, partition 0, is empty/);
  await assert.rejects(run(empty, { mode: 'produce', partitions: 3 }), /exists with 1 partitions; the run asks for 3/);
});

test('progress tells the phases in order', { timeout }, async () => {
  await using sink = await SinkBroker.start();
  const phases = new Set<BenchProgress['phase']>();
  const plan = makePlan({
    mode: 'produce',
    broker: { host: '127.0.0.1', port: sink.port },
    length: { seconds: 0.5 },
    warmup: 0.3,
  });
  await runBench(plan, { onProgress: ({ phase }) => phases.add(phase) });
  assert.deepEqual([...phases].slice(0, 3), ['creating-topics', 'warming-up', 'measuring']);
});

test('abort ends the generators', { timeout }, async () => {
  await using sink = await SinkBroker.start();
  const plan = makePlan({ mode: 'produce', broker: { host: '127.0.0.1', port: sink.port }, length: { seconds: 60 } });
  const abort = new AbortController();
  const running = runBench(plan, {
    signal: abort.signal,
    onProgress: ({ phase }) => phase === 'measuring' && abort.abort(),
  });
  await assert.rejects(running, { name: 'AbortError' });
});

test('options out of range are refused by name', () => {
  const broker = { host: '127.0.0.1', port: 9092 };
  const refused = (changes: Changes, message: RegExp): void =>
    assert.throws(() => makePlan({ broker, ...changes }), { code: 'CONFIG_INVALID', message });
  refused({ mode: 'produce', batch: 0 }, /--batch: 0 is not a number from 1/);
  refused({ mode: 'produce', inFlight: 1.5 }, /--in-flight: 1.5/);
  refused({ mode: 'produce', size: 4 }, /--size: 4 is not a number from 8/);
  refused({ mode: 'end-to-end', acks: 0 }, /--acks: 0 leaves no answer/);
  refused({ mode: 'fan-out', processes: 2, connections: 4 }, /--processes/);
  refused({ mode: 'produce', rate: 0 }, /--rate/);
  refused({ mode: 'produce', length: { seconds: 0 } }, /--seconds/);
  refused({ mode: 'produce', size: 1_000_000, batch: 1000 }, /--batch/);
});

test('processes share connections, records and rate', () => {
  const broker = { host: '127.0.0.1', port: 9092 };
  const plan = makePlan({ mode: 'produce', broker, connections: 5, processes: 2, rate: 100, length: { records: 11 } });
  const parts = [0, 1].map((index) => planOfProcess(plan, index));
  assert.deepEqual(
    parts.map((part) => part.connections),
    [3, 2],
  );
  assert.deepEqual(
    parts.map((part) => part.rate),
    [50, 50],
  );
  assert.deepEqual(
    parts.map((part) => part.length),
    [{ records: 6 }, { records: 6 }],
  );
});
