/**
 * Proves that `millrace backup` and `millrace restore` do what their help says with a broker that runs: files, stdout and
 * stdin, an object store, incremental backups, all of it or one topic, into a directory and into a broker; and that what is no
 * backup is refused in words that help.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { batchOf, openBroker, produce } from '../kit/broker-kit.ts';
import { type Outcome, type RunningBroker, runMillrace, startBroker } from '../kit/millrace.ts';
import { TempDirectory } from '../kit/temp-directory.ts';
import { TransactionalWriter } from '../kit/transactional-writer.ts';

const TIMEOUT = { timeout: 120_000 };

const directory = new TempDirectory();
let broker: RunningBroker;

before(async () => {
  // Transactions first, with the broker in this process: some that count, one that does not, one that is open.
  const own = await openBroker(at('data'));
  const topic = await own.topics.create({ name: 'shop.orders', partitions: 2, config: { 'retention.ms': '-1' } });
  const writer = await TransactionalWriter.start(own, 'id');
  await produce(own, topic, 0, batchOf(['one', 'two', 'three']));
  for (const commits of [true, false]) {
    await writer.write('shop.orders', 0, commits ? 'counts' : 'does not');
    await writer.end(commits);
  }
  await produce(own, topic, 1, batchOf(['other partition']));
  await own.deleteRecords(topic.partitions[0] as never, 1);
  await own.close();
  broker = await startBroker(at('data'));
}, TIMEOUT);

after(async () => {
  broker.child.kill('SIGTERM');
  await broker.ended;
  directory[Symbol.dispose]();
}, TIMEOUT);

function at(...names: readonly string[]): string {
  return path.join(directory.path, ...names);
}

async function millrace(...args: readonly string[]): Promise<Outcome> {
  return await runMillrace(args, { stdin: '', env: { MILLRACE_HTTP: broker.http } });
}

async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await millrace(...args);
  assert.equal(code, 0, `${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

async function write(value: string): Promise<void> {
  const args = ['produce', 'shop/orders', '--partition', '1'];
  const { code, stderr } = await runMillrace(args, { stdin: `${value}\n`, env: { MILLRACE_HTTP: broker.http } });
  assert.equal(code, 0, stderr);
}

async function failed(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await millrace(...args);
  assert.notEqual(code, 0, args.join(' '));
  return stderr;
}

async function values(topic: string, partition: string, http = broker.http): Promise<string[]> {
  const args = ['consume', topic, '--partition', partition, '--from', 'earliest', '--json', '--http', http];
  const lines = (await done(...args)).split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as { value: string }).value);
}

/** What a broker serves that is started on the directory. */
async function served(data: string, topic: string, partition: string): Promise<string[]> {
  const other = await startBroker(data);
  try {
    return await values(topic, partition, other.http);
  } finally {
    other.child.kill('SIGTERM');
    await other.ended;
  }
}

test('a file, an incremental one on it, and both restored', TIMEOUT, async () => {
  const full = JSON.parse(await done('backup', '--to', at('full'), '--json')) as { files: number; bytes: number };
  await write('later');
  const more = JSON.parse(await done('backup', '--to', at('more'), '--since', at('full'), '--json')) as typeof full;
  assert.ok(more.files > 0 && full.files > 0);
  await done('restore', '--from', at('more'), '--from', at('full'), '--data', at('restored'));
  assert.deepEqual(await served(at('restored'), 'shop.orders', '0'), ['two', 'three', 'counts']);
  assert.deepEqual(await served(at('restored'), 'shop.orders', '1'), ['other partition', 'later']);
  assert.match(await done('verify', at('restored')), /sound/);
  assert.match(await failed('restore', '--from', at('more'), '--data', at('half')), /BACKUP_INCOMPLETE/);
  assert.match(await failed('restore', '--from', at('full'), '--data', at('restored')), /BACKUP_RESTORE_REFUSED/);
  assert.match(await failed('backup', '--to', at('full')), /there already/);
  // These became files of that name.
  for (const place of ['s3:bucket', 'dir:relative', 's4://bucket']) {
    assert.match(await failed('backup', '--to', place), /is no object store/);
  }
});

