/**
 * Proves on a real directory, with the threads and the object store that a server has: producers that are faster than sealing and
 * tiering are slowed down, so that the disk never has more than 1.2 times what is kept; everything they wrote is there; and when
 * the store goes away nobody waits for it any more. How fast that is, bench/storage.ts measures.
 */
import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { Broker } from '../../src/broker/broker.ts';
import { DISK_SHARE } from '../../src/broker/governor/local-bound.ts';
import type { Topic } from '../../src/broker/topic.ts';
import { NodeDisk } from '../../src/journal/node-disk.ts';
import { tierStarter } from '../../src/server/tier/start-tier.ts';
import { batchOf, fetchOnce, produce } from '../kit/broker-kit.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const MIB = 1024 * 1024;
const LOCAL = 24 * MIB;
const WRITTEN = 48 * MIB;
const BATCH = 64 * 1024;
const WRITERS = 4;
const DEADLINE = { timeout: 120_000 };

const SETTINGS = {
  tierLocalBytes: LOCAL,
  tierThrottleMinBytes: 64 * 1024,
  // What has to be done is done when it is there, and not when somebody looks.
  tierCheckMs: 600_000,
  tierCacheBytes: 16 * MIB,
  sealBytes: 8 * MIB,
  journalFileBytes: 4 * MIB,
  chunkBytes: MIB,
  ownChunkBytes: MIB / 4,
  checkpointBytes: 8 * MIB,
  retentionCheckMs: 600_000,
};

function diskBytes(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    // It may go between the two.
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) bytes += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

async function open(directory: string, store: string): Promise<{ broker: Broker; topic: Topic }> {
  const tierStore = `dir://${store}`;
  const broker = await Broker.open({
    directory,
    disk: new NodeDisk(),
    clock: systemClock,
    settings: { ...SETTINGS, tierStore },
    startTier: tierStarter({ directory, store: tierStore }),
  });
  const topic =
    broker.topics.find('t') ?? (await broker.topics.create({ name: 't', config: { 'retention.ms': '-1' } }));
  return { broker, topic };
}

/** As a listener does: the next write of a connection comes when its time is over. */
async function write(broker: Broker, topic: Topic, bytes: number): Promise<void> {
  let left = bytes;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= BATCH;
      const item = await produce(broker, topic, 0, batchOf(['v'.repeat(BATCH)]));
      assert.equal(item.error, undefined);
      const waitMs = broker.governor.waitMs();
      if (waitMs > 0) await sleep(waitMs);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, one));
}

test('the disk stays within its bound while producers are faster than sealing and tiering', DEADLINE, async () => {
  using temporary = new TempDirectory();
  const [data, store] = ['data', 'store'].map((name) => path.join(temporary.path, name)) as [string, string];
  const { broker, topic } = await open(data, store);
  let highest = 0;
  const written = new AbortController();
  const watch = async (): Promise<void> => {
    while (!written.signal.aborted) {
      highest = Math.max(highest, diskBytes(data));
      await sleep(5);
    }
  };
  const watching = watch();
  try {
    await write(broker, topic, WRITTEN);
  } finally {
    written.abort();
    await watching;
  }
  assert.ok(highest <= DISK_SHARE * LOCAL, `${highest / LOCAL} times what is kept`);
  assert.ok(broker.governor.counters.throttles > 0, 'somebody waited');
  assert.ok(broker.tiering.tierer.sizes().rawBytes >= WRITTEN - DISK_SHARE * LOCAL, 'the rest is in the store');
  const partition = topic.partitions[0];
  assert.equal(partition?.highWatermark, Math.ceil(WRITTEN / BATCH));
  for (let offset = 0; offset < partition.highWatermark; offset += 97) {
    const { item, bytes } = await fetchOnce(broker, partition, offset, { maxBytes: 1 });
    assert.equal(item.error, undefined);
    assert.ok(bytes.length > BATCH);
  }
  await broker.close();
});

test('while the store is away the disk grows, and nobody waits for it', DEADLINE, async () => {
  using temporary = new TempDirectory();
  const [data, store] = ['data', 'store'].map((name) => path.join(temporary.path, name)) as [string, string];
  // Nothing can be stored below a file.
  writeFileSync(store, '');
  const { broker, topic } = await open(data, store);
  await write(broker, topic, 2 * LOCAL);
  assert.equal(broker.tiering.tierer.last.reachable, false);
  const { throttles } = broker.governor.counters;
  await write(broker, topic, LOCAL / 2);
  assert.equal(broker.governor.counters.throttles, throttles);
  assert.ok(diskBytes(data) > DISK_SHARE * LOCAL);
  await broker.close();
});
