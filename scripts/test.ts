/**
 * `npm test`: types, lint, format, then every `*.test.ts` under node:test, and one summary at the end.
 *
 *   npm test                      everything
 *   npm test -- src/journal       checks, and the test files whose path contains one of the words
 *   npm test -- --slices          the long runs alone (`*.slice.ts`), as CI does after the rest
 *   npm test -- --only-tests ...  no checks
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { installMissingTools } from '../test/kit/tools.ts';
import { add, type Counts, NO_COUNTS } from './count-reporter.ts';
import { programOf } from './programs.ts';
import { findTestFiles } from './tests.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCRATCH = path.join(ROOT, '.tmp');
const COUNTS_FILE = path.join(SCRATCH, 'test-counts.json');
/** What `npm test` came to; a following `--slices` run adds itself, so that CI ends with one sum. */
const TOTAL_FILE = path.join(SCRATCH, 'test-total.json');
/** Test files run at the same time; more would make tests with clients and disks miss their deadlines on two cores. */
const CONCURRENCY = 2;
/** Per test, where a test sets no deadline of its own. */
const TEST_TIMEOUT_MS = 120_000;
const SLICE_TIMEOUT_MS = 1_200_000;

interface Check {
  readonly name: string;
  readonly program: readonly [packageName: string, bin: string];
  readonly args: readonly string[];
}

const CHECKS: readonly Check[] = [
  { name: 'types (tsc)', program: ['typescript', 'tsc'], args: ['-p', '.', '--noEmit'] },
  { name: 'lint (oxlint)', program: ['oxlint', 'oxlint'], args: ['--type-aware', '--quiet'] },
  { name: 'format (biome)', program: ['@biomejs/biome', 'biome'], args: ['check'] },
];

const NOTHING_RUN: Outcome = { passed: true, counts: NO_COUNTS, notes: [] };
/** More is no accident. */
const MAX_FILES_AGAIN = 3;

process.exitCode = main(process.argv.slice(2));

function main(args: readonly string[]): number {
  const startedAt = performance.now();
  const slices = args.includes('--slices');
  const words = args.filter((arg) => !arg.startsWith('--'));
  mkdirSync(SCRATCH, { recursive: true });
  const notes = installMissingTools(say);
  const failedChecks = slices || args.includes('--only-tests') ? [] : CHECKS.filter((check) => !runCheck(check));
  const checkCount = slices || args.includes('--only-tests') ? 0 : CHECKS.length;
  const files = findTestFiles(ROOT, slices ? '.slice.ts' : '.test.ts').filter(
    (file) => words.length === 0 || words.some((word) => file.includes(word)),
  );
  if (files.length === 0 && words.length > 0) {
    say(`no test file matches ${words.join(' ')}`);
    return 1;
  }
  const outcome = files.length === 0 ? NOTHING_RUN : runTests(files, slices ? SLICE_TIMEOUT_MS : TEST_TIMEOUT_MS);
  const { passed, counts } = outcome;
  notes.push(...outcome.notes);
  const checks: Counts = {
    ...NO_COUNTS,
    tests: checkCount,
    passed: checkCount - failedChecks.length,
    failed: failedChecks.length,
    durationMs: performance.now() - startedAt - counts.durationMs,
    failures: failedChecks.map((check) => check.name),
  };
  const total = [checks, counts, ...(slices ? [readCounts(TOTAL_FILE, NO_COUNTS)] : [])].reduce(add);
  writeFileSync(TOTAL_FILE, JSON.stringify(total));
  printSummary(total, notes);
  return passed && failedChecks.length === 0 ? 0 : 1;
}

function runCheck(check: Check): boolean {
  const startedAt = performance.now();
  const [packageName, bin] = check.program;
  const result = spawnSync(process.execPath, [programOf(ROOT, packageName, bin), ...check.args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const passed = result.status === 0;
  if (!passed) process.stdout.write(`${result.stdout}${result.stderr}`);
  say(`${passed ? '✔' : '✖'} ${check.name} (${Math.round(performance.now() - startedAt)} ms)`);
  return passed;
}

interface Outcome {
  readonly passed: boolean;
  readonly counts: Counts;
  readonly notes: readonly string[];
}

/**
 * Threads, disks, sockets and clients made by others meet in another order each time. Where few files failed, these run
 * once more, and what passed only then is named at the end: a defect to be found, in the test or in what it tests, but no
 * sign that the change at hand broke something. What always fails still fails, and so does what fails in many places.
 */
function runTests(files: readonly string[], timeoutMs: number): Outcome {
  const first = runOnce(files, timeoutMs);
  const { failures } = first.counts;
  const again = files.filter((file) => failures.some((failure) => isIn(failure, file)));
  const areKnown = failures.every((failure) => again.some((file) => isIn(failure, file)));
  if (first.passed || !areKnown || again.length === 0 || again.length > MAX_FILES_AGAIN) return first;
  say(`\nThese failed and run once more: ${again.join(', ')}`);
  const second = runOnce(again, timeoutMs);
  if (!second.passed) return { ...second, counts: add(first.counts, second.counts) };
  const { passed, failed, cancelled } = first.counts;
  const counts = { ...first.counts, passed: passed + failed + cancelled, failed: 0, cancelled: 0, failures: [] };
  return { passed: true, counts, notes: failures.map((failure) => `passed only when run once more: ${failure}`) };
}

/** @param failure path and name. */
function isIn(failure: string, file: string): boolean {
  return failure.includes(`${path.sep}${file} › `);
}

function runOnce(files: readonly string[], timeoutMs: number): Outcome {
  rmSync(COUNTS_FILE, { force: true });
  const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
  const counter = [
    `--test-reporter=${path.join(ROOT, 'scripts/count-reporter.ts')}`,
    `--test-reporter-destination=${COUNTS_FILE}`,
  ];
  const limits = [`--test-concurrency=${CONCURRENCY}`, `--test-timeout=${timeoutMs}`];
  const result = spawnSync(process.execPath, ['--test', ...limits, ...reporters, ...counter, ...files], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  return { passed: result.status === 0, counts: readCounts(COUNTS_FILE), notes: [] };
}

/** A runner that died before its end counts as one failed test. */
function readCounts(
  file: string,
  absent: Counts = { ...NO_COUNTS, tests: 1, failed: 1, failures: ['the test runner'] },
): Counts {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Counts;
  } catch {
    return absent;
  }
}

/** Closes with the lines that node's test runner ends with, the checks counted as tests. */
function printSummary(counts: Counts, notes: readonly string[]): void {
  const loud = [...notes, ...counts.skips.map((skip) => `skipped: ${skip}`)];
  if (loud.length > 0) say(['', ...loud.map((line) => `!!! ${line}`)].join('\n'));
  if (counts.failures.length > 0)
    say(['', 'failed:', ...counts.failures.map((failure) => `  ✖ ${failure}`)].join('\n'));
  say(`
# tests ${counts.tests}
# pass ${counts.passed}
# fail ${counts.failed}
# cancelled ${counts.cancelled}
# skipped ${counts.skipped}
# todo ${counts.todo}
# duration_ms ${Math.round(counts.durationMs)}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
