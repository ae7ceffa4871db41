/**
 * What this machine can do, so that results of brokers read as ratios: `node bench/limits.ts [--seconds N] [--dir DIR] [--json]`.
 *
 * | name | what | how |
 * |---|---|---|
 * | N | MB/s into a bare Node socket server | 4 connections, 1 MiB writes, both ends in processes of their own, reads into one 256 KiB buffer; with default reads beside it |
 * | A | MB/s appended to the page cache | writeSync of 64 KiB, no sync |
 * | D | MB/s that the disk keeps | 4 MiB appends, each synced before the next, in one growing file; no broker acknowledges more than that for long |
 * | F | ms of a 4 KiB append with fdatasync | p50, p99 and syncs a second, one after the other, in one growing file |
 * | E | requests a second through a bare framed echo server | the load of `millrace bench produce --size 100 --batch 1 --connections 10 --in-flight 5` against a server that only answers |
 *
 * 1 MB = 10^6 bytes.
 */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Histogram } from '../src/cli/bench/histogram.ts';
import { makePlan } from '../src/cli/bench/plan.ts';
import { runBench } from '../src/cli/bench/run-bench.ts';
import { Helper, sleep, TemporaryDirectory } from './kit/measure.ts';

export interface Limits {
  /** N: MB/s, reads into a 256 KiB buffer. */
  readonly netMb: number;
  readonly netDefaultReadsMb: number;
  /** A: MB/s. */
  readonly appendMb: number;
  /** D: MB/s. */
  readonly durableMb: number;
  /** F. */
  readonly syncP50Ms: number;
  readonly syncP99Ms: number;
  readonly syncsPerSecond: number;
  /** E. */
  readonly echoRequests: number;
  /** The same with a socket write for each answer. */
  readonly echoEachRequests: number;
}

const SLAB_BYTES = 256 * 1024;
const APPEND_BYTES = 512 * 1024 * 1024;
/** As the journal's largest commit. */
const DURABLE_CHUNK_BYTES = 4 * 1024 * 1024;

/** @param readBytes 0 = Node's default reads. @returns MB/s. */
export async function measureNet(readBytes: number, seconds: number): Promise<number> {
  using server = new Helper(new URL('./kit/net-server.ts', import.meta.url), ['sink', String(readBytes)]);
  const { port } = await server.receive<{ port: number }>();
  using sender = new Helper(new URL('./kit/net-sender.ts', import.meta.url), [String(port), '4', String(1024 * 1024)]);
  await sender.receive();
  await sleep(300);
  server.send({ count: true });
  await server.receive();
  await sleep(seconds * 1000);
  server.send({ count: true });
  const counted = await server.receive<{ bytes: number; seconds: number }>();
  return counted.bytes / 1e6 / counted.seconds;
}

/** @returns MB/s of writeSync into a new file, 64 KiB each. */
export function measureAppend(directory: string): number {
  const file = openSync(join(directory, 'append'), 'w');
  try {
    const chunk = Buffer.alloc(64 * 1024, 7);
    const startedAt = performance.now();
    for (let written = 0; written < APPEND_BYTES; written += chunk.length) writeSync(file, chunk);
    return APPEND_BYTES / 1e3 / (performance.now() - startedAt);
  } finally {
    closeSync(file);
  }
}

