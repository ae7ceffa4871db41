/**
 * Proves fetch sessions (KIP-227): what they leave out, what they never leave out, their errors, their bounds, and that
 * a consumer that uses one sees exactly what one without sees, whatever happens in between. That clients keep to the
 * protocol is theirs: test/clients runs @platformatic/kafka, which opens sessions.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Consumer } from '@platformatic/kafka';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { KafkaKit, type RawClient } from '../../../test/kit/kafka-kit.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { batchSizeBytes, isControl, lastOffset } from '../../model/record-batch.ts';
import { fetch } from '../../wire/index.ts';
import { FetchSession } from './fetch-session.ts';
import { IDLE_MS, PROTECTED_MS } from './fetch-sessions.ts';

const DEADLINE = { timeout: 60_000 };

interface Ask {
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly version?: number;
  /** [topic, partition, offset] */
  readonly at?: readonly (readonly [string, number, number])[];
  readonly forget?: readonly (readonly [string, number])[];
  readonly isolationLevel?: number;
}

async function ask(client: RawClient, session: readonly [number, number], options: Ask = {}) {
  const { maxWaitMs = 0, minBytes = 1, version = 12, at = [], forget = [], isolationLevel = 0 } = options;
  const names = (topic: string) => (version >= 13 ? { topicId: topic } : { topic });
  const answer = await client.call(fetch, version, {
    maxWaitMs,
    minBytes,
    isolationLevel,
    sessionId: session[0],
    sessionEpoch: session[1],
    topics: at.map(([topic, partition, fetchOffset]) => ({
      ...names(topic),
      partitions: [{ partition, fetchOffset, partitionMaxBytes: 100_000 }],
    })),
    forgottenTopicsData: forget.map(([topic, partition]) => ({ ...names(topic), partitions: [partition] })),
  });
  const told = answer.responses.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((partition) => ({ topic: version >= 13 ? topicId : topic, ...partition })),
  );
  return { ...answer, told };
}

type Answer = Awaited<ReturnType<typeof ask>>;

/** What the answer says, without the records: topic, partition, error, high watermark, and whether records are there. */
function view({ told }: Answer): unknown[] {
  return told.map((each) => [
    `${each.topic}-${each.partitionIndex}`,
    each.errorCode,
    each.highWatermark,
    (each.records?.length ?? 0) > 0,
  ]);
}

test('a session tells everything once, then only what changed', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'a', partitions: 2 });
  await kit.broker.topics.create({ name: 'b' });
  await client.produce('a', 1, batchOf(['1', '2']));
  const opened = await ask(client, [0, 0], {
    at: [
      ['a', 0, 0],
      ['a', 1, 0],
      ['b', 0, 0],
    ],
  });
  const id = opened.sessionId;
  assert.ok(id > 0);
  assert.deepEqual(view(opened), [
    ['a-0', 0, 0, false],
    ['a-1', 0, 2, true],
    ['b-0', 0, 0, false],
  ]);
  // The client has read them: it names the one partition whose offset moved.
  assert.deepEqual(view(await ask(client, [id, 1], { at: [['a', 1, 2]] })), []);
  assert.deepEqual(view(await ask(client, [id, 2])), []);
  await client.produce('b', 0, batchOf(['3']));
  assert.deepEqual(view(await ask(client, [id, 3])), [['b-0', 0, 1, true]]);
  // It did not say that it read it, so it gets it again.
  assert.deepEqual(view(await ask(client, [id, 4])), [['b-0', 0, 1, true]]);
  // A partition that is forgotten is not told of; one that is new is told of in any case.
  await client.produce('a', 0, batchOf(['4']));
  await kit.broker.topics.create({ name: 'c' });
  const changed = await ask(client, [id, 5], {
    at: [
      ['c', 0, 0],
      ['b', 0, 1],
    ],
    forget: [['a', 0]],
  });
  assert.deepEqual(view(changed), [['c-0', 0, 0, false]]);
  await client.produce('a', 0, batchOf(['5']));
  assert.deepEqual(view(await ask(client, [id, 6])), []);
  assert.equal(kit.listener.metrics.fetchSessions, 1);
  // Nothing is left in it: it ends, and its id is gone.
  const all = [
    ['a', 1],
    ['b', 0],
    ['c', 0],
  ] as const;
  const last = await ask(client, [id, 7], { forget: all, maxWaitMs: 10_000 });
  assert.deepEqual([last.errorCode, last.sessionId, last.told], [0, 0, []]);
  assert.equal((await ask(client, [id, 8])).errorCode, 70);
  assert.deepEqual([kit.listener.metrics.fetchSessions, kit.listener.metrics.fetchSessionBytes], [0, 0]);
});

