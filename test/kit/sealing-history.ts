/**
 * A whole broker on a fake disk with small files, its checkpoint worker in the same process, and a random workload over
 * topics that live differently long. Everything acknowledged is remembered, with the disk's operations by then, so that a
 * crash at any operation can be compared with what had to survive it.
 */
import assert from 'node:assert/strict';
import type { Logger } from '../../src/base/logger.ts';
import { Broker } from '../../src/broker/broker.ts';
import type { BrokerOptions } from '../../src/broker/broker-options.ts';
import type { BrokerSettings } from '../../src/broker/settings.ts';
import type { Topic } from '../../src/broker/topic.ts';
import type { StorageCompression } from '../../src/journal/compression/compressing-disk.ts';
import type { MasterKeys } from '../../src/journal/encryption/master-keys.ts';
import { lastOffset } from '../../src/model/record-batch.ts';
import { batchOf, fetchOnce, produce, splitBatches } from './broker-kit.ts';
import type { FakeDisk } from './fake-disk.ts';
import { inProcessCompaction } from './in-process-compaction.ts';
import { inProcessWorker } from './in-process-worker.ts';
import { FIRST_MASTER } from './keys.ts';
import { ManualClock } from './manual-clock.ts';
import type { SeededRandom } from './seeded-random.ts';

export const SEALING_DIRECTORY = '/data';

export const SEALING_SETTINGS: Partial<BrokerSettings> = {
  journalFileBytes: 4 * 1024,
  tailCacheBytes: 0,
  checkpointBytes: 12 * 1024,
  sealBytes: 12 * 1024,
  ownChunkBytes: 3 * 1024,
  chunkBytes: 6 * 1024,
  sealMinRemainingMs: 5_000,
  reclaimBytes: 4 * 1024,
  minFreeBytes: 0,
  compactionBytesPerSecond: 0,
};

/** Batches by topic and offset; `ackedAt` counts the disk's operations. */
export interface Acked {
  readonly topic: string;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly ackedAt: number;
}

/** A log start that was, or may have been, in force from so many operations on. */
export interface Trim {
  readonly topic: string;
  readonly start: number;
  readonly stagedAt: number;
}

/** From now on brokers of this process encrypt, unless a test says otherwise: histories and crashes stay the same. */
export function encryptEverything(): void {
  defaultMasterKeys = FIRST_MASTER;
}

let defaultMasterKeys: MasterKeys | undefined;

/** From now on brokers of this process compress what they seal, unless a test says otherwise. */
export function compressEverything(): void {
  defaultCompression = 'zstd';
}

let defaultCompression: StorageCompression = 'none';

export async function openOn(
  disk: FakeDisk,
  clock: ManualClock,
  logger?: Logger,
  settings: Partial<BrokerSettings> = {},
  more: Pick<BrokerOptions, 'startTier' | 'masterKeys'> = {},
): Promise<Broker> {
  return await Broker.open({
    directory: SEALING_DIRECTORY,
    disk,
    clock,
    logger,
    settings: { ...SEALING_SETTINGS, storageCompression: defaultCompression, ...settings },
    startWorker: inProcessWorker(disk),
    startCompaction: inProcessCompaction(disk),
    masterKeys: defaultMasterKeys,
    ...more,
  });
}

