/**
 * Repeated messages in the append path: what is stored, where repeats are said to stand, what becomes of batches with both,
 * of compressed ones, of idempotent and of transactional producers. Restarts and checkpoints: restart.test.ts beside it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { History } from '../../../test/kit/history.ts';
import { type MessageBatchOptions, messageBatch, placesOf } from '../../../test/kit/message-batch.ts';
import { transactOnce } from '../../journal/journal.ts';
import {
  CODEC,
  type CodecName,
  codec as codecOf,
  computeCrc,
  crc,
  isLogAppendTime,
  lastOffsetDelta,
  maxTimestamp,
  recordCount,
} from '../../model/record-batch.ts';
import { ProduceItem } from '../produce.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import { stageEnd } from '../transactions/stage-end.ts';
import { transactionCommands } from '../transactions/transaction-commands.ts';
import type { TransactionRecord } from '../transactions/transactions-state.ts';

const DEADLINE = { timeout: 60_000 };
const WINDOW_MS = 10_000;

function many(round: number): string[] {
  return Array.from({ length: 4000 }, (_, i) => `${round}-${i}=x`);
}

function from(baseSequence: number): MessageBatchOptions {
  return { producer: { producerId: 7, producerEpoch: 0, baseSequence } };
}

/** A topic that remembers ids, and what its partition 0 got. */
class World {
  readonly history: History;
  readonly topic: Topic;
  /** Batches as they were staged. */
  readonly stored: Uint8Array[] = [];

  private constructor(history: History, topic: Topic) {
    this.history = history;
    this.topic = topic;
    const fold = history.state.batches.bind(history.state);
    history.state.batches = (run) => {
      this.stored.push(Uint8Array.from(run.bytes));
      fold(run);
    };
  }

  static async open(config: Record<string, string> = {}): Promise<World> {
    const history = await History.open(new FakeDisk(), { fileBytes: 64 * 1024 * 1024 });
    const withWindow = { 'dedup.window.ms': String(WINDOW_MS), 'max.message.bytes': '8000000', ...config };
    return new World(history, await history.topics.create({ name: 't', partitions: 2, config: withWindow }));
  }

  /** Offset or error of the batch; where its records stand, if some were repeats. */
  async send(records: readonly string[], options: MessageBatchOptions = {}, partition = 0): Promise<unknown> {
    const item = await this.history.produce(this.topic, partition, messageBatch(records, options));
    if (item.error !== undefined) return item.error;
    return item.offsets === undefined ? item.baseOffset : [item.baseOffset, ...item.offsets];
  }

  places(): string[] {
    for (const batch of this.stored) assert.equal(crc(batch, 0), computeCrc(batch, 0, batch.length), 'a sound batch');
    return this.stored.flatMap((batch) => placesOf(batch));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.history.opener.close();
    await this.history.journal.close();
  }
}

test('a repeat is answered with the first offset and stored once, in its partition', DEADLINE, async () => {
  await using world = await World.open();
  assert.equal(await world.send(['a=1', 'b=2', '=3', '=3']), 0);
  const head = world.history.journal.status().headCommit;
  assert.deepEqual(await world.send(['b=again']), [1, 1]);
  assert.deepEqual(await world.send(['a=1', 'b=2']), [0, 0, 1]);
  assert.equal(world.history.journal.status().headCommit, head, 'nothing was written for them');
  assert.equal(await world.send(['=3']), 4, 'records without an id are always stored');
  assert.equal(await world.send(['a=other partition'], {}, 1), 0);
  assert.deepEqual(world.places(), ['0:1', '1:2', '2:3', '3:3', '4:3', '0:other partition']);
  assert.equal(world.history.messageIds.counters.repeats, 3);
  assert.equal(world.history.messageIds.size, 3);
});

