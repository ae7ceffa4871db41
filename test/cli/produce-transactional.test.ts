/**
 * Proves `produce --idempotent` and `--transactional-id` as a user runs them: what is stored once over a broker that dies,
 * what readers of committed records see before and after, and how it ends when it is interrupted, fenced or wrong.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Outcome, runMillrace, startMillrace } from '../kit/millrace.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const TIMEOUT = { timeout: 60_000 };
const directory = new TempDirectory();
let broker: MillraceProcess;

before(async () => {
  broker = await MillraceProcess.start();
}, TIMEOUT);

after(async () => {
  await broker[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
}, TIMEOUT);

function env(): Record<string, string> {
  return { MILLRACE_HTTP: broker.http, MILLRACE_KAFKA: broker.kafka };
}

async function millrace(args: readonly string[], stdin = ''): Promise<Outcome> {
  return await runMillrace(args, { stdin, env: env() });
}

async function ok(args: readonly string[], stdin?: string): Promise<string> {
  const outcome = await millrace(args, stdin);
  assert.deepEqual([outcome.code, outcome.stderr], [0, ''], args.join(' '));
  return outcome.stdout;
}

/** Over HTTP, where readers see committed records only. */
async function consume(topic: string): Promise<string[]> {
  const text = await ok(['consume', topic]);
  return text === '' ? [] : text.trimEnd().split('\n');
}

/** What readers of committed records get now. */
async function committed(topic: string, partition: number): Promise<unknown[]> {
  const response = await fetch(`http://${broker.http}/v1/topics/${topic}/records?partition=${partition}`);
  const body = (await response.json()) as { records: unknown[] };
  return body.records;
}

function lines(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
}

test('idempotent: records, keys, headers and partitions as without it', TIMEOUT, async () => {
  await ok(['topics', 'create', 'plain', '--partitions', '4']);
  const input = lines(3000, 'k').map((key) =>
    JSON.stringify({ key, value: { of: key }, headers: { h: 'é' }, timestamp: 5 }),
  );
  const said = await ok(['produce', 'plain', '--ndjson'], input.join('\n'));
  await ok(['topics', 'create', 'once', '--partitions', '4']);
  const saidToo = await ok(['produce', 'once', '--ndjson', '--idempotent'], input.join('\n'));
  assert.equal(saidToo, said.replaceAll('plain', 'once'));
  const [plain, once] = [await ok(['consume', 'plain', '--json']), await ok(['consume', 'once', '--json'])];
  assert.equal(once.replaceAll('"once"', '"plain"'), plain);
  const json = await ok(['produce', 'once', '--idempotent', '--json', '--partition', '2', '--key', 'k'], 'a\nb\n');
  const { count, partitions } = JSON.parse(json) as {
    count: number;
    partitions: { partition: number; count: number }[];
  };
  assert.deepEqual([count, partitions.map((each) => [each.partition, each.count])], [2, [[2, 2]]]);
});

