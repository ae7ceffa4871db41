/**
 * Kill -9 of a broker that compacts all the time, on real files: of each key the value that was acknowledged last, or a
 * later one, is there after every restart; offsets and content of all records are those that were written. Power loss is
 * test/sim/compaction-crash.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { platformatic2Driver } from '../clients/platformatic-driver.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { RawClient } from '../kit/raw-client.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const ROUNDS = 5;
const KEYS = 50;
const SETTINGS = [
  ...['journal.file.bytes=1048576', 'checkpoint.bytes=1048576', 'tail.cache.bytes=1048576', 'seal.bytes=2097152'],
  ...['log.cleaner.backoff.ms=100', 'log.cleaner.io.max.bytes.per.second=0'],
];

/** Until the broker is gone. */
async function write(broker: MillraceProcess, next: { value: number }, acked: Map<string, number>): Promise<void> {
  try {
    await using producer = await platformatic2Driver.producer(broker.kafka);
    for (;;) {
      const sent = Array.from({ length: KEYS }, (_, i) => ({ key: `key ${i}`, value: next.value++ }));
      const records = sent.map(({ key, value }) => ({
        key: Buffer.from(key),
        value: Buffer.from(`${value} `.padEnd(700, '.')),
        headers: [],
      }));
      await producer.send('state', records);
      for (const { key, value } of sent) acked.set(key, value);
    }
  } catch {
    // Killed.
  }
}

test(`kill -9 while compacting, seed ${SEED}`, { timeout: 240_000 }, async () => {
  const random = new SeededRandom(SEED);
  await using broker = await MillraceProcess.start({ settings: SETTINGS });
  {
    using client = await RawClient.connect(broker.kafka);
    await client.createTopic('state', 1, [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'min.cleanable.dirty.ratio', value: '0.01' },
    ]);
  }
  const acked = new Map<string, number>();
  const next = { value: 0 };
  let compactions = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const writing = write(broker, next, acked);
    await sleep(1_000 + random.below(1_500));
    compactions += await metric(broker, 'millrace_compaction_partitions_total');
    await broker.kill9();
    await writing;
    await broker.start();
    const newest = new Map<string, number>();
    for (const { key, value, offset } of await readAll(broker)) {
      const written = Number(value.replaceAll('.', ''));
      assert.ok(written > (newest.get(key) ?? -1), `offset ${offset}: ${key} goes back`);
      newest.set(key, written);
    }
    for (const [key, value] of acked) {
      assert.ok((newest.get(key) ?? -1) >= value, `round ${round}: ${key} was ${value}, is ${newest.get(key)}`);
    }
  }
  assert.ok(compactions > ROUNDS, `only ${compactions} compactions`);
});

async function metric(broker: MillraceProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://${broker.http}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

interface Read {
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

async function readAll(broker: MillraceProcess): Promise<Read[]> {
  const records: Read[] = [];
  const answer = await fetch(`http://${broker.http}/v1/topics/state/partitions`);
  const { partitions } = (await answer.json()) as { partitions: { logStartOffset: number; highWatermark: number }[] };
  const [{ logStartOffset, highWatermark }] = partitions as [{ logStartOffset: number; highWatermark: number }];
  for (let offset = logStartOffset; offset < highWatermark; ) {
    const page = await fetch(`http://${broker.http}/v1/topics/state/records?partition=0&offset=${offset}&limit=1000`);
    assert.equal(page.status, 200, await page.clone().text());
    const body = (await page.json()) as { records: Read[]; next: { offset: number }[] | undefined };
    records.push(...body.records);
    const last = body.records.at(-1)?.offset ?? highWatermark;
    offset = last + 1;
  }
  return records;
}
