/**
 * Transactions over a real directory with small files: open and aborted ones span journal files, checkpoints are folded
 * by the worker, and the broker is killed and started again between. Proves that a restart keeps producer ids, sequences,
 * open transactions and the list of aborted ones, that read-committed consumers see committed records only wherever the
 * files end, and that no producer id is given out twice. Power loss: test/sim/transactions.test.ts.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { batchOf, checkpointNow, openBroker, splitBatches } from '../../../test/kit/broker-kit.ts';
import { committedRecords } from '../../../test/kit/committed-reader.ts';
import { copyAsKilled } from '../../../test/kit/killed-copy.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { lastOffset } from '../../model/record-batch.ts';
import type { Broker } from '../broker.ts';
import { FetchItem, type FetchRequest, releaseFetch } from '../fetch.ts';
import { ProduceItem } from '../produce.ts';

const DEADLINE = { timeout: 60_000 };
const SETTINGS = { journalFileBytes: 8 * 1024, tailCacheBytes: 0, checkpointBytes: 8 * 1024 };
const PARTITIONS = 3;

interface Who {
  readonly transactionalId: string;
  producerId: number;
  producerEpoch: number;
}

async function append(broker: Broker, index: number, batch: Uint8Array, joins = true): Promise<ProduceItem> {
  return await new Promise((resolve, reject) => {
    const topic = broker.topics.find('t');
    const item = new ProduceItem(topic, topic?.partitions[index], Uint8Array.from(batch));
    void broker.produce({
      degree: 'durable',
      items: [item],
      lease: undefined,
      joins,
      settled: (error) => (error === undefined ? resolve(item) : reject(error)),
    });
  });
}

async function init(broker: Broker, transactionalId: string): Promise<Who> {
  const request = { transactionalId, timeoutMs: 600_000, producerId: -1, producerEpoch: -1 };
  const answer = await broker.transactions.initProducerId(request);
  assert.ok(answer.error === undefined);
  return { transactionalId, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
}

async function end(broker: Broker, who: Who, committed: boolean): Promise<void> {
  const answer = await broker.transactions.end({ ...who, committed, bumpsEpoch: true });
  assert.ok(answer.error === undefined, String(answer.error));
  who.producerId = answer.producerId;
  who.producerEpoch = answer.producerEpoch;
}

async function fetchFrom(broker: Broker, index: number, offset: number): Promise<{ item: FetchItem; bytes: Buffer }> {
  return await new Promise((resolve) => {
    const item = new FetchItem(broker.topics.find('t')?.partitions[index], offset, 3000);
    const request: FetchRequest = {
      minBytes: 0,
      maxBytes: 3000,
      maxWaitMs: 0,
      readCommitted: true,
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

async function readCommitted(broker: Broker, index: number): Promise<string[]> {
  const values: string[] = [];
  for (let offset = 0; ; ) {
    const { item, bytes } = await fetchFrom(broker, index, offset);
    assert.equal(item.error, undefined);
    if (bytes.length === 0) return values;
    values.push(...committedRecords(bytes, item.abortedTransactions, offset).map(({ value }) => value));
    offset = lastOffset(splitBatches(bytes).at(-1) as Buffer, 0) + 1;
  }
}

test('over files, checkpoints and restarts, consumers see what was committed and nothing else', DEADLINE, async () => {
  using directory = new TempDirectory();
  const random = new SeededRandom(11);
  let broker = await openBroker(join(directory.path, '0'), { settings: SETTINGS });
  await broker.topics.create({ name: 't', partitions: PARTITIONS });
  const expected: string[][] = Array.from({ length: PARTITIONS }, () => []);
  const long = await init(broker, 'open over everything');
  await append(broker, 2, batchOf(['open'], { ...long, baseSequence: 0, transactional: true }));
  let checkpoints = 0;
  for (let round = 1; round <= 4; round++) {
    const producers = await Promise.all(['a', 'b', 'c'].map((name) => init(broker, name)));
    const sequences = producers.map(() => [0, 0]);
    const values: string[][][] = producers.map(() => [[], []]);
    // Interleaved, so that transactions overlap and span several files.
    for (let step = 0; step < 30; step++) {
      const [which, index] = [random.below(producers.length), random.below(2)];
      const who = producers[which] as Who;
      const value = `${round}-${step}-${'x'.repeat(200)}`;
      const baseSequence = sequences[which]?.[index] as number;
      const batch = batchOf([value], { ...who, baseSequence, transactional: true });
      assert.equal((await append(broker, index, batch)).error, undefined);
      (sequences[which] as number[])[index] = baseSequence + 1;
      values[which]?.[index]?.push(value);
    }
    for (const [which, who] of producers.entries()) {
      const committed = (which + round) % 3 !== 0;
      // A commit shows its records at once, in their places: compared as sets below, in order of offsets by readCommitted.
      await end(broker, who, committed);
      if (committed) for (const index of [0, 1]) expected[index]?.push(...(values[which]?.[index] ?? []));
    }
    if (round % 2 === 0) await checkpointNow(broker);
    checkpoints = Math.max(checkpoints, broker.checkpointer.lastCheckpoint);
    const copy = join(directory.path, String(round));
    const from = join(directory.path, String(round - 1));
    copyAsKilled(from, copy);
    await broker.close();
    broker = await openBroker(copy, { settings: SETTINGS });
    for (const index of [0, 1]) {
      const seen = await readCommitted(broker, index);
      assert.deepEqual(seen.toSorted(), expected[index]?.toSorted(), `partition ${index} after round ${round}`);
    }
    assert.deepEqual(await readCommitted(broker, 2), [], 'held back by the one that is open');
  }
  assert.ok(checkpoints > 0, 'no checkpoint was made: the test proves less than it says');
  const last = { ...long, baseSequence: 1, transactional: true };
  assert.equal((await append(broker, 2, batchOf(['still open'], last))).error, undefined);
  assert.equal((await append(broker, 2, batchOf(['still open'], last))).baseOffset, 1, 'a repeat, known as one');
  await end(broker, long, true);
  assert.deepEqual(await readCommitted(broker, 2), ['open', 'still open']);
  await broker.close();
});

test('a restart keeps ids, epochs and sequences, and gives no producer id out twice', DEADLINE, async () => {
  using directory = new TempDirectory();
  let path = join(directory.path, '0');
  let broker = await openBroker(path, { settings: SETTINGS });
  await broker.topics.create({ name: 't', partitions: PARTITIONS });
  const given = new Set<number>();
  const idempotent = await broker.producers.allocateProducerId();
  given.add(idempotent.producerId);
  const who = await init(broker, 'kept');
  given.add(who.producerId);
  for (let round = 1; round <= 5; round++) {
    const sequence = round - 1;
    const batch = batchOf(['plain'], { ...idempotent, baseSequence: sequence });
    const first = await append(broker, 0, batch);
    await append(broker, 1, batchOf(['t'], { ...who, baseSequence: 0, transactional: true }));
    const fresh = await broker.producers.allocateProducerId();
    assert.ok(!given.has(fresh.producerId), `${fresh.producerId} was given out before`);
    given.add(fresh.producerId);
    const next = join(directory.path, String(round));
    copyAsKilled(path, next);
    await broker.close();
    path = next;
    broker = await openBroker(path, { settings: SETTINGS });
    assert.equal((await append(broker, 0, batch)).baseOffset, first.baseOffset, 'the repeat of what is stored');
    const gap = batchOf(['gap'], { ...idempotent, baseSequence: sequence + 5 });
    assert.equal((await append(broker, 0, gap)).error, 'BROKER_SEQUENCE_GAP');
    const open = broker.transactions.describe('kept');
    assert.deepEqual([open?.phase, open?.producerId, open?.producerEpoch], ['ongoing', who.producerId, round - 1]);
    await end(broker, who, round % 2 === 0);
    assert.equal(who.producerEpoch, round);
  }
  await broker.close();
});