test('of a batch with both, what is new is stored where the producer believes it', DEADLINE, async () => {
  await using world = await World.open();
  await world.send(['a=1', 'b=2']);
  assert.deepEqual(await world.send(['c=3', 'a=1', 'd=4', 'c=3']), [2, NaN, 0, NaN, 2]);
  // The repeat at the end leaves a gap too, as compaction would.
  assert.equal(await world.send(['e=5']), 6);
  assert.deepEqual(world.places(), ['0:1', '1:2', '2:3', '4:4', '6:5']);
  const mixed = world.stored[1] as Uint8Array;
  assert.deepEqual([recordCount(mixed, 0), lastOffsetDelta(mixed, 0)], [2, 3]);
  assert.equal(maxTimestamp(mixed, 0), 1_700_000_000_002, 'of what is left');
  assert.deepEqual(await world.send(['d=4']), [4, 4]);
});

test('the window and the number of ids are limits', DEADLINE, async () => {
  await using world = await World.open({ 'dedup.max.entries': '3' });
  const { clock, messageIds } = world.history;
  await world.send(['a=1']);
  clock.advance(WINDOW_MS);
  assert.deepEqual(await world.send(['a=1']), [0, 0], 'the last moment of the window');
  clock.advance(1);
  assert.equal(await world.send(['a=1']), 1, 'a repeat does not begin the window anew');
  await world.send(['b=2', 'c=3', 'd=4']);
  assert.equal(messageIds.size, 3);
  assert.equal(await world.send(['a=1']), 5, 'the oldest was forgotten');
  assert.deepEqual(await world.send(['d=4']), [4, 4]);
});

test('memory of all ids together is bounded', DEADLINE, async () => {
  await using world = await World.open();
  for (let round = 0; round < 4; round++) await world.send(many(round));
  const { messageIds } = world.history;
  // The kit's bound is 1 MiB; the request that crosses it is remembered whole, and from then on it stays so.
  assert.ok(messageIds.sizeBytes < 2 * 1024 * 1024, String(messageIds.sizeBytes));
  const { size } = messageIds;
  await world.send(many(9));
  assert.equal(messageIds.size, size);
  assert.deepEqual(await world.send(['9-3999=x']), [19_999, 19_999], 'the newest are known');
});

test('topics without the setting are not looked into', DEADLINE, async () => {
  await using world = await World.open({ 'dedup.window.ms': '0' });
  const damaged = messageBatch(['a=1']);
  // A record that nobody could read, under a right checksum: only who opens it would know.
  damaged[61] = 0x7f;
  new DataView(damaged.buffer).setUint32(17, computeCrc(damaged, 0, damaged.length));
  assert.equal((await world.history.produce(world.topic, 0, damaged)).error, undefined);
  assert.equal(await world.send(['a=1']), 1);
  assert.equal(world.history.messageIds.size, 0);
  const config = [{ name: 'dedup.window.ms', op: 'set' as const, value: '1000' }];
  await world.history.topics.configure(world.topic, config);
  const item = await world.history.produce(world.topic, 0, damaged);
  assert.equal(item.error, 'MODEL_RECORD_INVALID', 'with it they are');
  assert.equal(await world.send(['a=1']), 2);
  assert.deepEqual(await world.send(['a=1']), [2, 2]);
  await world.history.topics.configure(world.topic, [{ name: 'dedup.window.ms', op: 'delete' }]);
  assert.equal(await world.send(['a=1']), 3);
});

test('an id that is too long is refused, an empty one is none', DEADLINE, async () => {
  await using world = await World.open();
  assert.equal(await world.send([`${'x'.repeat(256)}=1`]), 0);
  assert.equal(await world.send([`${'x'.repeat(257)}=1`]), 'BROKER_MESSAGE_ID_INVALID');
  for (const codec of ['none', 'gzip'] as const) {
    assert.equal(await world.send(['ok=2', `${'y'.repeat(300)}=1`], { codec }), 'BROKER_MESSAGE_ID_INVALID');
  }
  assert.deepEqual(world.places(), ['0:1']);
});

