/**
 * Runs the e2e suite that node-rdkafka carries, each test in a process of its own.
 *
 * Its flowing consumer (`consume()` without a number) races with its own `disconnect`: a message that comes in between is
 * never freed and the destructor waits for it without end, or it is freed after its topic and the process crashes. Both happen on
 * the client's side after the broker answered everything (docs/clients.md), to one test in ten or so, and take the
 * rest of the file with them. So a test that hung or crashed, without an assertion that failed, is tried again.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { RdkafkaInstall } from './rdkafka-install.ts';

const TEST_MS = 15_000;
const ATTEMPTS = 4;
/** `it('title', ...)`, with either quote. */
const TITLE = /\bit\(\s*(['"])((?:\\.|(?!\1).)*)\1/g;

export interface E2eTest {
  readonly spec: string;
  readonly title: string;
}

export function listE2e(install: RdkafkaInstall): E2eTest[] {
  const directory = path.join(install.packageDirectory, 'e2e');
  const specs = readdirSync(directory).filter((file) => file.endsWith('.spec.js'));
  return specs.flatMap((spec) => {
    const titles = [...readFileSync(path.join(directory, spec), 'utf8').matchAll(TITLE)];
    // The same title may stand in two groups of a file; one process runs both.
    return [...new Set(titles.map((match) => (match[2] ?? '').replaceAll("\\'", "'")))].map((title) => ({
      spec,
      title,
    }));
  });
}

/** @returns undefined where it passed, else what was wrong. */
export function runE2e(install: RdkafkaInstall, broker: string, { spec, title }: E2eTest): string | undefined {
  const mocha = path.join(install.directory, 'node_modules/mocha/bin/mocha.js');
  const args = [mocha, '--exit', '--timeout', String(TEST_MS - 3000), '--fgrep', title, path.join('e2e', spec)];
  let problem = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const result = spawnSync(process.execPath, args, {
      cwd: install.packageDirectory,
      env: { ...process.env, KAFKA_HOST: broker },
      encoding: 'utf8',
      timeout: TEST_MS,
      killSignal: 'SIGKILL',
    });
    if (result.status === 0 && /\d+ passing/.test(result.stdout)) return undefined;
    problem = `attempt ${attempt}: ${result.signal ?? `status ${result.status}`}\n${result.stdout.slice(-2000)}`;
    if (/AssertionError/.test(result.stdout)) return problem;
  }
  return problem;
}