test('errors: unknown id, wrong epoch, names where ids were, and how a session ends', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const topic = await kit.broker.topics.create({ name: 'a' });
  assert.equal((await ask(client, [12_345, 1])).errorCode, 70);
  const byName = (await ask(client, [0, 0], { at: [['a', 0, 0]] })).sessionId;
  assert.equal((await ask(client, [byName, 2])).errorCode, 71);
  assert.equal((await ask(client, [byName, -7])).errorCode, 71);
  assert.equal((await ask(client, [byName, 1], { version: 13 })).errorCode, 106);
  assert.equal((await ask(client, [byName, 1])).errorCode, 0, 'errors do not move the epoch');
  const byId = (await ask(client, [0, 0], { version: 15, at: [[topic.id, 0, 0]] })).sessionId;
  assert.equal((await ask(client, [byId, 1])).errorCode, 106);
  assert.equal((await ask(client, [byId, 1], { version: 15 })).errorCode, 0);
  // Epoch 0 with an id replaces that session; -1 ends it.
  const next = (await ask(client, [byName, 0], { at: [['a', 0, 0]] })).sessionId;
  assert.notEqual(next, byName);
  assert.equal((await ask(client, [byName, 2])).errorCode, 70);
  const ended = await ask(client, [next, -1], { at: [['a', 0, 0]] });
  assert.deepEqual([ended.sessionId, ended.told.length], [0, 1]);
  assert.equal((await ask(client, [next, 1])).errorCode, 70);
  const session = new FetchSession(1, false, 0);
  session.epoch = 0x7fff_ffff;
  session.advanceEpoch();
  assert.equal(session.epoch, 1, 'never 0, which would ask for a new session');
});

test('a fetch of a session waits for partitions that it does not name', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const [client, other] = [await kit.client(), await kit.client()];
  await kit.broker.topics.create({ name: 'a', partitions: 50 });
  const at = Array.from({ length: 50 }, (_, i) => ['a', i, 0] as const);
  const { sessionId: id } = await ask(client, [0, 0], { at });
  assert.deepEqual(view(await ask(client, [id, 1])), []);
  for (let epoch = 2; epoch < 8; epoch++) {
    const waiting = ask(client, [id, epoch], {
      maxWaitMs: 30_000,
      ...(epoch > 2 ? { at: [['a', 39 + epoch - 1, 1] as const] } : {}),
    });
    await parked(kit);
    await other.produce('a', 39 + epoch, batchOf([`${epoch}`]));
    assert.deepEqual(view(await waiting), [[`a-${39 + epoch}`, 0, 1, true]]);
  }
  // More than one byte is asked for: the first record is not enough, and both are told.
  const patient = ask(client, [id, 8], { maxWaitMs: 30_000, minBytes: 120, at: [['a', 46, 1]] });
  await parked(kit);
  await other.produce('a', 0, batchOf(['x']));
  await other.produce('a', 1, batchOf(['y']));
  assert.deepEqual(view(await patient), [
    ['a-0', 0, 1, true],
    ['a-1', 0, 1, true],
  ]);
});

test('topics that are deleted, made anew or made later', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const client = await kit.client();
  const first = await kit.broker.topics.create({ name: 'a' });
  const { sessionId: id, told } = await ask(client, [0, 0], {
    at: [
      ['a', 0, 0],
      ['later', 0, 0],
    ],
  });
  assert.deepEqual(
    told.map(({ errorCode }) => errorCode),
    [0, 3],
  );
  const { sessionId: byId } = await ask(client, [0, 0], { version: 13, at: [[first.id, 0, 0]] });
  assert.deepEqual(view(await ask(client, [id, 1])), [['later-0', 3, -1, false]], 'an error is told again and again');
  await kit.broker.topics.create({ name: 'later' });
  assert.deepEqual(view(await ask(client, [id, 2])), [['later-0', 0, 0, false]]);
  const waiting = ask(client, [id, 3], { maxWaitMs: 30_000 });
  await parked(kit);
  await kit.broker.topics.delete(first);
  assert.deepEqual(view(await waiting), [['a-0', 3, -1, false]]);
  await kit.broker.topics.create({ name: 'a' });
  await client.produce('a', 0, batchOf(['new']));
  assert.deepEqual(view(await ask(client, [id, 4])), [['a-0', 0, 1, true]]);
  assert.deepEqual(view(await ask(client, [byId, 1], { version: 13 })), [[`${first.id}-0`, 100, -1, false]]);
});

