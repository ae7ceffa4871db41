/** Proves relay, clock and decode as a user runs them, in real pipes and between real systems. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, string } from '../../src/sdk/index.ts';
import { openBroker } from '../../src/server/open-broker.ts';
import { runMillrace, startMillrace } from '../kit/millrace.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const TIMEOUT = { timeout: 60_000 };
/** Times of records may be those of long ago: a sweep of old records would take them on a slow machine. */
const KEEP = { settings: { retentionMs: -1 } };
const MAIN = fileURLToPath(new URL('../../bin/millrace', import.meta.url));

async function ok(args: readonly string[], stdin?: string): Promise<{ stdout: string; stderr: string }> {
  const outcome = await runMillrace(args, stdin === undefined ? {} : { stdin });
  assert.equal(outcome.code, 0, `${args.join(' ')}: ${outcome.stderr}`);
  return outcome;
}

test('clock | relay: a real pipe into a file, and the file into a broker and back into a pipe', TIMEOUT, async () => {
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'clock.ss');
  const clock = spawn(process.execPath, [MAIN, 'clock', '--interval', '1ms', '--count', '30'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const relay = spawn(process.execPath, [MAIN, 'relay', '--from', 'stdio:///clock', '--to', `file://${file}`], {
    stdio: [clock.stdout, 'inherit', 'pipe'],
  });
  let said = '';
  relay.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(relay, 'close')) as [number];
  assert.deepEqual([code, said], [0, 'relayed 30 records\n']);

  await using broker = await openBroker(KEEP);
  const toBroker = await ok([
    'relay',
    '--from',
    `file://${file}/clock`,
    '--to',
    broker.uri,
    '--offset',
    'start',
    '--until-end',
  ]);
  assert.equal(toBroker.stderr, 'relayed 30 records\n');
  const back = await ok([
    'relay',
    '--from',
    `${broker.uri}/clock`,
    '--to',
    'stdio:///copy',
    '--offset',
    'start',
    '--until-end',
    '--quiet',
  ]);
  const lines = back.stdout.trimEnd().split('\n');
  assert.equal(lines.length, 30);
  assert.match(lines[29] ?? '', /^\[\d{4}-\d\d-\d\dT[\d:.]+ \| copy \| 29\] \{"tick":29\}$/);
});

test('relay with a group goes on where it was', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  await using client = await connect(broker.uri);
  await using producer = await client.producer({ topic: 'from', value: string() });
  const relay = async (): Promise<string> =>
    (await ok(['relay', '--from', `${broker.uri}/from`, '--to', `${broker.uri}/to`, '--group', 'mover', '--until-end']))
      .stderr;
  await producer.sendAll([{ key: 'a', value: '1', headers: { h: 'x' } }, { value: '2' }]);
  assert.equal(await relay(), 'relayed 2 records\n');
  await producer.send({ value: '3' });
  assert.equal(await relay(), 'relayed 1 record\n');
  await using consumer = await client.consumer({ topics: 'to', from: 'earliest', until: 'end', value: string() });
  const seen: unknown[] = [];
  for await (const { key, value, headers } of consumer) seen.push([key, value, headers.get('h')]);
  assert.deepEqual(seen, [
    ['a', '1', 'x'],
    [null, '2', undefined],
    [null, '3', undefined],
  ]);
});

test('a relay that is told to stop ends well', TIMEOUT, async () => {
  await using broker = await openBroker(KEEP);
  await using client = await connect(broker.uri);
  await client.admin.createTopic('t');
  const relay = startMillrace(['relay', '--from', `${broker.uri}/t`, '--to', `${broker.uri}/u`, '--offset', 'start']);
  await using producer = await client.producer({ topic: 't', value: string() });
  await using consumer = await client.consumer({ topics: 'u', from: 'earliest', value: string() });
  await producer.send({ value: 'x' });
  assert.equal((await consumer.next())?.value, 'x');
  relay.child.kill('SIGTERM');
  const outcome = await relay.ended;
  assert.deepEqual([outcome.code, outcome.stderr], [0, 'relayed 1 record\n']);
});

test('relay refuses what makes no sense', TIMEOUT, async () => {
  const cases: [string[], number, RegExp][] = [
    [['relay', '--from', 'memory://a/t', '--to', 'memory://a/t'], 2, /the same/],
    [['relay', '--from', 'memory://a', '--to', 'memory://b/t'], 2, /names no topic/],
    [['relay', '--from', 'memory://a/t', '--to', 'memory://b/t,u'], 2, /several topics/],
    [['relay', '--from', 'nope://a/t', '--to', 'memory://b/t'], 1, /CLIENT_URI_INVALID/],
    [['relay', '--from', 'kafka://127.0.0.1:1/t', '--to', 'memory://b/t'], 1, /CLIENT_NETWORK/],
    [['clock', '--interval', '5'], 2, /100ms, 5s or 1m/],
  ];
  for (const [args, code, message] of cases) {
    const outcome = await runMillrace(args);
    assert.equal(outcome.code, code, args.join(' '));
    assert.match(outcome.stderr, message);
  }
});

test('decode prints what SeaStreamer prints; verify and repair', TIMEOUT, async () => {
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'orders.ss');
  {
    await using client = await connect(`file://${file}/orders?beacon-interval=1024&eos=true`);
    await using producer = await client.producer({ value: string() });
    const at = 1_700_000_000_000;
    await producer.sendAll(['text', '{"a":1}', 'x'.repeat(2000)].map((value, i) => ({ value, timestamp: at + i })));
  }
  const log = (await ok(['decode', file])).stdout.split('\n');
  assert.match(log[0] ?? '', /^# \{"file_name":"orders.ss","created_at":"[\d:.T-]+","beacon_interval":1024\}$/);
  assert.equal(log[1], '[2023-11-14T22:13:20.000 | orders | 1 | 0] text');
  assert.match(
    log[4] ?? '',
    /^# \[\{"header":\{"stream_key":"orders","shard_id":0,"sequence":3,"timestamp":"2023-11-14T22:13:20.002"\},"running_checksum":\d+\}\]$/,
  );
  assert.match(log[5] ?? '', /SEA_STREAMER_INTERNAL \| 0 \| 0\] EOS$/);
  const ndjson = (await ok(['decode', file, '--format', 'ndjson'])).stdout.split('\n');
  assert.equal(
    ndjson[2],
    '{"header":{"stream_key":"orders","shard_id":0,"sequence":2,"timestamp":"2023-11-14T22:13:20.001"},"payload":{"a":1}}',
  );
  assert.match((await ok(['decode', file, '--verify'])).stdout, /3 messages, 2 beacons, .*end of stream/);
  const bytes = readFileSync(file);
  bytes[bytes.indexOf('{"a":1}')] = 0;
  const damaged = path.join(directory.path, 'damaged.ss');
  writeFileSync(damaged, bytes);
  const outcome = await runMillrace(['decode', damaged, '--verify']);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stdout, /damaged: bytes \d+ to \d+: Damaged at byte \d+: the message's checksum/);
  const copy = path.join(directory.path, 'sound.ss');
  assert.match((await ok(['decode', damaged, '--repair', copy])).stdout, /wrote 2 messages/);
  assert.match((await ok(['decode', copy, '--header-only'])).stdout, /\| 1 \| 0\]\n.*\| 3 \| 0\]\n/);
  assert.equal((await runMillrace(['decode', MAIN])).code, 1);
});
