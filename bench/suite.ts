/**
 * Every speed, topic-count and memory bound in one run: `node bench/suite.ts [--quick] [--runs N] [--seconds N]
 * [--only ID,...] [--dir DIR] [--millrace SCRIPT] [--json FILE] [--join FILE,...] [--write]`. Each case gets a fresh broker in its own process on an empty
 * directory; the limit that its bound names is measured right before, so that both see the same minute of the machine.
 * `--write` puts the table into docs/performance.md. `--join` measures nothing and makes one table of what earlier runs,
 * each of some cases, left with `--json`. Exit code 1 when a bound is missed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { makePlan } from '../src/cli/bench/plan.ts';
import { isGeneratorBound } from '../src/cli/bench/report.ts';
import { runBench } from '../src/cli/bench/run-bench.ts';
import { type Bound, type LimitName, SPEED_CASES, type SpeedCase } from './cases.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { TemporaryDirectory } from './kit/measure.ts';
import { writeResultsBlock } from './kit/results-block.ts';
import {
  type Limits,
  limitRows,
  measureDurable,
  measureEcho,
  measureLimits,
  measureNet,
  measureSync,
} from './limits.ts';
import {
  describeBound,
  failedOutcome,
  type Outcome,
  outcomeTable,
  plainOutcome,
  type Sample,
  summarize,
} from './outcome.ts';
import { measureFlatInTopics, measureIdleTopics } from './topic-count.ts';

const RSS_BOUND_MB = 300;

interface SuiteOptions {
  readonly directory: string;
  readonly runs: number;
  readonly seconds: number;
  readonly quick: boolean;
  readonly script: string | undefined;
  readonly only: ReadonlySet<string> | undefined;
}

export interface SuiteResult {
  readonly limits: Limits;
  readonly outcomes: readonly Outcome[];
}

async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  say(`limits (${options.seconds} s each)`);
  const limits = await measureLimits(options.directory, options.quick ? 1 : 2);
  const outcomes: Outcome[] = [];
  for (const speedCase of SPEED_CASES) {
    if (wanted(options, speedCase.id)) outcomes.push(told(await runCase(speedCase, options)));
  }
  if (wanted(options, 'flat-in-topics')) outcomes.push(told(await measureFlatInTopics(options)));
  if (wanted(options, 'idle-topics')) {
    const idleTopics = options.quick ? 20_000 : undefined;
    for (const outcome of await measureIdleTopics({ ...options, ...(idleTopics && { idleTopics }) }))
      outcomes.push(told(outcome));
  }
  return { limits, outcomes };
}

/** Over all cases that were measured; none where there are none. */
function peakRss(outcomes: readonly Outcome[]): Outcome[] {
  const peak = Math.max(0, ...outcomes.map(({ peakRssBytes }) => peakRssBytes).filter(Number.isFinite)) / 1e6;
  if (peak === 0) return [];
  const bound = { kind: 'at-most-absolute', value: RSS_BOUND_MB } as const;
  return [plainOutcome('peak-rss', 'highest RSS of the broker over all cases above', 'MB', peak, bound)];
}

function nullToNaN(_: string, value: unknown): unknown {
  return value === null ? Number.NaN : value;
}

/** Results of several runs as one, in the order of the files. NaN, which JSON has not, was written as null. */
function joinResults(files: readonly string[]): SuiteResult {
  const results = files.map((file) => JSON.parse(readFileSync(file, 'utf8'), nullToNaN) as SuiteResult);
  const [first] = results;
  if (first === undefined) throw new Error('--join needs a file.');
  return { limits: first.limits, outcomes: results.flatMap(({ outcomes }) => outcomes) };
}

function wanted(options: SuiteOptions, id: string): boolean {
  return options.only === undefined || options.only.has(id);
}

async function runCase(speedCase: SpeedCase, options: SuiteOptions): Promise<Outcome> {
  const { id, title, unit, bound } = speedCase;
  try {
    const samples: Sample[] = [];
    for (let i = 0; i < options.runs; i++) samples.push(await runOnce(speedCase, options));
    return summarize(speedCase, samples);
  } catch (error) {
    return failedOutcome(id, title, unit, describeBound(bound, unit), error);
  }
}