test('idempotent: a broker that is killed in the middle loses and doubles nothing', TIMEOUT, async () => {
  await ok(['topics', 'create', 'killed']);
  const running = startMillrace(['produce', 'killed', '--idempotent'], { env: env() });
  const expected = lines(4000, 'line');
  for (let at = 0; at < expected.length; at += 100) {
    running.child.stdin?.write(`${expected.slice(at, at + 100).join('\n')}\n`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (at === 1000 || at === 2500) {
      while ((await committed('killed', 0)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      await broker.kill9();
      await broker.start();
    }
  }
  running.child.stdin?.end();
  const outcome = await running.ended;
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  assert.match(outcome.stdout, /^wrote 4,?000 records to killed/);
  assert.deepEqual(await consume('killed'), expected);
});

test('a transaction: nothing before its end, all of it after', TIMEOUT, async () => {
  await ok(['topics', 'create', 'tx', '--partitions', '2']);
  const running = startMillrace(['produce', 'tx', '--transactional-id', 'import'], { env: env() });
  running.child.stdin?.write('a\nb\n');
  const isOpen = async (): Promise<boolean> =>
    (await ok(['transactions', 'list', '--state', 'ongoing'])).includes('import');
  while (!(await isOpen())) await new Promise((resolve) => setTimeout(resolve, 50));
  // `consume` would wait for the end of what is open.
  for (const partition of [0, 1]) assert.deepEqual(await committed('tx', partition), []);
  running.child.stdin?.end('c\n');
  const outcome = await running.ended;
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  assert.match(outcome.stdout, /^wrote 3 records to tx/);
  assert.deepEqual(
    (await consume('tx')).sort((a, b) => a.localeCompare(b)),
    ['a', 'b', 'c'],
  );
  assert.ok(!(await isOpen()));
});

test('--commit-every: what was committed stays when a later line is wrong', TIMEOUT, async () => {
  await ok(['topics', 'create', 'every']);
  const good = lines(5, 'v').map((value) => JSON.stringify({ value }));
  const file = path.join(directory.path, 'every.ndjson');
  writeFileSync(file, [...good, 'no JSON'].join('\n'));
  const outcome = await millrace([
    'produce',
    'every',
    file,
    '--ndjson',
    '--transactional-id',
    'e',
    '--commit-every',
    '2',
  ]);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /Line 6 of .* is not JSON/);
  assert.deepEqual(await consume('every'), ['v-0', 'v-1', 'v-2', 'v-3']);
});

test('interrupted: the open transaction is aborted at once', TIMEOUT, async () => {
  await ok(['topics', 'create', 'stopped']);
  const running = startMillrace(['produce', 'stopped', '--transactional-id', 'int'], { env: env() });
  running.child.stdin?.write('a\n');
  const listed = async (): Promise<string> => await ok(['transactions', 'list']);
  while (!/int .*ongoing/i.test(await listed())) await new Promise((resolve) => setTimeout(resolve, 50));
  running.child.kill('SIGINT');
  const outcome = await running.ended;
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /^error: Interrupted: the open transaction was aborted.*CLIENT_ABORTED/);
  assert.match(await listed(), /int .*aborted/i);
  assert.deepEqual(await consume('stopped'), []);
});

test('a second producer with the id fences the first, which says so', TIMEOUT, async () => {
  await ok(['topics', 'create', 'fenced']);
  const first = startMillrace(['produce', 'fenced', '--transactional-id', 'same'], { env: env() });
  first.child.stdin?.write('first\n');
  while (!/same .*ongoing/i.test(await ok(['transactions', 'list'])))
    await new Promise((resolve) => setTimeout(resolve, 50));
  await ok(['produce', 'fenced', '--transactional-id', 'same'], 'second\n');
  first.child.stdin?.end('late\n');
  const outcome = await first.ended;
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /Another producer has taken over transactional id same.*BROKER_PRODUCER_FENCED/);
  assert.deepEqual(await consume('fenced'), ['second']);
});

test('whole files, one record each, in one transaction', TIMEOUT, async () => {
  await ok(['topics', 'create', 'files']);
  const names = ['1.bin', '2.bin'].map((name) => path.join(directory.path, name));
  for (const [i, name] of names.entries()) writeFileSync(name, Buffer.of(0, 255, i));
  await ok(['produce', 'files', ...names, '--whole', '--transactional-id', 'w', '--header', 'a=b', '--key', 'k']);
  const text = await ok(['consume', 'files', '--json', '--values', 'base64']);
  const records = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { keyBase64: string; valueBase64: string });
  assert.deepEqual(
    records.map(({ keyBase64, valueBase64 }) => [keyBase64, valueBase64]),
    [
      ['aw==', 'AP8A'],
      ['aw==', 'AP8B'],
    ],
  );
});

test('command lines that make no sense, and brokers that are not there', TIMEOUT, async () => {
  const wrong: [readonly string[], RegExp][] = [
    [['--transactional-id', ''], /must not be empty/],
    [['--commit-every', '5'], /--commit-every is for transactions/],
    [['--transactional-id', 'x', '--ack', 'written'], /leave out --ack written/],
    [['--idempotent', '--if-offset', '3'], /no --if-offset/],
    [['--idempotent', '--kafka', 'nowhere'], /HOST:PORT/],
  ];
  for (const [args, message] of wrong) {
    const outcome = await millrace(['produce', 't', ...args], 'x\n');
    assert.equal(outcome.code, 2, args.join(' '));
    assert.match(outcome.stderr, message);
  }
  const nobody = await millrace(['produce', 't', '--idempotent', '--kafka', '127.0.0.1:1'], 'x\n');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /Connection to 127\.0\.0\.1:1 failed.*CLIENT_NETWORK/);
  const long = await millrace(['produce', 't', '--transactional-id', 'x', '--transaction-timeout', '7d'], 'x\n');
  assert.match(long.stderr, /BROKER_TRANSACTION_TIMEOUT_INVALID/);
});
