/** `millrace bench <mode>`: puts load on a Kafka-speaking broker from a process of its own and reports what came of it. */
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../base/errors.ts';
import {
  BENCH_MODES,
  type BenchMode,
  type BenchOptions,
  type BenchPlan,
  DEFAULT_PLAN,
  defaultsOf,
  makePlan,
} from './bench/plan.ts';
import type { Address } from './bench/raw-socket.ts';
import { formatProgress, formatReport } from './bench/report.ts';
import { type BenchProgress, runBench } from './bench/run-bench.ts';
import { UsageError } from './failure.ts';
import { parseKafkaAddress } from './kafka/address.ts';
import { byteCount } from './options.ts';
import { print } from './output.ts';

const SUMMARIES: Readonly<Record<BenchMode, string>> = {
  produce: 'send pre-encoded batches, as fast as answers come or at a given rate',
  consume: 'fetch what a topic holds, over and over, or what arrives with --tail',
  'end-to-end': 'time from a send to its arrival at a tailing consumer',
  'fan-out': 'one producer, many tailing consumers',
};

const EXAMPLES = `
Examples:
  $ millrace bench produce --batch 1000 --connections 4 --acks all
  $ millrace bench consume --topic bench --fetch-bytes 1m
  $ millrace bench end-to-end --rate 500 --acks 1
  $ millrace bench fan-out --consumers 100 --seconds 5 --json

Topics are created as needed and kept; delete them with \`millrace topics delete\`.
Rates count whole batches as they are stored. CPU and memory of the broker are shown when it runs on this machine.`;

interface RawOptions {
  readonly broker: Address;
  readonly size?: number;
  readonly batch?: number;
  readonly topic?: string;
  readonly topics?: number;
  readonly partitions?: number;
  readonly connections?: number;
  readonly consumers?: number;
  readonly inFlight?: number;
  readonly acks?: -1 | 0 | 1;
  readonly records?: number;
  readonly seconds?: number;
  readonly rate?: number;
  readonly warmup?: number;
  readonly fetchBytes?: number;
  readonly window?: number;
  readonly tail?: boolean;
  readonly timeout?: number;
  readonly processes?: number;
  readonly pid?: number;
  readonly json?: boolean;
}

type Output = (text: string) => Promise<void>;

export function register(program: Command, output: Output = print): void {
  const bench = program.command('bench').description('measure a broker under load').addHelpText('after', EXAMPLES);
  for (const mode of BENCH_MODES) {
    const command = bench.command(mode).description(SUMMARIES[mode]).addHelpText('after', EXAMPLES);
    addOptions(command, mode).action(async (options: RawOptions) => await run(mode, options, output));
  }
}

export { register as registerBench };

function addOptions(command: Command, mode: BenchMode): Command {
  const { size, batch, topic, topics, partitions, connections, consumers, inFlight, rate, ...rest } = defaultsOf(mode);
  const { fetchBytes, warmup, timeout, window, processes } = rest;
  const broker = new Option('--broker <host:port>', 'Kafka address of the broker').argParser(parseKafkaAddress);
  command
    .addOption(broker.default({ host: '127.0.0.1', port: 9092 }, '127.0.0.1:9092'))
    .option('--topic <name>', `topics are <name>-0, <name>-1, ... (default: ${topic})`)
    .option('--topics <n>', `number of topics (default: ${topics})`, parseCount)
    .option('--partitions <n>', `partitions of each topic (default: ${partitions})`, parseCount)
    .option(
      '--connections <n>',
      `${mode === 'consume' ? 'consuming' : 'producing'} connections (default: ${connections})`,
      parseCount,
    )
    .option('--seconds <n>', 'length of the measured window (default: 10)', parseNumber)
    .option('--records <n>', 'end after so many records instead', parseCount)
    .option('--warmup <seconds>', `load before the window (default: ${warmup})`, parseNumber)
    .option('--timeout <seconds>', `give up when nothing moves for so long (default: ${timeout})`, parseCount)
    .option('--pid <pid>', 'process of the broker, for CPU and memory; a local one is found by its port', parseCount)
    .option('--json', 'print the report as JSON');
  if (mode !== 'produce')
    command.option('--fetch-bytes <bytes>', `bytes of one fetch (default: ${fetchBytes})`, byteCount);
  if (mode === 'consume') command.option('--tail', 'only records that arrive from now on');
  if (mode === 'produce' || mode === 'consume') {
    command.option(
      '--processes <n>',
      `generator processes that share the connections (default: ${processes})`,
      parseCount,
    );
  }
  if (mode === 'consume') return command;
  command
    .option('--size <bytes>', `bytes of a record's value (default: ${size})`, byteCount)
    .option('--batch <records>', `records in a batch; a batch is a request (default: ${batch})`, parseCount)
    .option('--in-flight <n>', `unanswered requests per connection (default: ${inFlight})`, parseCount)
    .option('--acks <0|1|all>', 'when the broker answers (default: all, after sync)', parseAcks)
    .option(
      '--rate <records>',
      `records a second offered over all connections (default: ${rate ?? 'as fast as answers come'})`,
      parseNumber,
    );
  if (mode === 'produce') return command;
  command.option('--consumers <n>', `tailing consumers, each reading everything (default: ${consumers})`, parseCount);
  if (mode === 'fan-out') {
    const what = 'bytes the producer may be ahead of the slowest consumer';
    command.option('--window <bytes>', `${what} (default: ${window})`, byteCount);
  }
  return command;
}

async function run(mode: BenchMode, raw: RawOptions, output: Output): Promise<void> {
  const { broker, pid, json, records, seconds, ...rest } = raw;
  const length = records !== undefined ? { records } : seconds !== undefined ? { seconds } : DEFAULT_PLAN.length;
  const plan = checkedPlan({ mode, broker, length, ...rest });
  const progress = process.stderr.isTTY ? new ProgressLine() : undefined;
  const report = await runBench(plan, { pid, ...(progress && { onProgress: (now) => progress.show(now) }) }).finally(
    () => progress?.clear(),
  );
  await output(json === true ? `${JSON.stringify(report)}\n` : formatReport(report));
}

/** Options that make no sense together are a wrong command line, not a failed run. */
function checkedPlan(options: BenchOptions): BenchPlan {
  try {
    return makePlan(options);
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'CONFIG_INVALID') throw new UsageError(error.message);
    throw error;
  }
}

/** Overwrites one line of the terminal. */
class ProgressLine {
  #phase: BenchProgress['phase'] | undefined;
  #phaseAt = 0;

  show(progress: BenchProgress): void {
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#phaseAt = performance.now();
    }
    process.stderr.write(`\r\x1b[K${formatProgress(progress, (performance.now() - this.#phaseAt) / 1000)}`);
  }

  clear(): void {
    process.stderr.write('\r\x1b[K');
  }
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('It must be a number, 0 or more.');
  return value;
}

function parseCount(text: string): number {
  const value = parseNumber(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

function parseAcks(text: string): -1 | 0 | 1 {
  if (text === 'all' || text === '-1') return -1;
  if (text === '0') return 0;
  if (text === '1') return 1;
  throw new InvalidArgumentError('It must be 0, 1 or all.');
}
