/**
 * What topics that hold nothing cost, inside one process and without a socket: creates them through the broker, prints
 * the time, the memory of each after a collection, the time of a start, and the memory after it.
 *
 *   node --expose-gc bench/topics.ts [count]
 *
 * Must hold at 100,000: at most 2 KiB of RSS each, creation under 60 s, start under 5 s. `bench/suite.ts` measures the
 * same over the Kafka protocol.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { Broker } from '../src/broker/broker.ts';
import { NodeDisk } from '../src/journal/node-disk.ts';

/** Creations that wait for one sync together, as a client's request names many. */
const AT_ONCE = 500;

const count = Number(process.argv[2] ?? 100_000);
const directory = await mkdtemp(join(tmpdir(), 'millrace-topics-'));

function open(): Promise<Broker> {
  return Broker.open({ directory, disk: new NodeDisk(), clock: systemClock });
}

interface Memory {
  readonly rss: number;
  readonly heap: number;
}

async function settledMemory(): Promise<Memory> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

function perTopic(before: Memory, after: Memory): string {
  const rss = Math.round((after.rss - before.rss) / count);
  return `${rss} bytes of RSS and ${Math.round((after.heap - before.heap) / count)} of heap a topic`;
}

try {
  let broker = await open();
  const before = await settledMemory();
  const startedAt = performance.now();
  for (let from = 0; from < count; from += AT_ONCE) {
    const names = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, i) => `idle/${from + i}`);
    await Promise.all(names.map((name) => broker.topics.create({ name })));
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const after = await settledMemory();
  console.log(`created ${count} topics in ${seconds.toFixed(2)} s: ${perTopic(before, after)}`);
  await broker.close();
  const reopenedAt = performance.now();
  broker = await open();
  console.log(`start with ${broker.topics.size} topics: ${((performance.now() - reopenedAt) / 1000).toFixed(2)} s`);
  await broker.close();
} finally {
  await rm(directory, { recursive: true, force: true });
}
