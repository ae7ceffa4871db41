/**
 * Proves that a Kafka log directory becomes topics: segments as a broker stores them, with idempotent and transactional
 * batches, markers, gaps of compaction, and what a crash leaves; and that what is no log is refused with its place.
 */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { writeUint32 } from '../../src/base/bytes.ts';
import { BatchBuilder } from '../../src/model/batch-builder.ts';
import {
  CRC_POSITION,
  computeCrc,
  LAST_OFFSET_DELTA_POSITION,
  MAGIC_POSITION,
  stampBatch,
} from '../../src/model/record-batch.ts';
import { batchOf, fetchOnce, openBroker, produce } from '../kit/broker-kit.ts';
import { type Outcome, type RunningBroker, runMillrace, startBroker } from '../kit/millrace.ts';
import { TempDirectory } from '../kit/temp-directory.ts';
import { TransactionalWriter } from '../kit/transactional-writer.ts';

const TIMEOUT = { timeout: 60_000 };
const FIRST = '00000000000000000000.log';

const directory = new TempDirectory();
let broker: RunningBroker;

before(async () => {
  broker = await startBroker(path.join(directory.path, 'data'));
}, TIMEOUT);

after(async () => {
  broker.child.kill('SIGTERM');
  await broker.ended;
  directory[Symbol.dispose]();
}, TIMEOUT);

async function millrace(...args: readonly string[]): Promise<Outcome> {
  return await runMillrace(args, { stdin: '', env: { MILLRACE_HTTP: broker.http } });
}

function partition(name: string, segments: Readonly<Record<string, Uint8Array>>): string {
  const folder = path.join(directory.path, 'kafka', name);
  mkdirSync(folder, { recursive: true });
  for (const [file, bytes] of Object.entries(segments)) writeFileSync(path.join(folder, file), bytes);
  writeFileSync(path.join(folder, '00000000000000000000.index'), 'not read');
  return folder;
}

/** What a partition stores after transactions that were committed, aborted and left open. */
async function stored(): Promise<Buffer> {
  using own = new TempDirectory();
  const source = await openBroker(own.path);
  const topic = await source.topics.create({ name: 't' });
  const writer = await TransactionalWriter.start(source, 'id');
  await produce(source, topic, 0, batchOf(['plain']));
  for (const commits of [true, false, true]) {
    await writer.write('t', 0, `transaction that ${commits ? 'counts' : 'does not'}`);
    await writer.end(commits);
  }
  await writer.write('t', 0, 'open');
  await produce(source, topic, 0, batchOf(['idempotent'], { producerId: 900, producerEpoch: 0, baseSequence: 7 }));
  const { bytes } = await fetchOnce(source, topic?.partitions[0], 0);
  await source.close();
  return bytes;
}

async function values(topic: string, partitionNumber = '0'): Promise<string[]> {
  const { code, stdout, stderr } = await millrace(
    'consume',
    topic,
    '--from',
    'earliest',
    '--partition',
    partitionNumber,
  );
  assert.deepEqual([code, stderr], [0, '']);
  return stdout === '' ? [] : stdout.trimEnd().split('\n');
}

test('partitions and segments become topics, committed records alone', TIMEOUT, async () => {
  const batch = batchOf(['a', 'b', 'c']);
  const gaps = batchOf(['kept', 'kept too']);
  writeUint32(gaps, LAST_OFFSET_DELTA_POSITION, 9);
  stampBatch(gaps, 0, 3, 0);
  writeUint32(gaps, CRC_POSITION, computeCrc(gaps, 0, gaps.length));
  partition('orders-0', { [FIRST]: await stored() });
  partition('orders-2', {
    [FIRST]: batch,
    '00000000000000000003.log': Buffer.concat([gaps, Buffer.alloc(4096)]),
  });
  partition('__consumer_offsets-0', { [FIRST]: batchOf(['internal']) });
  const outcome = await millrace('import', path.join(directory.path, 'kafka'));
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  assert.equal(outcome.stdout, 'imported orders: 9 records in 3 partitions\n');
  assert.deepEqual(await values('orders'), [
    'plain',
    'transaction that counts',
    'transaction that counts',
    'idempotent',
  ]);
  assert.deepEqual(await values('orders', '1'), []);
  assert.deepEqual(await values('orders', '2'), ['a', 'b', 'c', 'kept', 'kept too']);
  const again = await millrace('import', path.join(directory.path, 'kafka'));
  assert.equal(again.code, 1);
  assert.match(again.stderr, /BROKER_TOPIC_EXISTS|exists/);
});

test('one partition directory, compressed, under another name; an unfinished end is named', TIMEOUT, async () => {
  const builder = new BatchBuilder({ codec: 'lz4' });
  for (let i = 0; i < 100; i++) builder.add({ key: `k${i}`, value: `value ${i}`, timestamp: 1_700_000_000_000 + i });
  const folder = partition('pressed-0', { [FIRST]: builder.build() });
  appendFileSync(path.join(folder, FIRST), batchOf(['never finished']).subarray(0, 70));
  const outcome = await millrace('import', folder, '--as', 'shop/pressed', '--config', 'max.message.bytes=4194304');
  assert.equal(outcome.code, 0);
  assert.match(outcome.stderr, /00000000000000000000\.log, position \d+: an unfinished batch/);
  const read = await values('shop/pressed');
  assert.deepEqual([read.length, read[99]], [100, 'value 99']);
});

test('what is no log is refused with its place', TIMEOUT, async () => {
  const nowhere = await millrace('import', path.join(directory.path, 'nowhere'));
  assert.deepEqual([nowhere.code, /There is no directory/.test(nowhere.stderr)], [2, true]);
  const empty = path.join(directory.path, 'empty');
  mkdirSync(empty);
  assert.match((await millrace('import', empty)).stderr, /holds no partition of Kafka/);
  assert.match((await millrace('import', empty, '--topic', 'x')).stderr, /holds no partition of Kafka/);

  const old = batchOf(['old']);
  old[MAGIC_POSITION] = 1;
  const ancient = await millrace('import', partition('ancient-0', { [FIRST]: old }));
  assert.match(ancient.stderr, /position 0: message format 1/);

  const rotten = Buffer.concat([batchOf(['good']), batchOf(['bad'])]);
  rotten[rotten.length - 1] = (rotten.at(-1) ?? 0) ^ 1;
  const damaged = await millrace('import', partition('rotten-0', { [FIRST]: rotten }));
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, /position \d+: its checksum is wrong/);
  const noise = await millrace('import', partition('noise-0', { [FIRST]: Buffer.alloc(500, 0x7b) }));
  assert.match(noise.stderr, /position 0: what stands there is no record batch/);
});