for (const name of ['gzip', 'snappy', 'lz4', 'zstd'] as const satisfies CodecName[]) {
  test(`compressed batches are opened, and stay in ${name} where some of them are repeats`, DEADLINE, async () => {
    await using world = await World.open();
    const large = randomBytes(200_000).toString('base64');
    assert.equal(await world.send(['a=1', 'b=2'], { codec: name }), 0);
    assert.deepEqual(await world.send(['b=2', 'c=3'], { codec: name }), [2, 1, NaN]);
    assert.deepEqual(await world.send([`d=${large}`, 'c=3', `e=${large}`], { codec: name }), [4, NaN, 3, NaN]);
    assert.deepEqual(await world.send([`e=${large}`, `d=${large}`], { codec: name }), [6, 6, 4]);
    assert.deepEqual(world.places(), ['0:1', '1:2', '3:3', `4:${large}`, `6:${large}`]);
    assert.deepEqual(
      world.stored.map((batch) => codecOf(batch, 0)),
      [CODEC[name], CODEC[name], CODEC[name]],
    );
    assert.equal(world.stored[0]?.length, messageBatch(['a=1', 'b=2'], { codec: name }).length, 'as it came');
  });
}

test('a topic stores what is left in its own codec and time', DEADLINE, async () => {
  await using world = await World.open({ 'compression.type': 'zstd', 'message.timestamp.type': 'LogAppendTime' });
  await world.send(['a=1']);
  world.history.clock.advance(5);
  assert.deepEqual(await world.send(['a=1', 'b=2'], { codec: 'gzip' }), [1, 0, NaN]);
  assert.deepEqual(await world.send(['b=2', 'c=3']), [3, 2, NaN]);
  for (const batch of world.stored) assert.equal(codecOf(batch, 0), CODEC.zstd);
  const last = world.stored[2] as Uint8Array;
  assert.deepEqual([isLogAppendTime(last, 0), maxTimestamp(last, 0)], [true, world.history.clock.now()]);
  assert.deepEqual(world.places(), ['0:1', '2:2', '4:3']);
});

test('requests in flight see each other, compressed or not', DEADLINE, async () => {
  await using world = await World.open();
  const sent = await Promise.all(
    (['none', 'zstd', 'gzip', 'none', 'zstd'] as const).map((codec) => world.send(['a=1', 'b=2'], { codec })),
  );
  const firsts = sent.filter((each) => each === 0);
  assert.equal(firsts.length, 1, String(sent));
  assert.equal(sent.filter((each) => String(each) === '0,0,1').length, 4);
  assert.equal(world.stored.length, 1);
});

test('a retry is recognised where the broker forgot the ids before, by its sequence', DEADLINE, async () => {
  await using world = await World.open({ 'dedup.max.entries': '2' });
  const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
  assert.equal(await world.send(['a=1', 'b=2', 'c=3'], { producer }), 0);
  assert.equal(await world.send(['a=1', 'b=2', 'c=3'], { producer }), 0);
  assert.equal(world.stored.length, 1);
});

test('repeats use up the sequences of an idempotent producer', DEADLINE, async () => {
  await using world = await World.open();
  await world.send(['a=1', 'b=2']);
  assert.deepEqual(await world.send(['a=1', 'b=2'], from(0)), [0, 0, 1]);
  assert.deepEqual(await world.send(['c=3', 'a=1'], from(2)), [2, NaN, 0]);
  assert.equal(await world.send(['d=4'], from(4)), 4);
  assert.equal(await world.send(['e=5'], from(9)), 'BROKER_SEQUENCE_GAP');
  // Retries of all three, as a client sends them after a lost answer.
  assert.equal(await world.send(['a=1', 'b=2'], from(0)), 0);
  assert.equal(await world.send(['c=3', 'a=1'], from(2)), 2);
  assert.equal(await world.send(['d=4'], from(4)), 4);
  assert.deepEqual(world.places(), ['0:1', '1:2', '2:3', '4:4']);
});

test('a topic that is deleted and made anew knows nothing; deleted records are still known', DEADLINE, async () => {
  await using world = await World.open();
  const { topics, messageIds } = world.history;
  await world.send(['a=1', 'b=2']);
  const [partition] = world.topic.partitions;
  assert.ok(partition !== undefined);
  await topics.deleteRecords(partition, 2);
  assert.deepEqual(await world.send(['a=1']), [0, 0], 'it was there, and was deleted');
  await topics.delete(world.topic);
  assert.deepEqual([messageIds.size, messageIds.sizeBytes], [0, 0]);
});