/** Lets the worker and the swaps come to rest. */
export async function settle(broker: Broker): Promise<void> {
  for (let quiet = 0; quiet < 40; quiet++) {
    if (broker.checkpointer.waitingFiles > 0) quiet = 0;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await broker.checkpointer.sealing;
}

const TOPICS: readonly { readonly name: string; readonly config: Record<string, string>; readonly weight: number }[] = [
  { name: 'large', config: { 'retention.ms': '-1' }, weight: 6 },
  { name: 'small.a', config: { 'retention.ms': '-1' }, weight: 1 },
  { name: 'small.b', config: { 'retention.ms': '-1' }, weight: 1 },
  { name: 'small.c', config: { 'retention.ms': '60000' }, weight: 1 },
  { name: 'short', config: { 'retention.ms': '3000' }, weight: 3 },
  { name: 'sized', config: { 'retention.ms': '-1', 'retention.bytes': '6000' }, weight: 2 },
];

export class SealingHistory {
  readonly broker: Broker;
  readonly disk: FakeDisk;
  readonly clock: ManualClock;
  readonly acked: Acked[] = [];
  readonly trims: Trim[] = [];
  readonly deletedAt = new Map<string, number>();

  constructor(broker: Broker, disk: FakeDisk, clock: ManualClock) {
    this.broker = broker;
    this.disk = disk;
    this.clock = clock;
  }

  static async open(disk: FakeDisk): Promise<SealingHistory> {
    const clock = new ManualClock();
    return await SealingHistory.begin(await openOn(disk, clock), disk, clock);
  }

  /** On a broker that has no topics yet. */
  static async begin(broker: Broker, disk: FakeDisk, clock: ManualClock): Promise<SealingHistory> {
    const history = new SealingHistory(broker, disk, clock);
    for (const { name, config } of TOPICS) await history.broker.topics.create({ name, config });
    return history;
  }

  async run(random: SeededRandom, steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const chance = random.next();
      if (chance < 0.86) await this.#produce(random);
      else if (chance < 0.92) this.clock.advance(random.below(800));
      else if (chance < 0.96) await this.#sweep();
      else if (chance < 0.985) await this.#truncate(random);
      else await settle(this.broker);
    }
    await settle(this.broker);
  }

  async #produce(random: SeededRandom): Promise<void> {
    const all = TOPICS.flatMap(({ name, weight }) => Array.from({ length: weight }, () => name));
    const name = random.pick(all);
    const topic = this.broker.topics.find(name);
    if (topic === undefined) return;
    const values = Array.from({ length: 1 + random.below(3) }, () => 'v'.repeat(random.below(300)));
    const batch = batchOf(values, undefined, this.clock.now());
    const item = await produce(this.broker, topic, 0, batch);
    assert.equal(item.error, undefined);
    // Offsets were written into it in place.
    this.acked.push({
      topic: name,
      offset: item.baseOffset,
      bytes: Buffer.from(batch),
      ackedAt: this.disk.operationCount,
    });
  }

  async #sweep(): Promise<void> {
    const before = this.disk.operationCount;
    await this.broker.retention.sweep();
    this.#noteTrims(before);
  }

  async #truncate(random: SeededRandom): Promise<void> {
    const partition = this.broker.topics.find(random.pick(['small.a', 'large']))?.partitions[0];
    if (partition === undefined) return;
    const before = this.disk.operationCount;
    const span = partition.highWatermark - partition.logStartOffset;
    await this.broker.deleteRecords(partition, partition.logStartOffset + random.below(1 + Math.floor(span / 2)));
    this.#noteTrims(before);
  }

  #noteTrims(stagedAt: number): void {
    for (const topic of this.broker.topics.list()) {
      const start = topic.partitions[0]?.logStartOffset ?? 0;
      if (start > 0) this.trims.push({ topic: topic.name, start, stagedAt });
    }
  }
}

export interface Read {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Every readable batch of the topic's partition; reading must not skip anything. */
export async function readTopic(broker: Broker, topic: Topic): Promise<Read[]> {
  const partition = topic.partitions[0];
  assert.ok(partition);
  const read: Read[] = [];
  for (let next = partition.logStartOffset; next < partition.highWatermark; ) {
    const { item, bytes } = await fetchOnce(broker, partition, next, { maxBytes: 3_000 });
    assert.equal(item.error, undefined, `${topic.name} at ${next}`);
    assert.ok(bytes.length > 0, `${topic.name} at ${next}: nothing`);
    for (const batch of splitBatches(bytes)) {
      const offset = Number(batch.readBigInt64BE(0));
      assert.ok(offset <= next && lastOffset(batch, 0) >= next, `${topic.name}: ${offset} where ${next} follows`);
      read.push({ offset, bytes: Buffer.from(batch) });
      next = lastOffset(batch, 0) + 1;
    }
  }
  return read;
}

/** Batches of all topics by name, to compare two brokers with. */
export async function readTopics(broker: Broker): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const topic of broker.topics.list()) {
    const read = await readTopic(broker, topic);
    found.set(
      topic.name,
      read.map(({ offset, bytes }) => `${offset} ${bytes.toString('base64')}`),
    );
  }
  return found;
}

/**
 * What a broker that was opened after a crash at `prefix` has to have: everything acknowledged by then and not deleted, byte
 * for byte; nothing else but what was on its way; log starts that were decided.
 */
export async function checkAfterCrash(history: SealingHistory, prefix: number, broker: Broker): Promise<void> {
  for (const topic of broker.topics.list()) {
    const partition = topic.partitions[0];
    assert.ok(partition);
    const sent = new Map(
      history.acked.filter((each) => each.topic === topic.name).map((each) => [each.offset, each] as const),
    );
    const starts = history.trims.filter((each) => each.topic === topic.name && each.stagedAt <= prefix);
    const latest = Math.max(0, ...starts.map(({ start }) => start));
    assert.ok(partition.logStartOffset <= latest, `${topic.name} begins at ${partition.logStartOffset}, not ${latest}`);
    const found = await readTopic(broker, topic);
    for (const { offset, bytes } of found) {
      const original = sent.get(offset)?.bytes;
      if (original !== undefined) assert.ok(original.equals(bytes), `${topic.name} ${offset}: other bytes`);
    }
    const ends = found.map(({ bytes }) => lastOffset(bytes, 0) + 1);
    const readable = new Set(found.map(({ offset }) => offset));
    for (const { offset, bytes, ackedAt } of sent.values()) {
      if (ackedAt > prefix || lastOffset(bytes, 0) < partition.logStartOffset) continue;
      assert.ok(readable.has(offset), `${topic.name} ${offset}, acknowledged at ${ackedAt}, is lost at ${prefix}`);
    }
    assert.equal(ends.at(-1) ?? partition.highWatermark, partition.highWatermark);
  }
}
