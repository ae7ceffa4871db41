/**
 * Proves that two Python clients work unmodified: python-kafka 2.0.2, which shares no code with any other client here, and
 * confluent-kafka 1.7.0 (librdkafka 2.0.2). From Debian packages, which hold them for the system's own Python.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CODEC } from '../../src/model/record-batch.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { installDebianPackages } from '../kit/tools.ts';
import { earthquakes } from './scenario-data.ts';
import { committedOffsets, storedBatches } from './wire-view.ts';

const PYTHON = '/usr/bin/python3';
const PACKAGES = ['python3-kafka', 'python3-confluent-kafka'];
const PROGRAM = fileURLToPath(new URL('python/exchange.py', import.meta.url));
const TIMEOUT = { timeout: 120_000 };
/** Codecs of each that need no further package. */
const CODECS = { confluent: ['none', 'gzip', 'snappy', 'lz4', 'zstd'], kafka: ['none', 'gzip'] } as const;

const feed = earthquakes().map(({ key, value }) => ({ key: String(key), value: String(value) }));
const stdin = feed.map((record) => `${JSON.stringify(record)}\n`).join('');

let broker: MillraceProcess;

before(async () => {
  if (!isInstalled()) installDebianPackages(PACKAGES, (line) => process.stderr.write(`${line}\n`));
  broker = await MillraceProcess.start();
}, TIMEOUT);

after(async () => {
  await broker[Symbol.asyncDispose]();
}, TIMEOUT);

for (const [writer, codecs] of Object.entries(CODECS)) {
  for (const codec of codecs) {
    test(`${writer} writes the earthquakes with ${codec}, both read them in groups`, TIMEOUT, async (t) => {
      if (!available(t)) return;
      const topic = `${writer}.${codec}`;
      python([writer, 'send', broker.kafka, topic, codec], stdin);
      const stored = await storedBatches(broker.kafka, topic);
      assert.ok(stored.some((batch) => batch.codec === CODEC[codec]));
      const readers = codecs.length > 2 && !['none', 'gzip'].includes(codec) ? ['confluent'] : ['confluent', 'kafka'];
      for (const reader of readers) {
        const group = `${reader}-of-${topic}`;
        const lines = python([reader, 'receive', broker.kafka, topic, group, String(feed.length)]);
        assert.deepEqual(
          lines.map((line) => JSON.parse(line) as unknown),
          feed,
        );
        assert.deepEqual(await committedOffsets(broker.kafka, group, topic, 1), [feed.length]);
      }
    });
  }
}

test('confluent: of two transactions the committed one is read', TIMEOUT, (t) => {
  if (!available(t)) return;
  const lines = python(['confluent', 'transact', broker.kafka, 'python.transactions']);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [{ key: null, value: 'committed' }],
  );
});

for (const library of ['confluent', 'kafka']) {
  test(`${library}: a topic is created and deleted`, TIMEOUT, (t) => {
    if (!available(t)) return;
    assert.deepEqual(python([library, 'administer', broker.kafka, `python.${library}.admin`]), ['3']);
  });
}

/** @returns lines of its stdout. @throws Error with what it said on stderr. */
function python(args: readonly string[], input = ''): string[] {
  const options = { input, encoding: 'utf8', timeout: 100_000, maxBuffer: 2 ** 26 } as const;
  const { status, signal, stdout, stderr } = spawnSync(PYTHON, [PROGRAM, ...args], options);
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status ?? signal}:\n${stderr.slice(-3000)}`);
  return stdout.split('\n').filter((line) => line !== '');
}

function isInstalled(): boolean {
  return spawnSync(PYTHON, ['-c', 'import kafka, confluent_kafka'], { timeout: 30_000 }).status === 0;
}

function available(t: TestContext): boolean {
  if (isInstalled()) return true;
  const message = `the Debian packages ${PACKAGES.join(' and ')} are not installed`;
  if (process.env['CI'] === 'true') throw new Error(`${message}; CI must not skip tests`);
  t.skip(`SKIPPED LOUDLY: ${message}`);
  return false;
}