/** Transactions without their coordinator: the commands that it stages. */
class Transactional {
  readonly #world: World;
  readonly #id: string;
  readonly #producerId: number;
  #sequence = 0;

  constructor(world: World, producerId: number) {
    this.#world = world;
    this.#id = `tx-${producerId}`;
    this.#producerId = producerId;
  }

  async begin(): Promise<void> {
    const { journal, clock } = this.#world.history;
    const [partition] = this.#world.topic.partitions;
    const known = { producerId: this.#producerId, producerEpoch: 0, previousProducerId: -1, previousEpoch: -1 };
    const at = clock.now();
    await transactOnce(journal, (commit) => {
      const initialized = { transactionalId: this.#id, at, ...known, timeoutMs: 60_000 };
      commit.command(COMMAND.TRANSACTIONAL_ID_INITIALIZED, transactionCommands.initialized(initialized));
      const topics = [{ topic: 't', partitions: [{ number: partition?.number ?? -1, index: 0 }] }];
      const extended = { transactionalId: this.#id, at, topics, groups: [] };
      commit.command(COMMAND.TRANSACTION_EXTENDED, transactionCommands.extended(extended));
    });
  }

  async send(records: readonly string[]): Promise<unknown> {
    const producer = { producerId: this.#producerId, producerEpoch: 0, baseSequence: this.#sequence };
    const outcome = await this.#world.send(records, { producer: { ...producer, transactional: true } });
    if (typeof outcome !== 'string') this.#sequence += records.length;
    return outcome;
  }

  async end(committed: boolean): Promise<void> {
    const { journal, state, clock } = this.#world.history;
    await transactOnce(journal, (commit) => {
      const record = state.transactions.get(this.#id) as TransactionRecord;
      const { producerId, producerEpoch } = record;
      const ending = { committed, markerEpoch: 0, producerId, producerEpoch, previousEpoch: -1, at: clock.now() };
      stageEnd(commit, state.store, record, ending);
    });
  }
}

test(
  'ids of a transaction count with its commit, and an aborted one is stored when it comes again',
  DEADLINE,
  async () => {
    await using world = await World.open();
    const [one, two] = [new Transactional(world, 1), new Transactional(world, 2)];
    await one.begin();
    await two.begin();
    assert.equal(await one.send(['a=1', 'b=2']), 0);
    assert.deepEqual(await one.send(['b=2', 'c=3']), [2, 1, NaN], 'a repeat within the transaction');
    // Nobody knows yet whether these will have been stored.
    assert.equal(await two.send(['c=3']), 'BROKER_MESSAGE_ID_PENDING');
    assert.equal(await world.send(['x=9', 'a=1']), 'BROKER_MESSAGE_ID_PENDING');
    await one.end(false);
    assert.equal(await world.send(['a=1']), 5, 'behind the marker');
    assert.deepEqual(await two.send(['a=1', 'c=3']), [6, 5, NaN]);
    world.history.clock.advance(WINDOW_MS - 1);
    await two.end(true);
    world.history.clock.advance(WINDOW_MS);
    assert.deepEqual(await world.send(['c=3']), [7, 7], 'the window begins with the commit');
    assert.equal(await world.send(['a=1']), 9, 'which it has left');
    assert.equal(world.history.messageIds.size, 2);
  },
);

test('all of a request or none: one pending id refuses it whole', DEADLINE, async () => {
  await using world = await World.open();
  const one = new Transactional(world, 1);
  await one.begin();
  await one.send(['a=1']);
  const { history, topic } = world;
  const items = [1, 0].map((index) => new ProduceItem(topic, topic.partitions[index], messageBatch(['a=1'])));
  await new Promise((resolve) => {
    void history.paths.produce({ degree: 'durable', items, lease: undefined, allOrNone: true, settled: resolve });
  });
  assert.deepEqual(
    items.map(({ error }) => error),
    ['BROKER_MESSAGE_ID_PENDING', 'BROKER_MESSAGE_ID_PENDING'],
  );
  assert.equal(world.stored.length, 1);
});
