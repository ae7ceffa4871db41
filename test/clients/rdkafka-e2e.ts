/**
 * Runs the e2e suite that node-rdkafka carries, each test in a process of its own.
 *
 * Its flowing consumer (`consume()` without a number) races with its own `disconnect`: a message that comes in between is
 * never freed and the destructor waits for it without end, or it is freed after its topic and the process crashes. Both happen on
 * the client's side after the broker answered everything (docs/clients.md), to one test in ten or so, and take the
 * rest of the file with them. So a test that hung or crashed, without an assertion that failed, is tried again.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { RawClient } from '../kit/raw-client.ts';
import type { RdkafkaInstall } from './rdkafka-install.ts';
import { runProgram } from './run-program.ts';

const TEST_MS = 15_000;
const LIST_MS = 30_000;
/** On a quiet machine one of its tests was seen to crash the client four times in a row. */
const ATTEMPTS = 10;
const TOPICS = ['test', 'test2', 'test3', 'test4', 'test5', 'test6'];
/** Its tests are the steps of one story, each of which needs the ones before. */
const ONE_STORY: ReadonlySet<string> = new Set(['producer-transaction.spec.js']);

/** One process of mocha: a test, or a file whose tests hang together. */
export interface E2eRun {
  readonly spec: string;
  readonly title: string;
  readonly testCount: number;
  /** For mocha's `--grep`. */
  readonly pattern: string;
}

/** What its own script creates before it runs the tests: several read a topic that nobody has written to yet. */
export async function createE2eTopics(broker: string): Promise<void> {
  using client = await RawClient.connect(broker);
  for (const topic of TOPICS) await client.createTopic(topic, 1);
}

/** Every test that mocha finds, without running one. */
export function listE2e(install: RdkafkaInstall): E2eRun[] {
  const specs = readdirSync(path.join(install.packageDirectory, 'e2e')).filter((file) => file.endsWith('.spec.js'));
  return specs.flatMap((spec) => {
    const args = [mocha(install), '--dry-run', '--reporter', 'json', path.join('e2e', spec)];
    const listed = spawnSync(process.execPath, args, {
      cwd: install.packageDirectory,
      encoding: 'utf8',
      timeout: LIST_MS,
    });
    const titles = titlesOf(listed);
    if (ONE_STORY.has(spec)) return [{ spec, title: 'the whole file', testCount: titles.length, pattern: '.' }];
    return titles.map((title) => ({ spec, title, testCount: 1, pattern: `^${escapePattern(title)}$` }));
  });
}

/** @returns undefined where it passed, else what was wrong. */
export async function runE2e(install: RdkafkaInstall, broker: string, run: E2eRun): Promise<string | undefined> {
  const limits = ['--exit', '--timeout', String(TEST_MS - 3000)];
  const args = [mocha(install), ...limits, '--grep', run.pattern, path.join('e2e', run.spec)];
  let problem = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { output, outcome } = await runProgram(process.execPath, args, {
      cwd: install.packageDirectory,
      env: { ...process.env, KAFKA_HOST: broker },
      timeoutMs: TEST_MS * run.testCount,
    });
    if (output.includes(`${run.testCount} passing`) && (outcome === 0 || hungInHook(output))) return undefined;
    problem = `attempt ${attempt}: ended with ${outcome}\n${output.slice(-2000)}`;
    if (output.includes('AssertionError')) return problem;
  }
  return problem;
}

/** All tests passed, and then `disconnect` in the hook behind one of them never came back. */
function hungInHook(output: string): boolean {
  return /1 failing\n[\s\S]*"after each" hook for [^\n]*\n\s*Error: Timeout of/.test(output);
}

/** The addon may write lines of its own before mocha's report. */
function titlesOf({ stdout, stderr }: SpawnSyncReturns<string>): string[] {
  const start = stdout.indexOf('{');
  if (start < 0) throw new Error(`mocha listed no tests:\n${stdout}${stderr}`);
  const report = JSON.parse(stdout.slice(start)) as { tests: readonly { fullTitle: string }[] };
  return report.tests.map((test) => test.fullTitle);
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

function mocha(install: RdkafkaInstall): string {
  return path.join(install.directory, 'node_modules/mocha/bin/mocha.js');
}