/** A p99 at a few hundred records a second: a second of them compiles nothing, and 15 samples of a fresh process decide. */
const TAIL_WARMUP_SECONDS = 5;
const TAIL_FACTOR = 4;

async function runOnce(speedCase: SpeedCase, options: SuiteOptions): Promise<Sample> {
  const { plan, fillBytes, bound, figure, fillsDisk } = speedCase;
  using directory = new TemporaryDirectory(options.directory);
  const limit = await limitOf(bound, directory.path, options.seconds);
  const durableMb = fillsDisk === true ? measureDurable(directory.path, Math.min(options.seconds, 2)) : Number.NaN;
  await using broker = await BrokerProcess.start(directory.path, options.script);
  if (fillBytes > 0) await fill(broker, options.quick ? Math.min(fillBytes, 200_000_000) : fillBytes);
  const slow = speedCase.unit === 'ms' && !options.quick;
  const length = { seconds: options.seconds * (slow ? TAIL_FACTOR : 1) };
  const report = await runBench(
    makePlan({ broker: broker.address, ...plan, length, warmup: slow ? TAIL_WARMUP_SECONDS : 1 }),
    { pid: broker.pid },
  );
  return {
    value: figure(report),
    limit,
    durableMb,
    peakRssBytes: report.broker?.peakRssBytes ?? Number.NaN,
    cpuSecondsPerGb: report.broker?.cpuSecondsPerGb ?? Number.NaN,
    generatorBound: isGeneratorBound(report),
  };
}

async function fill(broker: BrokerProcess, bytes: number): Promise<void> {
  const length = { records: bytes / 1000 };
  await runBench(makePlan({ mode: 'produce', broker: broker.address, batch: 1000, acks: 1, length, warmup: 0 }));
}

async function limitOf(bound: Bound, directory: string, seconds: number): Promise<number> {
  const name: LimitName | undefined = 'limit' in bound ? bound.limit : undefined;
  if (name === undefined) return Number.NaN;
  if (name === 'N') return await measureNet(256 * 1024, Math.min(seconds, 2));
  if (name === 'E') return await measureEcho(Math.min(seconds, 2));
  return measureSync(directory, seconds).p99Ms;
}

function told(outcome: Outcome): Outcome {
  say(outcomeTable([outcome]).split('\n')[2] ?? '');
  return outcome;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function markdown({ limits, outcomes }: SuiteResult, options: SuiteOptions): string {
  const peak = peakRss(outcomes);
  const speed = outcomes.filter(({ peakRssBytes }) => Number.isFinite(peakRssBytes));
  const rest = outcomes.filter((outcome) => !speed.includes(outcome));
  const cpu = cpus();
  const machine = `${cpu.length} x ${cpu[0]?.model.trim() ?? 'unknown CPU'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux, Node ${process.version}`;
  const limitLines = limitRows(limits).map(([name, what, value]) => `| ${name} | ${what} | ${value} |`);
  return [
    `Measured ${new Date().toISOString().slice(0, 10)} on ${machine}; ${options.runs} run${options.runs === 1 ? '' : 's'} of ${options.seconds} s each${options.quick ? ', quick' : ''}. Medians.`,
    '',
    '| | limit at the start of the run | |',
    '|---|---|---|',
    ...limitLines,
    '',
    outcomeTable([...speed, ...peak, ...rest]),
  ].join('\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      dir: { type: 'string' },
      json: { type: 'string' },
      join: { type: 'string' },
      millrace: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  using directory = new TemporaryDirectory(values.dir);
  const options: SuiteOptions = {
    directory: directory.path,
    runs: Number(values.runs ?? (values.quick ? 1 : 3)),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 3)),
    quick: values.quick,
    script: values.millrace,
    only: values.only === undefined ? undefined : new Set(values.only.split(',')),
  };
  const result = values.join === undefined ? await runSuite(options) : joinResults(values.join.split(','));
  const text = markdown(result, options);
  console.log(text);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`);
  if (values.write) writeResultsBlock('suite', text);
  const all = [...result.outcomes, ...peakRss(result.outcomes)];
  if (all.some(({ verdict }) => verdict === 'miss' || verdict === 'failed')) process.exitCode = 1;
}

if (import.meta.main) await main();
