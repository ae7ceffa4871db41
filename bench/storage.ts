/**
 * Must hold 5 and 6 of storage: what keeping a fifth locally and the rest in an object store costs writers and takes of the disk,
 * how long a seek takes, and how fast cold records are read beside the plain reading of the same bytes.
 *
 *   node bench/storage.ts [--only write|seek|cold] [--gb 50] [--rate MB/S] [--read-gb 4] [--store dir|s3] [--compression none|zstd] [--dir DIR]
 *
 * | case | work | beside |
 * |---|---|---|
 * | write | `--gb` of batches of 100 x 1 KB, 10 connections, 5 in flight, acks=all, to a broker with `tier.local.bytes` of a fifth of it | the same to one that neither seals nor tiers, before and after, 10 GB at most each time |
 * | seek | `--read-gb` of batches of 100 in one partition, sealed: fetches of one batch at random offsets, searches for random times, in the page cache | 10 ms, 1 MiB |
 * | cold | batches of 1,000, sealed: read from begin to end over one connection, files out of the page cache | `dd bs=1M` of the same files, as cold |
 * | | the same once it has left the disk: read from begin to end, the cache being empty | whole objects, six at a time |
 *
 * `--store dir` keeps the objects in a directory on the same disk, `s3` in a Ceph radosgw of its own (Debian packages). Payload of the read
 * cases does not shrink, so that objects and files have one size. Linux. The disk needs 1.6 times `--gb` / 5, 10 GB, and three times `--read-gb`.
 * Producers of the write case are as fast as they are let, or with `--rate` offer so many MB a second in both parts, so that latencies are of
 * the same load. Before each part what was written before is synced.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.ts';
import { Histogram } from '../src/cli/bench/histogram.ts';
import { makePlan } from '../src/cli/bench/plan.ts';
import { type BenchReport, runBench } from '../src/cli/bench/run-bench.ts';
import type { Partition } from '../src/store/partition.ts';
import { openStore } from '../src/tier/open-store.ts';
import { fetchOnce, openBroker } from '../test/kit/broker-kit.ts';
import { createBucket, Radosgw } from '../test/kit/radosgw.ts';
import { BrokerProcess, type BrokerStart } from './kit/broker-process.ts';
import { sleep, TemporaryDirectory } from './kit/measure.ts';

const GB = 1e9;
/** Written by each of the two runs that the write case is compared with. */
const MAX_ALONE_BYTES = 10 * GB;
const SEEKS = 1_000;
/** Objects asked for at the same time; as many as the broker asks for. */
const PARALLEL_GETS = 6;
const SETTLE_TIMEOUT_MS = 600_000;
const LOOK_MS = 250;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    gb: { type: 'string', default: '50' },
    rate: { type: 'string' },
    'read-gb': { type: 'string', default: '4' },
    store: { type: 'string', default: 'dir' },
    compression: { type: 'string', default: 'none' },
    dir: { type: 'string' },
  },
});

const writeBytes = Number(options.gb) * GB;
const readBytes = Number(options['read-gb']) * GB;

function say(title: string, figures: Record<string, string | number>): void {
  const words = Object.entries(figures).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? rounded(value) : value}`,
  );
  process.stdout.write(`${title}: ${words.join(', ')}\n`);
}

function rounded(value: number): number {
  return Number(value.toPrecision(value >= 1000 ? 6 : 3));
}

/** What the disk holds for the directory. */
function usedBytes(directory: string): number {
  if (!existsSync(directory)) return 0;
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    // It may go between the two.
    bytes += (statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }
  return bytes;
}

async function produce(
  broker: BrokerProcess,
  bytes: number,
  batch: number,
  { warmup, ...offered }: { readonly warmup: number; readonly rate?: number },
): Promise<BenchReport> {
  const load = batch === 100 ? { connections: 10, inFlight: 5 } : { connections: 4, inFlight: 5 };
  const plan = { mode: 'produce', batch, size: 1000, acks: -1, warmup, timeout: 120, ...load } as const;
  const length = { records: Math.max(1, Math.floor(bytes / 1000)) };
  execFileSync('sync');
  return await runBench(makePlan({ ...plan, ...offered, broker: broker.address, length }), { pid: broker.pid });
}

async function metric(broker: BrokerProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${broker.httpPort}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

async function settled(what: string, isDone: () => Promise<boolean>): Promise<void> {
  for (const begun = performance.now(); !(await isDone()); await sleep(500)) {
    if (performance.now() - begun > SETTLE_TIMEOUT_MS)
      throw new Error(`${what} did not come to its end in ten minutes.`);
  }
}

interface Store {
  readonly url: string;
  readonly env: Record<string, string>;
}

async function withStore<T>(directory: string, work: (store: Store) => Promise<T>): Promise<T> {
  if (options.store !== 's3') return await work({ url: `dir://${path.join(directory, 'objects')}`, env: {} });
  await using server = await Radosgw.start();
  await createBucket(server, 'bench');
  return await work({ url: server.url('bench'), env: server.credentials });
}

