/**
 * Runs tests of librdkafka's own integration suite, each in a process of its own, with a deadline, against a broker that
 * was started for it.
 *
 * Its runner selects by the first four digits of a name, by scenario, and by whether a test needs a broker; so one run may
 * hold several tests. Quick mode (`-Q`) leaves out most parts of some tests and still calls them passed, so it is used only
 * where the whole takes minutes (`quick` in the allow list).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillraceProcess } from '../kit/millrace-process.ts';
import type { LibrdkafkaInstall } from './librdkafka-install.ts';
import { runProgram } from './run-program.ts';

/** Version of Kafka that the tests are told: they choose what to expect by it. Share groups came after it. */
const KAFKA_VERSION = '4.1.0';
/** The suite expects at least three partitions of a topic that is created by itself; its own clusters have four. */
const PARTITIONS = 4;
/** Its clusters have three brokers, and some tests ask for as many copies. */
const REPLICAS = 3;
/** Two cores that others use too. It stretches what a test waits for at most, not what it waits in any case. */
const TIMEOUT_MULTIPLIER = 2;
/** 0113 takes ten minutes on a loaded machine; the others a minute or two at most. */
const DEADLINE_MS = 900_000;
const KAFKA_TOOLS = fileURLToPath(new URL('kafka-tools', import.meta.url));
/** A row of the table at the end: `| 0012_produce_consume | PASSED | 1.600s |`. */
const ROW = /^\| *(\d{4}_\w+) *\| *(\w+) *\|/gm;
const SHOWN_LINES = 30;

export interface LibrdkafkaTest {
  readonly name: string;
  /** `noautocreate`: against a broker that creates no topic by itself. */
  readonly scenario?: 'noautocreate';
  readonly quick?: boolean;
  /** Only the parts of the test whose name holds this, where the whole needs what Millrace has not. */
  readonly part?: string;
  /** `consumer`: groups by the protocol of KIP-848; left out, by the classic one. */
  readonly protocol?: 'consumer';
  /** Further settings of the broker, `name=value`. */
  readonly settings?: readonly string[];
  /** Needs no broker of ours: it works on the library alone or on the mock cluster inside it. */
  readonly local?: boolean;
  /** One of those that CI runs. */
  readonly smoke?: boolean;
}

/** Tests that one process runs. */
export interface LibrdkafkaRun {
  readonly number: string;
  readonly tests: readonly LibrdkafkaTest[];
}

export interface LibrdkafkaOutcome {
  /** Names that passed, whether asked for or not. */
  readonly passed: ReadonlySet<string>;
  readonly durationMs: number;
  /** Undefined where all that were asked for passed. */
  readonly problem: string | undefined;
}

/** Groups tests to runs, in order of their numbers. */
export function planRuns(tests: readonly LibrdkafkaTest[]): LibrdkafkaRun[] {
  const runs = Map.groupBy(tests, (test) => {
    const { name, scenario, quick, local, part, protocol, settings } = test;
    return `${name.slice(0, 4)} ${JSON.stringify([scenario, quick, local, part, protocol, settings])}`;
  });
  return [...runs].map(([key, members]) => ({ number: key.slice(0, 4), tests: members }));
}

export async function runLibrdkafka(install: LibrdkafkaInstall, run: LibrdkafkaRun): Promise<LibrdkafkaOutcome> {
  const { scenario, quick = false, local = false, settings: more = [] } = run.tests[0] ?? { name: run.number };
  const settings = [
    `num.partitions=${PARTITIONS}`,
    `replication.factor.max=${REPLICAS}`,
    `auto.create.topics.enable=${scenario === undefined}`,
    ...more,
  ];
  await using broker = await MillraceProcess.start({ settings });
  const configuration = writeConfiguration(broker.kafka);
  try {
    const args = ['-p1', '-s', scenario ?? 'default', local ? '-l' : '-L', ...(quick ? ['-Q'] : [])];
    const { output, outcome, durationMs } = await runProgram('./test-runner', args, {
      cwd: install.testsDirectory,
      env: environment(broker.kafka, run, configuration.file),
      timeoutMs: DEADLINE_MS,
    });
    const rows = [...output.matchAll(ROW)].map((row): [name: string, state: string] => [row[1] ?? '', row[2] ?? '']);
    const passed = new Set(rows.filter(([, state]) => state === 'PASSED').map(([name]) => name));
    const complete = outcome === 0 && run.tests.every(({ name }) => passed.has(name));
    const end = () => [`ended with ${outcome}`, ...lastLines(output), '--- broker:', ...lastLines(broker.log())];
    return { passed, durationMs, problem: complete ? undefined : end().join('\n') };
  } finally {
    configuration.remove();
  }
}

/** What a run is called: `0045 noautocreate`. */
export function runTitle({ number, tests }: LibrdkafkaRun): string {
  const { scenario, quick = false, local = false, part, protocol } = tests[0] ?? { name: number };
  const words = [number, scenario, part, protocol, quick ? 'quick' : undefined, local ? 'local' : undefined];
  return words.filter((word) => word !== undefined).join(' ');
}

function environment(broker: string, { number, tests }: LibrdkafkaRun, configuration: string): NodeJS.ProcessEnv {
  // With CI set the runner stretches every deadline threefold and runs tests side by side.
  const { CI: _ci, ...inherited } = process.env;
  return {
    ...inherited,
    LD_LIBRARY_PATH: ['../src', '../src-cpp'].join(path.delimiter),
    RDKAFKA_TEST_CONF: configuration,
    TESTS: number,
    SUBTESTS: tests[0]?.part,
    TEST_CONSUMER_GROUP_PROTOCOL: tests[0]?.protocol,
    TEST_KAFKA_VERSION: KAFKA_VERSION,
    // Scripts of Kafka that some tests start.
    KAFKA_PATH: KAFKA_TOOLS,
    MILLRACE_NODE: process.execPath,
    BROKERS: broker,
  };
}

function writeConfiguration(broker: string): { readonly file: string; remove(): void } {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-librdkafka-'));
  const file = path.join(directory, 'test.conf');
  writeFileSync(file, `bootstrap.servers=${broker}\ntest.timeout.multiplier=${TIMEOUT_MULTIPLIER}\n`);
  return { file, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

function lastLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-SHOWN_LINES);
}