test('sessions are bounded in number and bytes, and idle ones end', DEADLINE, async () => {
  const clock = new ManualClock();
  await using kit = await KafkaKit.start({
    clock,
    settings: { maxFetchSessions: 2, maxFetchSessionBytes: 40_000, maxIdleMs: 10 * IDLE_MS },
  });
  const client = await kit.client();
  await kit.broker.topics.create({ name: 'a', partitions: 100 });
  const open = async (count = 1) => {
    const at = Array.from({ length: count }, (_, i) => ['a', i, 0] as const);
    return (await ask(client, [0, 0], { at })).sessionId;
  };
  const [first, second] = [await open(), await open()];
  assert.equal(await open(), 0, 'both are in use');
  clock.advance(PROTECTED_MS + 1);
  assert.equal((await ask(client, [first, 1])).errorCode, 0);
  const third = await open();
  assert.ok(third > 0, 'in the place of the one used longest ago');
  assert.deepEqual([(await ask(client, [second, 1])).errorCode, (await ask(client, [first, 2])).errorCode], [70, 0]);
  assert.equal(kit.listener.metrics.fetchSessionsEvicted, 1);
  clock.advance(PROTECTED_MS + 1);
  assert.equal(await open(100), 0, 'larger than all that there is');
  assert.equal((await open(70)) > 0, true, 'others make room');
  // A session that outgrows the bound goes itself.
  clock.advance(1);
  const grown = await open(1);
  const at = Array.from({ length: 90 }, (_, i) => ['a', i, 0] as const);
  if (grown > 0) assert.equal((await ask(client, [grown, 1], { at })).errorCode, 70);
  assert.ok(kit.listener.metrics.fetchSessionBytes <= 40_000);
  clock.advance(IDLE_MS + 1);
  clock.advance(IDLE_MS + 1);
  assert.deepEqual([kit.listener.metrics.fetchSessions, kit.listener.metrics.fetchSessionBytes], [0, 0]);
  for (const partition of kit.broker.topics.find('a')?.partitions ?? []) assert.equal(partition.waiters, undefined);
});

test('whatever happens, a session and a plain consumer read the same', DEADLINE, async (t) => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  await using kit = await KafkaKit.start();
  const [client, producer] = [await kit.client(), await kit.client()];
  const count = 12;
  await kit.broker.topics.create({ name: 'm', partitions: count });
  const next = Array.from({ length: count }, () => 0);
  const written = Array.from({ length: count }, () => 0);
  const known = Array.from({ length: count }, () => -1);
  const subscribed = new Set<number>();
  const moved = new Set<number>();
  let [id, epoch] = [0, 0];
  for (let step = 0; step < 400; step++) {
    for (let left = random.below(4); left > 0; left--) {
      const index = random.below(count);
      const size = 1 + random.below(3);
      await producer.produce('m', index, batchOf(Array.from({ length: size }, (_, i) => `${i}`)));
      written[index] = (written[index] ?? 0) + size;
    }
    const forget: (readonly [string, number])[] = [];
    const toggled = random.below(count);
    if (random.chance(0.2) && id !== 0) {
      if (subscribed.delete(toggled)) {
        forget.push(['m', toggled]);
        moved.delete(toggled);
      } else {
        subscribed.add(toggled);
        moved.add(toggled);
      }
    }
    if (id === 0) for (let i = 0; i < count; i++) subscribed.add(i);
    const at = [...(id === 0 ? subscribed : moved)].map((index) => ['m', index, next[index] ?? 0] as const);
    moved.clear();
    const answer = await ask(client, [id, epoch], { at, forget, isolationLevel: step % 2 });
    assert.equal(answer.errorCode, 0);
    id = answer.sessionId;
    epoch = id === 0 ? 0 : epoch + 1;
    for (const { partitionIndex: index, highWatermark, records, errorCode } of answer.told) {
      assert.equal(errorCode, 0);
      assert.ok(subscribed.has(index));
      known[index] = highWatermark;
      // A client may leave what it got alone; then it comes again.
      if (random.chance(0.2) || (records?.length ?? 0) === 0) continue;
      next[index] = endOf(records ?? new Uint8Array(0), next[index] ?? 0);
      moved.add(index);
    }
    for (const index of subscribed) {
      assert.equal(known[index], written[index], `step ${step}: high watermark of ${index}`);
    }
  }
});

test('@platformatic/kafka opens sessions and reads every record of 40 partitions through one', DEADLINE, async () => {
  await using kit = await KafkaKit.start();
  const count = 40;
  await kit.broker.topics.create({ name: 'wide', partitions: count });
  const producer = await kit.client();
  const { port } = kit.listener.address;
  const consumer = new Consumer({
    clientId: 'c',
    groupId: 'g',
    bootstrapBrokers: [`127.0.0.1:${port}`],
    maxWaitTime: 100,
  });
  const stream = await consumer.consume({ topics: ['wide'], mode: 'earliest' });
  const seen: string[] = [];
  const all = new Promise<void>((resolve) => {
    stream.on('data', ({ partition, offset }) => {
      if (seen.push(`${partition}@${offset}`) === 3 * count) resolve();
    });
  });
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < count; i++) await producer.produce('wide', i, batchOf([`${round}`]));
  }
  await all;
  assert.equal(new Set(seen).size, 3 * count, 'each once');
  assert.ok(kit.listener.metrics.fetchSessionsCreated >= 1);
  await stream.close();
  await consumer.close();
});

/** Offset after the batches, which must continue at `from`. */
function endOf(bytes: Uint8Array, from: number): number {
  let end = from;
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
    assert.ok(!isControl(bytes, at));
    end = lastOffset(bytes, at) + 1;
  }
  assert.ok(end > from);
  return end;
}

async function parked(kit: KafkaKit): Promise<void> {
  while (kit.broker.fetchPath.counters.parked === 0) await new Promise((resolve) => setTimeout(resolve, 2));
}