test('one topic comes back under another name, into the running broker and into a stopped one', TIMEOUT, async () => {
  await done('backup', '--to', at('topics'));
  await done('restore', '--from', at('topics'), '--topic', 'shop/orders', '--as', 'shop/again');
  assert.deepEqual(await values('shop.again', '0'), ['two', 'three', 'counts']);
  const { config } = JSON.parse(await done('topics', 'describe', 'shop/again', '--json')) as { config: unknown };
  assert.match(JSON.stringify(config), /retention\.ms/);
  await done('restore', '--from', at('topics'), '--data', at('stopped'));
  await done('restore', '--from', at('topics'), '--topic', 'shop.orders', '--as', 'copy', '--data', at('stopped'));
  assert.deepEqual(await served(at('stopped'), 'copy', '0'), ['two', 'three', 'counts']);
  assert.match(await failed('restore', '--from', at('topics'), '--topic', 'absent'), /no topic absent.*shop\.orders/);
  assert.match(await failed('restore', '--from', at('topics'), '--topic', 'shop.orders'), /BROKER_TOPIC_EXISTS/);
});

test('stdout and stdin', TIMEOUT, async () => {
  const main = new URL('../../bin/millrace', import.meta.url).pathname;
  const command = `"${process.execPath}" "${main}" backup --to - --http ${broker.http} | "${process.execPath}" "${main}" restore --from - --data "${at('piped')}"`;
  const shell = spawn('sh', ['-c', command], { stdio: 'ignore' });
  assert.equal(await new Promise((resolve) => shell.once('close', resolve)), 0);
  assert.deepEqual(await served(at('piped'), 'shop.orders', '0'), ['two', 'three', 'counts']);
});

test('an object store keeps backups by itself, and what was not finished there is none', TIMEOUT, async () => {
  const store = `dir://${at('store')}`;
  assert.match(await failed('restore', '--from', store, '--data', at('nothing')), /none that is whole/);
  const first = JSON.parse(await done('backup', '--to', store, '--since', 'latest', '--json')) as { id: string };
  await write('last');
  await done('backup', '--to', store, '--since', 'latest');
  await done('restore', '--from', store, '--data', at('newest'));
  assert.equal((await served(at('newest'), 'shop.orders', '1')).at(-1), 'last');
  await done('restore', '--from', store, '--backup', first.id, '--data', at('first'));
  assert.notEqual((await served(at('first'), 'shop.orders', '1')).at(-1), 'last');
});

test('what is no backup, or not a whole one, is refused with its place', TIMEOUT, async () => {
  await done('backup', '--to', at('whole'));
  const whole = readFileSync(at('whole'));
  writeFileSync(at('cut'), whole.subarray(0, whole.length - 1));
  whole[whole.length >> 1] = (whole[whole.length >> 1] as number) ^ 1;
  writeFileSync(at('changed'), whole);
  writeFileSync(at('other'), 'something else, and long enough for the head of a frame');
  assert.match(await failed('restore', '--from', at('cut'), '--data', at('a')), /BACKUP_INCOMPLETE/);
  assert.match(await failed('restore', '--from', at('changed'), '--data', at('b')), /position \d+.*BACKUP_CORRUPT/);
  assert.match(await failed('restore', '--from', at('other'), '--data', at('c')), /does not begin as a backup/);
  assert.match(await failed('restore', '--from', at('absent'), '--data', at('d')), /no backup file/);
  assert.match(await failed('restore', '--from', at('whole')), /--data/);
  const start = await millrace('serve', '--data', at('b'), '--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0');
  assert.match(start.stderr + start.stdout, /BACKUP_RESTORE_UNFINISHED/);
  const lost = await millrace('backup', '--to', at('lost'), '--http', '127.0.0.1:1');
  assert.match(lost.stderr, /CLIENT_NETWORK/);
  assert.equal(existsSync(at('lost')) || existsSync(`${at('lost')}.partial`), false);
});
