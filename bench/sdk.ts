/**
 * What the SDK costs over what lies under it. Ratios count, not numbers: each pair is measured in turn, several times, and
 * the median of the ratios is the result.
 *
 *   node bench/sdk.ts [--runs 5] [--only kafka|stdio|ss|redis|embedded]
 */
import { execFile } from 'node:child_process';
import { closeSync, createReadStream, openSync, readSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { parseArgs, promisify } from 'node:util';
import { Consumer, Producer } from '@platformatic/kafka';
import type { Broker } from '../src/broker/broker.ts';
import { ProduceItem } from '../src/broker/produce.ts';
import type { Topic } from '../src/broker/topic.ts';
import { BatchBuilder } from '../src/model/batch-builder.ts';
import type { BuiltBatch } from '../src/model/record-batch.ts';
import { connect, raw, type Consumer as SdkConsumer, type Producer as SdkProducer, string } from '../src/sdk/index.ts';
import { openBroker } from '../src/server/index.ts';
import { MillraceProcess } from '../test/kit/millrace-process.ts';
import { RedisServer } from '../test/kit/redis-server.ts';
import { TempDirectory } from '../test/kit/temp-directory.ts';
import { findTool } from '../test/kit/tools.ts';
import { median } from './kit/measure.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '5' }, only: { type: 'string' } } });
const RUNS = Number(values.runs);
const VALUE = Buffer.alloc(1024, 'x');
const BATCH = 1000;
const BATCHES = 60;
const COUNT = BATCH * BATCHES;
const MIB = 1024 * 1024;
/** Of a `.ss` file: value, header and checksum. */
const RECORD_BYTES = 1057;
let topics = 0;
/** Of this process in the last `rate`, user and system, milliseconds. */
let processorMs = 0;

const CASES: Readonly<Record<string, () => Promise<void>>> = { kafka, stdio, ss, redis, embedded };
for (const [name, run] of Object.entries(CASES)) if (values.only === undefined || values.only === name) await run();

/** Records a second. */
async function rate(count: number, work: () => Promise<void>): Promise<number> {
  const used = process.cpuUsage();
  const start = performance.now();
  await work();
  const elapsedMs = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  processorMs = (user + system) / 1000;
  return (count / elapsedMs) * 1000;
}

function thousand(value: number): string {
  return `${Math.round(value / 1000)} k/s`;
}

async function submitAll<Value>(producer: SdkProducer<Value>, count: number, value: Value): Promise<void> {
  for (let i = 0; i < count; i++) {
    const ticket = producer.submit({ value });
    if (ticket instanceof Promise) await ticket;
  }
  await producer.flush();
}

/**
 * Runs both in turn; which goes first takes turns too.
 *
 * @returns how many times the processor time of the SDK that under it takes, median; of this process alone.
 */
async function pair(name: string, under: () => Promise<number>, sdk: () => Promise<number>): Promise<number> {
  const [bare, own]: [number[], number[]] = [[], []];
  const processor: number[] = [];
  for (let run = 0; run <= RUNS; run++) {
    const [first, second] = run % 2 === 0 ? [under, sdk] : [sdk, under];
    const results = [await first(), processorMs, await second(), processorMs] as const;
    // The first is for compiled code and grown buffers.
    if (run === 0) continue;
    const [of, other] = run % 2 === 0 ? ([0, 2] as const) : ([2, 0] as const);
    bare.push(results[of]);
    own.push(results[other]);
    processor.push((results[of + 1] as number) / (results[other + 1] as number));
  }
  const ratio = median(own.map((value, i) => value / (bare[i] as number)));
  console.log(`${name}: SDK ${thousand(median(own))}, under it ${thousand(median(bare))}, ratio ${ratio.toFixed(2)}`);
  return median(processor);
}

async function kafka(): Promise<void> {
  await using broker = await MillraceProcess.start();
  const base = { clientId: 'bench', bootstrapBrokers: [broker.kafka], autocreateTopics: true };
  await using client = await connect(`kafka://${broker.kafka}`);
  const bare = new Producer({ ...base, idempotent: true });
  await pair(
    'produce, 1 KB, batches of 1,000, idempotent, acks=all',
    async () => {
      const topic = `bare-${topics++}`;
      await bare.send({ messages: [{ topic, value: VALUE }] });
      const messages = Array.from({ length: BATCH }, () => ({ topic, value: VALUE }));
      return await rate(COUNT, async () => {
        for (let i = 0; i < BATCHES; i++) await bare.send({ messages });
      });
    },
    async () => {
      const topic = `sdk-${topics++}`;
      await using producer = await client.producer({
        topic,
        value: raw(),
        maxBatchRecords: BATCH,
        maxBatchBytes: 2 ** 21,
      });
      await producer.send({ value: VALUE });
      return await rate(COUNT, async () => {
        await submitAll(producer, COUNT, VALUE);
      });
    },
  );
  await bare.close();
  const topic = 'filled';
  {
    await using producer = await client.producer({ topic, value: raw() });
    for (let i = 0; i < COUNT * 2; i++) await producer.submit({ value: VALUE });
    await producer.flush();
  }
  await pair(
    'consume, 1 KB',
    async () => {
      const consumer = new Consumer({ ...base, groupId: `bench-${topics++}` });
      const result = await rate(COUNT * 2, async () => {
        const stream = await consumer.consume({
          topics: [topic],
          mode: 'earliest',
          autocommit: false,
          maxWaitTime: 100,
        });
        let seen = 0;
        for await (const message of stream) {
          seen += message === undefined ? 0 : 1;
          if (seen === COUNT * 2) break;
        }
      });
      await consumer.close(true);
      return result;
    },
    async () => {
      const result = await rate(COUNT * 2, async () => {
        await using consumer = await client.consumer({ topics: topic, from: 'earliest', until: 'end', value: raw() });
        let seen = 0;
        for await (const record of consumer) seen += record.partition === 0 ? 1 : 0;
        if (seen !== COUNT * 2) throw new Error(`read ${seen} records`);
      });
      return result;
    },
  );
}

async function stdio(): Promise<void> {
  const lines = 500_000;
  const piece = Buffer.from(
    '[2026-11-25T10:00:00.000 | t | 12345] {"tick":1,"name":"a line of the usual size"}\n'.repeat(1000),
  );
  const [reads, writes]: [number[], number[]] = [[], []];
  // The first is for compiled code.
  for (let run = 0; run <= RUNS; run++) {
    const input = Readable.from(
      Array.from({ length: lines / 1000 }, () => piece),
      { objectMode: false },
    );
    const output = new Writable({ write: (_chunk, _encoding, done) => done() });
    await using client = await connect('stdio:///t', { library: { input, output } });
    await using consumer = await client.consumer({ value: string() });
    const read = await rate(lines, async () => {
      let seen = 0;
      for await (const batch of consumer.batches()) seen += batch.records.length;
      if (seen !== lines) throw new Error(`read ${seen} lines`);
    });
    await using producer = await client.producer({ value: string() });
    const value = '{"tick":1,"name":"a line of the usual size"}';
    const written = await rate(lines, async () => await submitAll(producer, lines, value));
    if (run === 0) continue;
    reads.push(read);
    writes.push(written);
  }
  console.log(`stdio, lines of 83 bytes read and decoded: ${thousand(median(reads))}`);
  console.log(`stdio, lines of 83 bytes encoded and written: ${thousand(median(writes))}`);
}

async function ss(): Promise<void> {
  using directory = new TempDirectory();
  let files = 0;
  const file = (): string => path.join(directory.path, `bench-${files++}.ss`);
  const block = Buffer.alloc(512 * 1024, 'x');
  const total = COUNT * 4;
  let written = '';
  const sdkWrite = async (): Promise<number> => {
    written = file();
    await using client = await connect(`file://${written}/t`);
    await using producer = await client.producer({ value: raw(), acks: 'leader' });
    await producer.send({ value: VALUE });
    return await rate(total, async () => {
      await submitAll(producer, total, VALUE);
    });
  };
  await pair(
    '.ss write, 1 KB, page cache, against bare writes of 1 KB each',
    async () => await rate(total, async () => await Promise.resolve(writeOneByOne(file(), total))),
    sdkWrite,
  );
  await pair(
    '.ss write, 1 KB, page cache, against the same bytes in 512 KiB writes',
    async () => {
      const handle = await open(file(), 'w');
      const result = await rate(total, async () => {
        for (let left = total * RECORD_BYTES; left > 0; left -= block.length) await handle.write(block);
      });
      await handle.close();
      return result;
    },
    sdkWrite,
  );
  await pair(
    '.ss write, 1 KB, acks=all, against the same bytes in 512 KiB writes, each synced',
    async () => {
      const handle = await open(file(), 'w');
      const result = await rate(COUNT, async () => {
        for (let left = COUNT * RECORD_BYTES; left > 0; left -= block.length) {
          await handle.write(block);
          await handle.datasync();
        }
      });
      await handle.close();
      return result;
    },
    async () => {
      await using client = await connect(`file://${file()}/t`);
      await using producer = await client.producer({ value: raw() });
      await producer.send({ value: VALUE });
      return await rate(COUNT, async () => {
        await submitAll(producer, COUNT, VALUE);
      });
    },
  );
  const sdkRead = async (): Promise<number> => {
    await using client = await connect(`file://${written}/t`);
    await using consumer = await client.consumer({ from: 'earliest', until: 'end', value: raw() });
    return await rate(total, async () => {
      let seen = 0;
      for await (const batch of consumer.batches()) seen += batch.records.length;
      if (seen !== total + 1) throw new Error(`read ${seen} records`);
    });
  };
  await pair(
    '.ss read, 1 KB, page cache, against bare reads of 1 KB each, into memory of its own',
    async () => await rate(total, async () => await Promise.resolve(readOneByOne(written))),
    sdkRead,
  );
  // What bare reading costs depends on what becomes of the bytes: one buffer stays in the processor's cache, and nobody can keep it.
  await pair(
    '.ss read, 1 KB, page cache, against 64 KiB pieces of createReadStream, which can be kept',
    async () => await rate(total, async () => await readAsStream(written)),
    sdkRead,
  );
  await pair(
    '.ss read, 1 KB, page cache, against 1 MiB reads, each into memory of its own',
    async () => await rate(total, async () => await readBlocks(written, () => Buffer.allocUnsafeSlow(MIB))),
    sdkRead,
  );
  const one = Buffer.alloc(MIB);
  await pair(
    '.ss read, 1 KB, page cache, against 1 MiB reads, all into the same memory',
    async () => await rate(total, async () => await readBlocks(written, () => one)),
    sdkRead,
  );
}

/** One system call a record, with nothing between: what files give at that size. */
function writeOneByOne(file: string, count: number): void {
  const record = Buffer.alloc(RECORD_BYTES, 'x');
  const descriptor = openSync(file, 'w');
  for (let i = 0; i < count; i++) writeSync(descriptor, record);
  closeSync(descriptor);
}

function readOneByOne(file: string): void {
  const descriptor = openSync(file, 'r');
  while (readSync(descriptor, Buffer.allocUnsafe(RECORD_BYTES)) > 0);
  closeSync(descriptor);
}

async function readAsStream(file: string): Promise<void> {
  let bytes = 0;
  for await (const piece of createReadStream(file)) bytes += (piece as Buffer).length;
  if (bytes === 0) throw new Error(`${file} is empty`);
}

async function readBlocks(file: string, memory: () => Buffer): Promise<void> {
  await using handle = await open(file, 'r');
  const { size } = await handle.stat();
  for (let at = 0; at < size; at += MIB) await handle.read(memory(), 0, MIB, at);
}

/** Against what redis-benchmark gets out of the same server, in turn: it encodes and decodes nothing, so it shows the server's limit. */
async function redis(): Promise<void> {
  const program = findTool('redis-server');
  if (program === undefined) return console.log('redis: redis-server is not installed, skipped');
  if (findTool('redis-benchmark') === undefined) return console.log('redis: redis-benchmark is not installed, skipped');
  await using server = await RedisServer.start(program, { durable: false });
  await using client = await connect(`redis://127.0.0.1:${server.port}`);
  const value = Buffer.alloc(256, 'x');
  const size = COUNT * 3;
  let topic = '';
  const fresh = async (): Promise<void> => {
    if (topic !== '') await client.admin.deleteTopic(topic);
    topic = `t${topics++}`;
  };
  await pair(
    'redis write, 256 bytes, no persistence, against redis-benchmark, XADD of the same entries in pipelines of 500',
    async () => {
      await fresh();
      const entry = ['XADD', topic, '*', 'msg', 'x'.repeat(256), 'ts', '1764000000000'];
      return await redisBenchmark(server.port, size, 500, entry);
    },
    async () => {
      await fresh();
      await using producer = await client.producer({ topic, value: raw(), maxBatchRecords: 1000 });
      return await rate(size, async () => await submitAll(producer, size, value));
    },
  );
  await pair(
    'redis read, 256 bytes, against redis-benchmark, XREAD of 1,000 entries',
    async () => {
      const read = ['XREAD', 'COUNT', '1000', 'STREAMS', topic, '0'];
      return 1000 * (await redisBenchmark(server.port, size / 1000, 1, read));
    },
    async () => {
      await using consumer = await client.consumer({ topics: topic, from: 'earliest', until: 'end', value: raw() });
      return await rate(size, async () => await readAll(consumer, size));
    },
  );
  await pair(
    'redis read as a member of a group, each acknowledged, against redis-benchmark, XREADGROUP of 1,000 entries without',
    async () => {
      const group = `g${topics++}`;
      await redisBenchmark(server.port, 1, 1, ['XGROUP', 'CREATE', topic, group, '0']);
      const read = ['XREADGROUP', 'GROUP', group, 'm', 'COUNT', '1000', 'STREAMS', topic, '>'];
      return 1000 * (await redisBenchmark(server.port, size / 1000, 1, read));
    },
    async () => {
      const options = { mode: 'load-balanced', group: `g${topics++}`, until: 'end', value: raw() } as const;
      await using consumer = await client.consumer({ topics: topic, ...options });
      return await rate(size, async () => await readAll(consumer, size));
    },
  );
}

async function readAll(consumer: SdkConsumer<Uint8Array>, count: number): Promise<void> {
  let seen = 0;
  for await (const batch of consumer.batches()) seen += batch.records.length;
  if (seen !== count) throw new Error(`read ${seen} records, not ${count}`);
}

/** Requests a second over one connection, as the other side has one. */
async function redisBenchmark(port: number, requests: number, pipeline: number, command: string[]): Promise<number> {
  const load = ['-p', String(port), '-n', String(requests), '-P', String(pipeline), '-c', '1', '--csv'];
  const { stdout } = await promisify(execFile)('redis-benchmark', [...load, ...command]);
  return Number(stdout.trimEnd().split('\n').at(-1)?.split(',')[1]?.replaceAll('"', ''));
}

/**
 * Batches of a broker in this process, without a network, against appends of the same bytes to a file. Each run leaves
 * nothing behind: a page of memory that was never touched costs a virtual machine three times what is written into it, and
 * whose turn it was when the touched ones ran out would decide.
 */
async function embedded(): Promise<void> {
  const builder = new BatchBuilder({ maxBytes: 4 * 1024 * 1024 });
  for (let i = 0; i < BATCH; i++) builder.add({ key: null, value: VALUE, timestamp: Date.now() });
  const batch = builder.build();
  const batches = 600;
  // Until the broker has its buffers, as one has that has run for a while; both sides, so that both touch as many pages.
  const warmUp = 100;
  const processor = await pair(
    'embedded broker, in-process append of batches of 1,000 x 1 KB, written, against appends to the page cache',
    async () => {
      using directory = new TempDirectory();
      await using handle = await open(path.join(directory.path, 'bare'), 'w');
      const append = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) await handle.write(batch);
      };
      await append(warmUp);
      return await rate(batches * BATCH, async () => await append(batches));
    },
    async () => {
      await using broker = await openBroker({ settings: { sync: 'never' } });
      const topic = await broker.broker.topics.create({ name: 'bench', partitions: 1, config: {} });
      await appendAll(broker.broker, topic, batch, warmUp);
      return await rate(batches * BATCH, async () => await appendAll(broker.broker, topic, batch, batches));
    },
  );
  // Which others on the machine blur less.
  console.log(`the same by processor time: ratio ${processor.toFixed(2)}`);
}

/** Eight in flight. The batch is borrowed for the call, and copied: the program keeps it. */
async function appendAll(broker: Broker, topic: Topic, batch: BuiltBatch, count: number): Promise<void> {
  const flight = { count: 0 };
  let wake: (() => void) | undefined;
  for (let i = 0; i < count; i++) {
    const item = ProduceItem.ofBuilt(topic, topic.partitions[0], batch);
    flight.count += 1;
    const settled = (error: unknown): void => {
      if (error !== undefined || item.error !== undefined) throw new Error(`not appended: ${item.error}`);
      flight.count -= 1;
      wake?.();
    };
    void broker.produce({ degree: 'written', items: [item], lease: undefined, settled });
    while (flight.count >= 8) await new Promise<void>((resolve) => (wake = resolve));
  }
  while (flight.count > 0) await new Promise<void>((resolve) => (wake = resolve));
}
