/**
 * A broker whose sealed records are in a real S3 server (Ceph radosgw) and in no file: readers get every byte, also after kill
 * -9 and from other clients; while the server hangs, writes go on, and reads of what is there alone end with an error or wait,
 * and are right afterwards.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkajsDriver } from '../clients/kafkajs-driver.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { createBucket, Radosgw, requireRadosgw } from '../kit/radosgw.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const RECORDS = 96;
const RECORD_BYTES = 400 * 1024;

/** Half of it compresses. */
function valueOf(i: number): Buffer {
  const random = new SeededRandom(i + 1);
  const value = Buffer.alloc(RECORD_BYTES, `record ${i} `);
  for (let at = 0; at < RECORD_BYTES / 2; at += 4) value.writeUInt32LE(random.below(2 ** 32), at);
  return value;
}

async function write(broker: MillraceProcess, i: number): Promise<void> {
  const answer = await fetch(`http://${broker.http}/v1/topics/cold/records?key=k${i}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: new Uint8Array(valueOf(i)),
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function read(broker: MillraceProcess, offset: number): Promise<{ status: number; body: Buffer }> {
  const url = `http://${broker.http}/v1/topics/cold/records?offset=${offset}&limit=1`;
  const answer = await fetch(url, { headers: { accept: 'application/octet-stream' } });
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
}

async function metric(broker: MillraceProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://${broker.http}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

function localChunks(broker: MillraceProcess): string[] {
  const folder = path.join(broker.directory, 'chunk');
  return existsSync(folder) ? readdirSync(folder) : [];
}

async function readEverything(broker: MillraceProcess, count: number): Promise<void> {
  for (let offset = 0; offset < count; offset++) {
    const { status, body } = await read(broker, offset);
    assert.equal(status, 200, `offset ${offset}: ${body.subarray(0, 500).toString()}`);
    assert.ok(body.equals(valueOf(offset)), `offset ${offset} has other bytes`);
  }
}

test('a broker on Ceph radosgw', { timeout: 400_000 }, async (t) => {
  if (!requireRadosgw(t)) return;
  await using server = await Radosgw.start();
  await createBucket(server, 'tiers');
  Object.assign(process.env, server.credentials);
  const settings = [
    ...['journal.file.bytes=4194304', 'checkpoint.bytes=4194304', 'seal.bytes=8388608', 'tail.cache.bytes=1048576'],
    ...[`tier.store=${server.url('tiers', 'first')}`, 'tier.local.bytes=0', 'tier.check.interval.ms=200'],
    'tier.cache.bytes=16777216',
  ];
  await using broker = await MillraceProcess.start({ settings });
  for (let i = 0; i < RECORDS; i++) await write(broker, i);

  await t.test('sealed records leave the disk', async () => {
    const end = Date.now() + 60_000;
    let raw = 0;
    // Chunks leave one after the other: between two of them none may be here, and most records not sealed yet.
    while (raw <= (RECORDS * RECORD_BYTES) / 2 || localChunks(broker).length > 0) {
      assert.ok(Date.now() < end, `${raw} bytes moved, still there: ${localChunks(broker).join(' ')}\n${broker.log()}`);
      await sleep(200);
      raw = await metric(broker, 'millrace_tier_chunk_bytes');
    }
    assert.ok((await metric(broker, 'millrace_tier_evicted_chunks_total')) > 0);
    const stored = await metric(broker, 'millrace_tier_stored_bytes');
    assert.ok(stored < raw * 0.6, `${stored} of ${raw}`);
  });

  await t.test('every byte comes back, over HTTP, to kafkajs, and after kill -9', async () => {
    await readEverything(broker, RECORDS);
    assert.ok((await metric(broker, 'millrace_tier_fetches_total')) > 0);
    await broker.kill9();
    await broker.start();
    await using consumer = await kafkajsDriver.consumer(broker.kafka, 'cold', { group: 'cold-readers' });
    const records = await consumer.take(RECORDS);
    for (const { offset, value } of records) assert.ok(value?.equals(valueOf(offset)) === true, `offset ${offset}`);
    assert.ok((await metric(broker, 'millrace_tier_cache_bytes')) <= 16_777_216 + 67_108_864);
  });

  await t.test('while the server hangs writes go on, and reads are right afterwards', async () => {
    await broker.restart();
    server.pause();
    const begun = Date.now();
    for (let i = RECORDS; i < RECORDS + 10; i++) await write(broker, i);
    assert.ok(Date.now() - begun < 10_000, 'writes wait for the store');
    const newest = await read(broker, RECORDS + 9);
    assert.ok(newest.body.equals(valueOf(RECORDS + 9)), 'what is not in the store is read');
    const waiting = read(broker, 0);
    await sleep(500);
    server.resume();
    const { status } = await waiting;
    assert.ok(status === 200 || status === 503, `${status}`);
    await readEverything(broker, RECORDS + 10);
  });

  await t.test('objects of a deleted topic are deleted', async () => {
    const deleted = await fetch(`http://${broker.http}/v1/topics/cold`, { method: 'DELETE' });
    assert.equal(deleted.status, 204);
    const end = Date.now() + 30_000;
    while ((await metric(broker, 'millrace_tier_chunk_bytes')) > 0) {
      assert.ok(Date.now() < end, 'the store still has them');
      await sleep(200);
    }
  });
});
