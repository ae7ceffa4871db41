/**
 * Memory under readers that misbehave: `node bench/soak.ts [--minutes 10] [--rate 5000] [--dir DIR] [--millrace SCRIPT] [--json]`.
 *
 * One broker, all at once: a producer of 100 x 1 KB batches at `--rate` records a second, two consumers that read the whole
 * log from its start over and over, and a consumer that asks for everything and never reads an answer. The broker's RSS is
 * looked at every second. Flat means: the highest of the last third is at most a tenth (and 16 MB, for what a collector
 * lets lie) above the highest of the second third; the first third is for caches to fill. Exit code 1 when it is not flat,
 * goes above 300 MB, or a client fails.
 */
import { once } from 'node:events';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { fetchFrame } from '../src/cli/bench/frames.ts';
import { makePlan } from '../src/cli/bench/plan.ts';
import { runBench } from '../src/cli/bench/run-bench.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { sleep, TemporaryDirectory } from './kit/measure.ts';

const RSS_BOUND_BYTES = 300e6;
const FLAT_FACTOR = 1.1;
const FLAT_BYTES = 16e6;
const FILL_RECORDS = 200_000;
/** Far above what sockets hold, so that most of it must wait in the broker or, better, not exist yet. */
const STALLED_REQUESTS = 20;
const STALLED_FETCH_BYTES = 50 * 1024 * 1024;

export interface SoakResult {
  readonly minutes: number;
  readonly peakRssBytes: number;
  /** Highest RSS of each third of the run. */
  readonly thirdsBytes: readonly [number, number, number];
  readonly isFlat: boolean;
  readonly writtenMb: number;
  readonly readMb: number;
}

interface SoakOptions {
  readonly directory: string;
  readonly minutes: number;
  readonly rate: number;
  readonly script: string | undefined;
}

export async function soak({ directory, minutes, rate, script }: SoakOptions): Promise<SoakResult> {
  await using broker = await BrokerProcess.start(directory, script);
  const { address } = broker;
  await runBench(makePlan({ mode: 'produce', broker: address, length: { records: FILL_RECORDS }, warmup: 0 }));
  const stalled = await stall(address.port);
  const length = { seconds: minutes * 60 };
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(broker.usage()?.rssBytes ?? Number.NaN), 1000);
  try {
    const [written, read] = await Promise.all([
      runBench(makePlan({ mode: 'produce', broker: address, batch: 100, rate, inFlight: 50, length }), {
        pid: broker.pid,
      }),
      runBench(makePlan({ mode: 'consume', broker: address, connections: 2, length }), { pid: broker.pid }),
    ]);
    const thirdsBytes = thirds(samples);
    return {
      minutes,
      peakRssBytes: broker.usage()?.peakRssBytes ?? Number.NaN,
      thirdsBytes,
      isFlat: thirdsBytes[2] <= Math.max(thirdsBytes[1] * FLAT_FACTOR, thirdsBytes[1] + FLAT_BYTES),
      writtenMb: (written.produced?.bytes ?? 0) / 1e6,
      readMb: (read.consumed?.bytes ?? 0) / 1e6,
    };
  } finally {
    clearInterval(timer);
    stalled.destroy();
  }
}

/** A consumer that asks and asks, and reads nothing beyond what its socket takes in by itself. */
async function stall(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port });
  // The broker may close a client that never reads: that is its right, and no failure here.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  const target = { topic: 'bench-0', partition: 0 };
  for (let i = 0; i < STALLED_REQUESTS; i++) {
    socket.write(fetchFrame(i, [target], { maxWaitMs: 500, maxBytes: STALLED_FETCH_BYTES }).bytes);
  }
  await sleep(100);
  return socket;
}

function thirds(samples: readonly number[]): [number, number, number] {
  const size = Math.ceil(samples.length / 3);
  const highest = (part: number): number => Math.max(...samples.slice(part * size, (part + 1) * size));
  return [highest(0), highest(1), highest(2)];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      rate: { type: 'string', default: '5000' },
      dir: { type: 'string' },
      millrace: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  using directory = new TemporaryDirectory(values.dir);
  const { path } = directory;
  const result = await soak({
    directory: path,
    minutes: Number(values.minutes),
    rate: Number(values.rate),
    script: values.millrace,
  });
  const [first, second, third] = result.thirdsBytes.map((bytes) => (bytes / 1e6).toFixed(0));
  const verdict = result.isFlat ? 'flat' : 'NOT flat';
  if (values.json) console.log(JSON.stringify(result, undefined, 2));
  else {
    console.log(
      `${result.minutes} min, ${result.writtenMb.toFixed(0)} MB written, ${result.readMb.toFixed(0)} MB read, one stalled consumer: ` +
        `RSS at most ${first}, ${second}, ${third} MB in the thirds of the run (${verdict}), peak ${(result.peakRssBytes / 1e6).toFixed(0)} MB`,
    );
  }
  if (!result.isFlat || !(result.peakRssBytes <= RSS_BOUND_BYTES)) process.exitCode = 1;
}

if (import.meta.main) await main();
