/** A broker on a directory of its own, and short words for what tests do with it. */
import assert from 'node:assert/strict';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import type { MillraceError } from '../../src/base/errors.ts';
import { Broker } from '../../src/broker/broker.ts';
import { rollJournal } from '../../src/broker/chunks/roll-journal.ts';
import { FetchItem, type FetchRequest, releaseFetch } from '../../src/broker/fetch.ts';
import { ProduceItem } from '../../src/broker/produce.ts';
import type { BrokerSettings } from '../../src/broker/settings.ts';
import type { Topic } from '../../src/broker/topic.ts';
import type { Degree } from '../../src/journal/journal.ts';
import type { LocalJournal } from '../../src/journal/local-journal.ts';
import { NodeDisk } from '../../src/journal/node-disk.ts';
import { BatchBuilder, type ProducerFields } from '../../src/model/batch-builder.ts';
import { batchSizeBytes } from '../../src/model/record-batch.ts';
import type { Partition } from '../../src/store/partition.ts';

export interface OpenOptions {
  readonly settings?: Partial<BrokerSettings>;
  readonly clock?: Clock;
}

/**
 * On the system's clock retention does not come by itself: tests write records of fixed, old times, which it would take on a
 * machine that is slow enough. A test that wants it moves the clock, says when, or calls the sweeper.
 */
const NO_SWEEPS = { retentionCheckMs: 3_600_000 };

export function openBroker(directory: string, options: OpenOptions = {}): Promise<Broker> {
  return Broker.open({
    directory,
    disk: new NodeDisk(),
    clock: options.clock ?? systemClock,
    settings: { ...(options.clock === undefined ? NO_SWEEPS : {}), ...options.settings },
  });
}

/** Closes the active journal file, and resolves when a checkpoint holds all that is in it. */
export async function checkpointNow({ checkpointer, journal }: Broker): Promise<void> {
  assert.ok(await checkpointer.checkpointThrough(await rollJournal(journal as LocalJournal)));
}

/** One batch with these values; keys are left out. */
export function batchOf(
  values: readonly string[],
  producer?: ProducerFields,
  timestamp = 1_700_000_000_000,
): Uint8Array {
  const builder = new BatchBuilder();
  for (const [i, value] of values.entries()) {
    builder.add({ key: null, value: Buffer.from(value), timestamp: timestamp + i, headers: [] });
  }
  return Uint8Array.from(builder.build(producer));
}

/** Appends one batch; resolves with the item, refused or not. */
export function produce(
  broker: Broker,
  topic: Topic | undefined,
  index: number,
  batch: Uint8Array,
  degree: Degree = 'durable',
): Promise<ProduceItem> {
  return new Promise((resolve, reject) => {
    const item = new ProduceItem(topic, topic?.partitions[index], batch);
    void broker.produce({
      degree,
      items: [item],
      lease: undefined,
      settled: (error: MillraceError | undefined) => (error === undefined ? resolve(item) : reject(error)),
    });
  });
}

export interface FetchOptions {
  readonly maxBytes?: number;
  readonly minBytes?: number;
  readonly maxWaitMs?: number;
}

export interface Fetched {
  readonly item: FetchItem;
  /** A copy of what the slices held. */
  readonly bytes: Buffer;
}

export function fetchOnce(
  broker: Broker,
  partition: Partition | undefined,
  offset: number,
  options: FetchOptions = {},
): Promise<Fetched> {
  return new Promise((resolve) => {
    const item = new FetchItem(partition, offset, options.maxBytes ?? 1024 * 1024);
    const request: FetchRequest = {
      minBytes: options.minBytes ?? 0,
      maxBytes: options.maxBytes ?? 1024 * 1024,
      maxWaitMs: options.maxWaitMs ?? 0,
      readCommitted: false,
      items: [item],
      settled() {
        const bytes = Buffer.concat(item.slices);
        releaseFetch(request);
        resolve({ item, bytes });
      },
    };
    broker.fetch(request);
  });
}

/** The batches in the bytes, one buffer each. */
export function splitBatches(bytes: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = batchSizeBytes(bytes, at);
    batches.push(bytes.subarray(at, at + size));
    at += size;
  }
  return batches;
}