const writeLoad = { warmup: 2, ...(options.rate === undefined ? {} : { rate: Number(options.rate) * 1000 }) };

function rate({ produced }: BenchReport): number {
  return produced?.mbPerSecond ?? 0;
}

function p99({ produced }: BenchReport): number {
  return produced?.latency?.p99Ms ?? 0;
}

async function write(): Promise<void> {
  const before = await produceAlone();
  const tiered = await produceTiered();
  const after = await produceAlone();
  const ofBoth = (figure: (report: BenchReport) => number | undefined): number =>
    ((figure(before) ?? 0) + (figure(after) ?? 0)) / 2;
  say('write, beside neither sealing nor tiering', {
    'MB/s': rate(tiered),
    'before and after': `${rounded(rate(before))} ${rounded(rate(after))}`,
    'ratio (asked 0.7)': rate(tiered) / ofBoth(rate),
    'p50 ms': tiered.produced?.latency?.p50Ms ?? 0,
    'p99 ms': p99(tiered),
    'p99 before and after': `${rounded(p99(before))} ${rounded(p99(after))}`,
    'p99 ratio (asked 1.5)': p99(tiered) / ofBoth(p99),
    'broker CPU s/GB': tiered.broker?.cpuSecondsPerGb ?? 0,
    'CPU s/GB before and after': ofBoth(({ broker }) => broker?.cpuSecondsPerGb),
  });
}

async function produceTiered(): Promise<BenchReport> {
  using directory = new TemporaryDirectory(options.dir);
  return await withStore(directory.path, async ({ url, env }) => {
    const data = path.join(directory.path, 'data');
    const local = Math.round(writeBytes / 5);
    const settings = { 'tier.store': url, 'tier.local.bytes': local, 'storage.compression': options.compression };
    await using broker = await BrokerProcess.start(data, undefined, { settings, env });
    let highest = 0;
    const timer = setInterval(() => {
      highest = Math.max(highest, usedBytes(data));
    }, LOOK_MS);
    const report = await produce(broker, writeBytes, 100, writeLoad);
    clearInterval(timer);
    say('write', {
      'produced GB': (report.produced?.bytes ?? 0) / GB,
      'kept locally GB': local / GB,
      'highest disk use GB': highest / GB,
      'asked at most': (local * 1.2) / GB,
      'in the store at the end GB': (await metric(broker, 'millrace_tier_chunk_bytes')) / GB,
      'slowed down times': await metric(broker, 'millrace_tier_throttles_total'),
      'peak RSS MB': (report.broker?.peakRssBytes ?? 0) / 1e6,
    });
    return report;
  });
}

/** Neither sealed nor tiered. */
async function produceAlone(): Promise<BenchReport> {
  using directory = new TemporaryDirectory(options.dir);
  await using broker = await BrokerProcess.start(directory.path, undefined, { settings: { 'seal.bytes': 0 } });
  return await produce(broker, Math.min(writeBytes, MAX_ALONE_BYTES), 100, writeLoad);
}

/** A data directory whose records are sealed, but for what the last journal file has. */
async function sealed(data: string, batch: number, start: BrokerStart): Promise<void> {
  const settings = { 'journal.file.bytes': 64 * 1024 * 1024, 'seal.bytes': 64 * 1024 * 1024, ...start.settings };
  await using broker = await BrokerProcess.start(data, undefined, { ...start, settings });
  await produce(broker, readBytes, batch, { warmup: 0 });
  await settled('sealing', async () => (await metric(broker, 'millrace_journal_file_bytes')) < 200e6);
}

async function seek(): Promise<void> {
  using directory = new TemporaryDirectory(options.dir);
  await sealed(directory.path, 100, { settings: { 'storage.compression': options.compression } });
  const broker = await openBroker(directory.path, { settings: { sealBytes: 0 } });
  try {
    const partition = [...broker.topics.list()].find(({ name }) => name === 'bench-0')?.partitions[0] as Partition;
    await measureSeeks('seek by offset', (random) => fetchAt(random), partition);
    await measureSeeks('seek by time', (random) => searchTime(random), partition);

    async function fetchAt(random: number): Promise<void> {
      const offset = Math.floor(random * partition.highWatermark);
      const { item } = await fetchOnce(broker, partition, offset, { maxBytes: 1 });
      if (item.error !== undefined) throw new Error(item.error);
    }

    async function searchTime(random: number): Promise<void> {
      const oldest = await broker.oldestTimestamp(partition);
      const span = systemClock.now() - (oldest ?? 0);
      await broker.offsetForTimestamp(partition, Math.floor((oldest ?? 0) + random * span));
    }

    async function measureSeeks(
      title: string,
      work: (random: number) => Promise<void>,
      { highWatermark, sizeBytes }: Partition,
    ): Promise<void> {
      const times = new Histogram();
      let mostBytes = 0;
      for (let i = 0; i < SEEKS * 2; i++) {
        const bytesBefore = broker.handles.bytesRead;
        const begun = performance.now();
        await work(((i * 0.618_033_988_749) % 1) * 0.999);
        // The first half brings footers and pages into memory.
        if (i < SEEKS) continue;
        times.recordMillis(performance.now() - begun);
        mostBytes = Math.max(mostBytes, broker.handles.bytesRead - bytesBefore);
      }
      say(title, {
        GB: sizeBytes / GB,
        offsets: highWatermark,
        'p50 ms': times.quantileMicros(0.5) / 1000,
        'p99 ms': times.quantileMicros(0.99) / 1000,
        'max ms (asked 10)': times.maxMicros / 1000,
        'most bytes read (asked 1048576)': mostBytes,
      });
    }
  } finally {
    await broker.close();
  }
}