/** @returns MB/s that survive a power loss: 4 MiB appends, each synced. */
export function measureDurable(directory: string, seconds: number): number {
  const path = join(directory, 'durable');
  const file = openSync(path, 'w');
  try {
    const chunk = Buffer.alloc(DURABLE_CHUNK_BYTES, 7);
    const startedAt = performance.now();
    let written = 0;
    while (performance.now() - startedAt < seconds * 1000) {
      writeSync(file, chunk);
      fdatasyncSync(file);
      written += chunk.length;
    }
    return written / 1e3 / (performance.now() - startedAt);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

export function measureSync(directory: string, seconds: number): { p50Ms: number; p99Ms: number; perSecond: number } {
  const file = openSync(join(directory, 'sync'), 'w');
  try {
    const chunk = Buffer.alloc(4096, 7);
    const latency = new Histogram();
    const startedAt = performance.now();
    let before = startedAt;
    while (before - startedAt < seconds * 1000) {
      writeSync(file, chunk);
      fdatasyncSync(file);
      const now = performance.now();
      latency.recordMillis(now - before);
      before = now;
    }
    const perSecond = (latency.count / (before - startedAt)) * 1000;
    return { p50Ms: latency.quantileMicros(0.5) / 1000, p99Ms: latency.quantileMicros(0.99) / 1000, perSecond };
  } finally {
    closeSync(file);
  }
}

/** The work of Must hold 5, "single 100 B records pipelined", shared with the suite so that both sides do the same. */
export const PIPELINED_SINGLES = { mode: 'produce', size: 100, batch: 1, connections: 10, inFlight: 5 } as const;

/** @returns requests a second. */
export async function measureEcho(seconds: number, kind: 'echo' | 'echo-each' = 'echo'): Promise<number> {
  using server = new Helper(new URL('./kit/net-server.ts', import.meta.url), [kind, String(SLAB_BYTES)]);
  const { port } = await server.receive<{ port: number }>();
  const broker = { host: '127.0.0.1', port };
  const report = await runBench(
    makePlan({ ...PIPELINED_SINGLES, broker, topic: 'echo', skipSetup: true, length: { seconds }, warmup: 0.5 }),
  );
  return report.produced?.requestsPerSecond ?? Number.NaN;
}

/** @param directory on the disk to be measured. @param seconds for each figure. */
export async function measureLimits(directory: string, seconds: number): Promise<Limits> {
  const netMb = await measureNet(SLAB_BYTES, seconds);
  const netDefaultReadsMb = await measureNet(0, seconds);
  const appendMb = measureAppend(directory);
  const durableMb = measureDurable(directory, seconds);
  const sync = measureSync(directory, seconds);
  const echoRequests = await measureEcho(seconds);
  const echoEachRequests = await measureEcho(seconds, 'echo-each');
  return {
    netMb,
    netDefaultReadsMb,
    appendMb,
    durableMb,
    syncP50Ms: sync.p50Ms,
    syncP99Ms: sync.p99Ms,
    syncsPerSecond: sync.perSecond,
    echoRequests,
    echoEachRequests,
  };
}

export function limitRows(limits: Limits): readonly (readonly [name: string, what: string, value: string])[] {
  return [
    ['N', 'net sink, reads into 256 KiB', `${limits.netMb.toFixed(0)} MB/s`],
    ['', 'net sink, default reads', `${limits.netDefaultReadsMb.toFixed(0)} MB/s`],
    ['A', 'append to the page cache, 64 KiB', `${limits.appendMb.toFixed(0)} MB/s`],
    ['D', 'append 4 MiB + fdatasync', `${limits.durableMb.toFixed(0)} MB/s`],
    ['F', 'append 4 KiB + fdatasync, p99', `${limits.syncP99Ms.toFixed(3)} ms`],
    ['', 'append 4 KiB + fdatasync, p50', `${limits.syncP50Ms.toFixed(3)} ms`],
    ['', 'append 4 KiB + fdatasync', `${limits.syncsPerSecond.toFixed(0)} syncs/s`],
    ['E', 'framed echo, 100 B, 10 connections, 5 in flight', `${limits.echoRequests.toFixed(0)} requests/s`],
    ['', 'same, a socket write for each answer', `${limits.echoEachRequests.toFixed(0)} requests/s`],
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '2' }, dir: { type: 'string' }, json: { type: 'boolean' } },
  });
  using directory = new TemporaryDirectory(values.dir);
  const limits = await measureLimits(directory.path, Number(values.seconds));
  if (values.json === true) console.log(JSON.stringify(limits, undefined, 2));
  else
    for (const [name, what, value] of limitRows(limits))
      console.log(`${name.padEnd(2)} ${what.padEnd(50)} ${value.padStart(18)}`);
}

if (import.meta.main) await main();
