/**
 * The drill of docs/storage.md, "When the machine is lost", with a real S3 server (Ceph radosgw): a broker keeps sealed records
 * in the store and backs itself up there, in full once and then what is new; its directory is destroyed; on another directory
 * everything of the last backup is there again, byte for byte, from the store alone, and the new cluster goes on beside the
 * objects of the old one without touching them.
 */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { openStore } from '../../src/tier/open-store.ts';
import { runMillrace } from '../kit/millrace.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { createBucket, Radosgw, requireRadosgw } from '../kit/radosgw.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const FIRST_RECORDS = 60;
const ALL_RECORDS = 100;
const RECORD_BYTES = 300 * 1024;

/** Half of it compresses. */
function valueOf(i: number): Buffer {
  const random = new SeededRandom(i + 1);
  const value = Buffer.alloc(RECORD_BYTES, `record ${i} `);
  for (let at = 0; at < RECORD_BYTES / 2; at += 4) value.writeUInt32LE(random.below(2 ** 32), at);
  return value;
}

async function write(broker: MillraceProcess, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const answer = await fetch(`http://${broker.http}/v1/topics/ledger/records?key=k${i}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(valueOf(i)),
    });
    assert.equal(answer.status, 200, await answer.text());
  }
}

async function assertRecords(broker: MillraceProcess, count: number): Promise<void> {
  for (let offset = 0; offset < count; offset++) {
    const url = `http://${broker.http}/v1/topics/ledger/records?offset=${offset}&limit=1`;
    const answer = await fetch(url, { headers: { accept: 'application/octet-stream' } });
    assert.equal(answer.status, 200, `offset ${offset}`);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(valueOf(offset)), `offset ${offset} has other bytes`);
  }
}

async function metric(broker: MillraceProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://${broker.http}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

async function millrace(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runMillrace(args, { stdin: '' });
  assert.equal(code, 0, `${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await isSo()); await sleep(200)) assert.ok(Date.now() < end, what);
}

test('a machine is lost, and comes back out of the object store', { timeout: 300_000 }, async (t) => {
  if (!requireRadosgw(t)) return;
  await using server = await Radosgw.start();
  await createBucket(server, 'lost');
  Object.assign(process.env, server.credentials);
  const [tiers, backups] = [server.url('lost', 'tiers'), server.url('lost', 'backups')];
  const settings = [
    ...['journal.file.bytes=4194304', 'checkpoint.bytes=4194304', 'seal.bytes=8388608', 'storage.compression=zstd'],
    ...[`tier.store=${tiers}`, 'tier.local.bytes=0', 'tier.check.interval.ms=200'],
  ];
  using directory = new TempDirectory();
  const lost = path.join(directory.path, 'lost');
  const restored = path.join(directory.path, 'restored');
  {
    await using broker = await MillraceProcess.start({ directory: lost, settings });
    await write(broker, 0, FIRST_RECORDS);
    await until(
      'records are in the store alone',
      async () => (await metric(broker, 'millrace_tier_evicted_chunks_total')) > 0,
    );
    await millrace('backup', '--http', broker.http, '--to', backups);
    await write(broker, FIRST_RECORDS, ALL_RECORDS);
    const consumed = await millrace(
      ...[
        'consume',
        'ledger',
        '--group',
        'readers',
        '--from',
        'earliest',
        '--limit',
        '7',
        '--json',
        '--http',
        broker.http,
      ],
    );
    assert.equal(consumed.trim().split('\n').length, 7);
    await millrace('backup', '--http', broker.http, '--to', backups, '--since', 'latest');
    // After the last backup: what a drill shows to be lost.
    await write(broker, ALL_RECORDS, ALL_RECORDS + 1);
    await broker.kill9();
  }
  rmSync(lost, { recursive: true, force: true });
  assert.ok(!existsSync(lost));
  const store = openStore(tiers, systemClock, process.env);
  const objectsOf = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    return keys.sort();
  };
  const before = await objectsOf();

  assert.match(await millrace('restore', '--from', backups, '--data', restored), /^restored /);
  assert.match(await millrace('verify', restored), / sound/);
  await using broker = await MillraceProcess.start({ directory: restored, settings });
  await assertRecords(broker, ALL_RECORDS);
  const groups = await millrace('groups', 'describe', 'readers', '--json', '--http', broker.http);
  assert.match(groups, /"(committedOffset|committed|offset)":\s*7\b/);
  const next = await fetch(`http://${broker.http}/v1/topics/ledger/records?offset=${ALL_RECORDS}&limit=1`);
  assert.equal(next.status, 200);
  assert.deepEqual(
    ((await next.json()) as { records: unknown[] }).records,
    [],
    'what came after the last backup is gone',
  );
  await write(broker, ALL_RECORDS, ALL_RECORDS + 30);
  await until('the new cluster uses the store', async () => (await metric(broker, 'millrace_tier_uploads_total')) > 0);
  await assertRecords(broker, ALL_RECORDS + 30);
  const after = new Set(await objectsOf());
  assert.ok(after.size > before.length);
  for (const key of before) assert.ok(after.has(key), `${key} of the old cluster is still there`);
});