/** Files with records, out of the page cache. */
function coldFiles(data: string): string[] {
  const files = ['chunk', 'journal'].flatMap((folder) =>
    readdirSync(path.join(data, folder))
      .filter((name) => /\.(chunk|journal)$/.test(name))
      .map((name) => path.join(data, folder, name)),
  );
  for (const file of files) execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
  return files;
}

async function consumeAll(broker: BrokerProcess): Promise<BenchReport> {
  const length = { records: Math.floor(readBytes / 1000) };
  const plan = { mode: 'consume', connections: 1, warmup: 0, fetchBytes: 4 * 1024 * 1024, timeout: 120 } as const;
  return await runBench(makePlan({ ...plan, broker: broker.address, length }), { pid: broker.pid });
}

async function cold(): Promise<void> {
  using directory = new TemporaryDirectory(options.dir);
  const data = path.join(directory.path, 'data');
  await withStore(directory.path, async ({ url, env }) => {
    const settings = { 'storage.compression': options.compression, 'seal.bytes': 0 };
    await sealed(data, 1000, { settings: { 'storage.compression': options.compression } });
    await coldLocal(data, settings);
    await coldStore(data, { settings: { ...settings, 'tier.store': url, 'tier.check.interval.ms': 100 }, env }, url);
  });
}

async function coldLocal(data: string, settings: Record<string, string | number>): Promise<void> {
  const ratios: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const files = coldFiles(data);
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    const begun = performance.now();
    for (const file of files) execFileSync('dd', [`if=${file}`, 'of=/dev/null', 'bs=1M'], { stdio: 'ignore' });
    const plain = bytes / 1e3 / (performance.now() - begun);
    await using broker = await BrokerProcess.start(data, undefined, { settings });
    coldFiles(data);
    const report = await consumeAll(broker);
    const consumed = report.consumed?.mbPerSecond ?? 0;
    ratios.push(consumed / plain);
    say('cold from local chunks', {
      'MB/s': consumed,
      'dd MB/s': plain,
      'ratio (asked 0.8)': consumed / plain,
      'broker CPU %': report.broker?.cpuPercent ?? 0,
      'generator CPU %': report.generatorCpuPercent,
    });
  }
  say('cold from local chunks, median', { ratio: ratios.sort((a, b) => a - b)[1] ?? 0 });
}

async function coldStore(data: string, start: BrokerStart, url: string): Promise<void> {
  {
    await using broker = await BrokerProcess.start(data, undefined, {
      ...start,
      settings: { ...start.settings, 'tier.local.bytes': 0 },
    });
    await settled('tiering', async () => (await metric(broker, 'millrace_chunk_files')) === 0);
  }
  const ratios: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    coldObjects(url);
    const plain = await getAll(url, start.env ?? {});
    coldObjects(url);
    await using broker = await BrokerProcess.start(data, undefined, start);
    const report = await consumeAll(broker);
    const consumed = report.consumed?.mbPerSecond ?? 0;
    ratios.push(consumed / plain);
    say('cold from the store', {
      'MB/s': consumed,
      'plain GET MB/s': plain,
      'ratio (asked 0.6)': consumed / plain,
      'broker CPU %': report.broker?.cpuPercent ?? 0,
    });
  }
  say('cold from the store, median', { ratio: ratios.sort((a, b) => a - b)[1] ?? 0 });
}

function coldObjects(url: string): void {
  if (!url.startsWith('dir://')) return;
  const root = url.slice('dir://'.length);
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    execFileSync('dd', [`if=${path.join(entry.parentPath, entry.name)}`, 'iflag=nocache', 'count=0'], {
      stdio: 'ignore',
    });
  }
}

/** @returns MB/s of whole objects. */
async function getAll(url: string, env: Record<string, string>): Promise<number> {
  const store = openStore(url, systemClock, { ...process.env, ...env });
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  let bytes = 0;
  const begun = performance.now();
  const work = Array.from({ length: PARALLEL_GETS }, async () => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      // Not added to `bytes` in one expression: that reads it before the wait, and loses what the others add.
      const body = await store.get(key);
      bytes += body?.length ?? 0;
    }
  });
  await Promise.all(work);
  return bytes / 1e3 / (performance.now() - begun);
}

const cases = { write, seek, cold };
for (const [name, work] of Object.entries(cases)) {
  if (options.only === undefined || options.only === name) await work();
}
