/**
 * Compaction of one large partition: how long a round takes, how much memory the process has at most meanwhile, and whether
 * what is left is right: of each key the newest record, byte for byte, checked against what was written.
 *
 * Workload: records of 450 bytes with keys of a pseudo-random order among a million, in batches of a thousand, then one round
 * without a limit on its pace. Process and worker thread are one process: its memory is that of both, and of this script.
 *
 * Usage: node bench/compaction.ts [records, default 3000000] [directory]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchBuilder } from '../src/model/batch-builder.ts';
import { lastOffset } from '../src/model/record-batch.ts';
import { readRecords } from '../src/model/record-codec.ts';
import type { Partition } from '../src/store/partition.ts';
import { fetchOnce, openBroker, produce, splitBatches } from '../test/kit/broker-kit.ts';

const RECORDS = Number(process.argv[2] ?? 3_000_000);
const KEYS = 1_000_000;
const VALUE_BYTES = 450;
const BATCH_RECORDS = 1_000;
const IN_FLIGHT = 16;
const MIB = 1024 * 1024;

const directory = mkdtempSync(path.join(process.argv[3] ?? tmpdir(), 'millrace-bench-compaction-'));
const broker = await openBroker(directory, {
  settings: { sync: 'interval', sealBytes: 0, compactionBytesPerSecond: 0, compactionCheckMs: 86_400_000 },
});
const topic = await broker.topics.create({
  name: 'state',
  config: { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01' },
});
const partition = topic.partitions[0] as Partition;
/** Offset of the newest record of each key, plus one. */
const written = new Uint32Array(KEYS);

try {
  const writeSeconds = await timed(write);
  while (broker.checkpointer.waitingFiles > 0) await sleep(100);
  const before = partition.sizeBytes;
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 50);
  const seconds = await timed(() => broker.compactor.compact());
  clearInterval(timer);
  const { keptRecords, droppedRecords, readBytes, writtenBytes } = broker.compactor.counters;
  const wrong = await check();
  process.stdout.write(
    `${JSON.stringify({
      records: RECORDS,
      writeSeconds,
      compactSeconds: seconds,
      peakMiB: Math.round(peak / MIB),
      beforeMiB: Math.round(before / MIB),
      afterMiB: Math.round(partition.sizeBytes / MIB),
      keptRecords,
      droppedRecords,
      readMiB: Math.round(readBytes / MIB),
      writtenMiB: Math.round(writtenBytes / MIB),
      wrong,
    })}\n`,
  );
  if (wrong > 0) process.exitCode = 1;
} finally {
  await broker.close();
  rmSync(directory, { recursive: true, force: true });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return Math.round((performance.now() - begun) / 100) / 10;
}

async function write(): Promise<void> {
  const builder = new BatchBuilder();
  const value = Buffer.alloc(VALUE_BYTES, 'v');
  const waiting: Promise<unknown>[] = [];
  let state = 7;
  for (let offset = 0; offset < RECORDS; offset++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const key = state % KEYS;
    written[key] = offset + 1;
    value.writeUInt32LE(offset);
    builder.add({ key: `key-${key}`, value, timestamp: 1_700_000_000_000 + offset });
    if (builder.recordCount < BATCH_RECORDS && offset + 1 < RECORDS) continue;
    waiting.push(produce(broker, topic, 0, Uint8Array.from(builder.build())));
    if (waiting.length === IN_FLIGHT) await Promise.all(waiting.splice(0));
  }
  await Promise.all(waiting);
}

/** @returns records with other bytes, and keys whose newest record is not the one that was written last. */
async function check(): Promise<number> {
  const found = new Uint32Array(KEYS);
  let wrong = 0;
  for (let next = 0; next < partition.highWatermark; ) {
    const { bytes } = await fetchOnce(broker, partition, next, { maxBytes: 8 * MIB });
    for (const batch of splitBatches(bytes)) {
      for (const { key, value, offset } of readRecords(batch)) {
        if (Buffer.from(value ?? []).readUInt32LE() !== offset) wrong += 1;
        found[
          Number(
            Buffer.from(key ?? [])
              .toString()
              .slice('key-'.length),
          )
        ] = offset + 1;
      }
      next = lastOffset(batch, 0) + 1;
    }
  }
  for (let key = 0; key < KEYS; key++) if (found[key] !== written[key]) wrong += 1;
  return wrong;
}
