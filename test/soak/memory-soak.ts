/**
 * One broker under steady work with the consumers that make brokers grow: one that stops reading its socket with answers
 * on the way, ones that read everything from the start again and again, ones that follow the end.
 */
import { readFileSync } from 'node:fs';
import { encodeBatch } from '../../src/model/batch-builder.ts';
import { BatchCursor } from '../../src/model/batch-cursor.ts';
import { baseOffset, lastOffset } from '../../src/model/record-batch.ts';
import { encodeRequest, fetch } from '../../src/wire/index.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';

const TOPIC = 'soak';
const RECORD_BYTES = 1000;
const RECORDS_PER_BATCH = 50;
/** 50 KB each: 5 MB/s, so that ten minutes are 3 GB, many times the caches. */
const BATCHES_PER_SECOND = 100;
const TAILERS = 4;
const REREADERS = 2;
/** Fetches of the stalled consumer: 16 MiB of answers that nobody takes. */
const STALLED_FETCHES = 16;
const STALLED_CONNECTIONS = 4;
const STALL_EVERY_MS = 2000;
const FETCH_BYTES = 1024 * 1024;
const SAMPLE_MS = 1000;

export interface MemorySample {
  readonly atMs: number;
  readonly rssBytes: number;
}

export interface MemoryResult {
  readonly samples: readonly MemorySample[];
  readonly peakBytes: number;
  /** Least-squares slope over the second half, when caches are full. */
  readonly slopeBytesPerMinute: number;
  readonly producedBytes: number;
  readonly tailedRecords: number;
  readonly rereadBytes: number;
}

/** @throws Error where a consumer is answered with an error, or a tailing one is not given what was produced. */
export async function runMemorySoak(
  durationMs: number,
  say: (line: string) => void = () => undefined,
): Promise<MemoryResult> {
  await using broker = await MillraceProcess.start();
  const stop = new AbortController();
  const counts = { produced: 0, tailed: 0, reread: 0 };
  {
    using client = await RawClient.connect(broker.kafka);
    await client.createTopic(TOPIC);
  }
  const tailers = Array.from({ length: TAILERS }, () => tail(broker.kafka, stop.signal, counts));
  const work = [
    produce(broker.kafka, stop.signal, counts),
    stall(broker.kafka, stop.signal),
    ...Array.from({ length: REREADERS }, () => reread(broker.kafka, stop.signal, counts)),
    ...tailers,
  ];
  const failed = Promise.race(work.map(async (worker) => await worker.then(() => new Promise<never>(() => undefined))));
  const samples: MemorySample[] = [];
  const startedAt = performance.now();
  try {
    while (performance.now() - startedAt < durationMs) {
      await Promise.race([pause(SAMPLE_MS), failed]);
      const sample = { atMs: performance.now() - startedAt, rssBytes: residentBytes(broker.pid) };
      samples.push(sample);
      say(
        `${Math.round(sample.atMs / 1000)} s: ${Math.round(sample.rssBytes / 1e6)} MB resident, ${Math.round(counts.produced / 1e6)} MB produced`,
      );
    }
  } finally {
    stop.abort();
    await Promise.allSettled(work);
  }
  return {
    samples,
    peakBytes: Math.max(...samples.map((sample) => sample.rssBytes)),
    slopeBytesPerMinute: slope(samples.slice(Math.floor(samples.length / 2))) * 60_000,
    producedBytes: counts.produced,
    tailedRecords: counts.tailed,
    rereadBytes: counts.reread,
  };
}

interface Counts {
  produced: number;
  tailed: number;
  reread: number;
}

async function produce(address: string, signal: AbortSignal, counts: Counts): Promise<void> {
  using client = await RawClient.connect(address);
  const value = Buffer.alloc(RECORD_BYTES, 'soak');
  const startedAt = performance.now();
  for (let sent = 0; !signal.aborted; sent++) {
    const records = Array.from({ length: RECORDS_PER_BATCH }, (_, i) => ({ value, timestamp: Date.now() + i }));
    const batch = encodeBatch(records);
    await client.produceBatch(TOPIC, 0, batch);
    counts.produced += batch.length;
    const dueMs = startedAt + ((sent + 1) * 1000) / BATCHES_PER_SECOND - performance.now();
    if (dueMs > 0) await pause(dueMs);
  }
}

/** Asks for megabytes and reads none of them; some such connections are always there, and the oldest goes when a new one comes. */
async function stall(address: string, signal: AbortSignal): Promise<void> {
  const held: RawClient[] = [];
  try {
    while (!signal.aborted) {
      const client = await RawClient.connect(address);
      held.push(client);
      client.pause();
      for (let correlationId = 1; correlationId <= STALLED_FETCHES; correlationId++) {
        client.send(encodeRequest(fetch, 12, { correlationId, clientId: 'stalled' }, fetchBody(0)));
      }
      if (held.length > STALLED_CONNECTIONS) held.shift()?.[Symbol.dispose]();
      await pause(STALL_EVERY_MS);
    }
  } finally {
    for (const client of held) client[Symbol.dispose]();
  }
}

async function reread(address: string, signal: AbortSignal, counts: Counts): Promise<void> {
  using client = await RawClient.connect(address);
  for (let offset = 0; !signal.aborted; ) {
    const { errorCode, highWatermark, records } = await client.fetch(TOPIC, 0, offset, { maxBytes: FETCH_BYTES });
    if (errorCode !== 0) throw new Error(`a reader at ${offset} gets error ${errorCode}`);
    counts.reread += records.length;
    offset = nextOffset(records, offset);
    if (offset >= highWatermark) offset = 0;
    // As fast as an ordinary consumer, so that a small machine is not busy with this alone.
    await pause(10);
  }
}

async function tail(address: string, signal: AbortSignal, counts: Counts): Promise<void> {
  using client = await RawClient.connect(address);
  let offset = await client.offsetAt(TOPIC, 0, -1);
  while (!signal.aborted) {
    const { errorCode, records } = await client.fetch(TOPIC, 0, offset, { maxWaitMs: 500, maxBytes: FETCH_BYTES });
    if (errorCode !== 0) throw new Error(`a tailing reader at ${offset} gets error ${errorCode}`);
    const next = nextOffset(records, offset);
    counts.tailed += next - offset;
    offset = next;
  }
}

/** @throws Error for a hole. */
function nextOffset(records: Uint8Array, from: number): number {
  const cursor = new BatchCursor(records);
  let next = from;
  while (cursor.next() === 'batch') {
    const first = baseOffset(records, cursor.position);
    if (first > next) throw new Error(`after ${next} (exclusive) comes ${first}`);
    next = lastOffset(records, cursor.position) + 1;
  }
  return next;
}

function fetchBody(fetchOffset: number) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: FETCH_BYTES }];
  return { maxWaitMs: 1000, minBytes: 1, maxBytes: FETCH_BYTES, topics: [{ topic: TOPIC, partitions }] };
}

/** Linux only, as all of this suite. */
function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1]) * 1024;
}

/** Bytes per millisecond. */
function slope(samples: readonly MemorySample[]): number {
  const atMean = mean(samples.map((sample) => sample.atMs));
  const rssMean = mean(samples.map((sample) => sample.rssBytes));
  const top = samples.reduce((sum, { atMs, rssBytes }) => sum + (atMs - atMean) * (rssBytes - rssMean), 0);
  const bottom = samples.reduce((sum, { atMs }) => sum + (atMs - atMean) ** 2, 0);
  return bottom === 0 ? 0 : top / bottom;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
