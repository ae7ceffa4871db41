/**
 * The whole broker with its worker thread, killed and started again around checkpoints: between an index and a
 * checkpoint, without indexes, with leftovers, and after old files were removed.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { batchOf, fetchOnce, openBroker, produce, splitBatches } from '../../../test/kit/broker-kit.ts';
import { copyAsKilled } from '../../../test/kit/killed-copy.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { lastOffset } from '../../model/record-batch.ts';
import type { Broker } from '../broker.ts';

const DEADLINE = { timeout: 60_000 };
const SETTINGS = { journalFileBytes: 16 * 1024, tailCacheBytes: 0, checkpointBytes: 64 * 1024 };

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function readAll(broker: Broker, name: string, from = 0): Promise<number> {
  const partition = broker.topics.find(name)?.partitions[0];
  let next = from;
  for (;;) {
    const { item, bytes } = await fetchOnce(broker, partition, next, { maxBytes: 20_000 });
    assert.equal(item.error, undefined);
    if (bytes.length === 0) return next;
    for (const batch of splitBatches(bytes)) {
      assert.equal(Number(batch.readBigInt64BE(0)), next);
      next = lastOffset(batch, 0) + 1;
    }
  }
}

async function fill(broker: Broker, name: string, count: number): Promise<void> {
  const topic = broker.topics.find(name) ?? (await broker.topics.create({ name }));
  for (let i = 0; i < count; i++) await produce(broker, topic, 0, batchOf(['x'.repeat(900)]));
}

test('killed at any time around indexes and checkpoints, it reads all there was', DEADLINE, async () => {
  using directory = new TempDirectory();
  using copies = new TempDirectory();
  const broker = await openBroker(join(directory.path, 'data'), { settings: SETTINGS });
  for (let round = 1; round <= 5; round++) {
    await fill(broker, 't', 45);
    const copy = join(copies.path, String(round));
    copyAsKilled(join(directory.path, 'data'), copy);
    writeFileSync(join(copy, 'journal', '0000000001.index.tmp'), 'half');
    const again = await openBroker(copy, { settings: SETTINGS });
    assert.equal(await readAll(again, 't'), round * 45);
    await until(() => again.checkpointer.waitingFiles === 0);
    assert.equal(await readAll(again, 't'), round * 45);
    await again.close();
    assert.ok(!readdirSync(join(copy, 'journal')).includes('0000000001.index.tmp') || round === 0);
  }
  await broker.close();
});

// The messages promised that a removed index is built again; nothing did, and reads failed for good.
test('indexes that were removed are built again: at the start, and under a running broker', DEADLINE, async () => {
  using directory = new TempDirectory();
  const folder = join(directory.path, 'journal');
  const removeIndexes = (): void => {
    for (const name of readdirSync(folder)) if (name.endsWith('.index')) rmSync(join(folder, name));
  };
  let broker = await openBroker(directory.path, { settings: SETTINGS });
  await fill(broker, 't', 100);
  await until(() => broker.checkpointer.waitingFiles === 0 && broker.checkpointer.lastCheckpoint > 0);
  removeIndexes();
  assert.equal(await readAll(broker, 't'), 100, 'nothing was read from them before: they are built on first use');
  await broker.close();
  removeIndexes();
  broker = await openBroker(directory.path, { settings: SETTINGS });
  assert.ok(existsSync(join(folder, '0000000001.index')));
  assert.equal(await readAll(broker, 't'), 100);
  await broker.close();
});

test('old files go when their topics are gone, and a start does not miss them', DEADLINE, async () => {
  using directory = new TempDirectory();
  const folder = join(directory.path, 'journal');
  let broker = await openBroker(directory.path, { settings: SETTINGS });
  await fill(broker, 'old', 100);
  await fill(broker, 'kept', 10);
  const old = broker.topics.find('old');
  assert.ok(old);
  await readAll(broker, 'old');
  await broker.topics.delete(old);
  const gone = (): boolean => !existsSync(join(folder, '0000000003.journal'));
  for (let i = 0; i < 60 && !gone(); i++) {
    await fill(broker, 'kept', 10);
    await until(() => broker.checkpointer.waitingFiles === 0);
  }
  assert.ok(gone());
  const count = broker.topics.find('kept')?.partitions[0]?.highWatermark ?? 0;
  assert.equal(await readAll(broker, 'kept'), count);
  await broker.close();
  broker = await openBroker(directory.path, { settings: SETTINGS });
  assert.equal(await readAll(broker, 'kept'), count);
  assert.equal(broker.topics.find('old'), undefined);
  await broker.close();
});
