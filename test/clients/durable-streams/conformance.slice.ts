/**
 * Proves that the public conformance suite of Durable Streams, subscriptions included, passes whole against a broker as a
 * user starts it. Some two minutes: the suite waits for real time (expiry in seconds, long polls of 20 s).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBroker } from '../../kit/millrace.ts';
import { TempDirectory } from '../../kit/temp-directory.ts';

/** What the suite had when it was last looked at: fewer would mean that some were left out. */
const LEAST_TESTS = 338;

const HERE = fileURLToPath(new URL('.', import.meta.url));
const VITEST = path.join(path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');

test('the conformance suite of Durable Streams', { timeout: 420_000 }, async () => {
  using directory = new TempDirectory();
  const broker = await startBroker(path.join(directory.path, 'data'));
  try {
    const result = path.join(directory.path, 'result.json');
    const args = ['run', '--root', HERE, '--config', 'vitest.config.ts', '--reporter=default', '--reporter=json'];
    const child = spawn(process.execPath, [VITEST, ...args, `--outputFile.json=${result}`], {
      env: { ...process.env, CONFORMANCE_TEST_URL: `http://${broker.http}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-200_000)));
    }
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, output);
    const { numPassedTests, numFailedTests, numPendingTests } = await readResult(result);
    assert.deepEqual([numFailedTests, numPendingTests], [0, 0], output);
    assert.ok(numPassedTests >= LEAST_TESTS, `${numPassedTests} tests ran`);
  } finally {
    broker.child.kill('SIGTERM');
    await broker.ended;
  }
});

interface Result {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

async function readResult(file: string): Promise<Result> {
  return JSON.parse(await readFile(file, 'utf8')) as Result;
}
