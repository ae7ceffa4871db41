/**
 * Must hold 4 of storage: many topics with a record a minute each. What the broker takes of memory, how often it writes each byte
 * to the disk, how many files there are, and how long a start takes.
 *
 *   node bench/slow-topics.ts [--topics 100000] [--minutes 10] [--dir DIR]
 *
 * Workload: records of 1 KB, one a request, acks=all, 10 connections that go through all topics in turn, so many a second that each
 * topic gets one a minute; default settings. What it wrote is counted by the kernel (`/proc/PID/io`), from the first record until less
 * than a round of sealing is left to do, and put beside the bytes of the batches: what was handed to the system, and what the disk
 * wrote, which is whole pages for each small commit, sealed or not. Linux. The disk needs 2.5 times 2 MB a second.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { makePlan } from '../src/cli/bench/plan.ts';
import { readUsage } from '../src/cli/bench/proc-stats.ts';
import { runBench } from '../src/cli/bench/run-bench.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { sleep, TemporaryDirectory } from './kit/measure.ts';

const MINUTE_SECONDS = 60;
const SETTLE_TIMEOUT_MS = 300_000;
/** What stays unsealed: a round begins with so much. */
const SEAL_BYTES = 512 * 1024 * 1024;

const { values: options } = parseArgs({
  options: {
    topics: { type: 'string', default: '100000' },
    minutes: { type: 'string', default: '10' },
    dir: { type: 'string' },
  },
});

/** Handed to the system, answers over sockets included, and written to the disk. */
function writtenBytes(pid: number): { readonly handed: number; readonly disk: number } {
  const text = readFileSync(`/proc/${pid}/io`, 'latin1');
  const figure = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1]);
  return { handed: figure('wchar'), disk: figure('write_bytes') };
}

async function metric(broker: BrokerProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${broker.httpPort}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

function countFiles(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}

function say(what: string, value: string): void {
  process.stdout.write(`${what}: ${value}\n`);
}

/** Waits for the round that is due, and for the removal of what it sealed. */
async function sealed(broker: BrokerProcess): Promise<void> {
  const due = async (): Promise<boolean> => (await metric(broker, 'millrace_journal_file_bytes')) >= SEAL_BYTES;
  for (const begun = performance.now(); performance.now() - begun < SETTLE_TIMEOUT_MS && (await due()); )
    await sleep(1_000);
}

const topics = Number(options.topics);
using directory = new TemporaryDirectory(options.dir);
{
  await using broker = await BrokerProcess.start(directory.path);
  const seconds = Number(options.minutes) * MINUTE_SECONDS;
  const load = { batch: 1, size: 1000, acks: -1, connections: 10, inFlight: 5, warmup: 0, timeout: 120 } as const;
  const plan = { mode: 'produce', topics, rate: topics / MINUTE_SECONDS, length: { seconds }, ...load } as const;
  let before = writtenBytes(broker.pid);
  const report = await runBench(makePlan({ ...plan, broker: broker.address }), {
    pid: broker.pid,
    onProgress: ({ phase }) => {
      if (phase === 'creating-topics') before = writtenBytes(broker.pid);
    },
  });
  const bytes = report.produced?.bytes ?? 0;
  await sealed(broker);
  const written = writtenBytes(broker.pid);
  say(
    'records',
    `${report.produced?.records}, ${(bytes / 1e6).toFixed(0)} MB of batches, ${report.droppedRequests} not sent in time`,
  );
  say('p50 and p99', `${report.produced?.latency?.p50Ms} ms, ${report.produced?.latency?.p99Ms} ms`);
  say('broker', `${report.broker?.cpuPercent.toFixed(1)} % of a core`);
  say('RSS, highest under load (asked below 400 MB)', `${((report.broker?.rssBytes ?? 0) / 1e6).toFixed(0)} MB`);
  say('RSS at the end', `${((readUsage(broker.pid)?.rssBytes ?? 0) / 1e6).toFixed(0)} MB`);
  say('in chunks', `${((await metric(broker, 'millrace_chunk_file_bytes')) / 1e6).toFixed(0)} MB`);
  say('in journal files', `${((await metric(broker, 'millrace_journal_file_bytes')) / 1e6).toFixed(0)} MB`);
  say('handed to the system for each byte (asked below 2.2)', ((written.handed - before.handed) / bytes).toFixed(2));
  say('written to the disk for each byte', ((written.disk - before.disk) / bytes).toFixed(2));
  say('files (asked below 2,000)', String(countFiles(directory.path)));
}
await using again = await BrokerProcess.start(directory.path);
say('start to first answer (asked below 5 s)', `${(again.readyMs / 1000).toFixed(2)} s`);
