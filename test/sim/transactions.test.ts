/**
 * Transactions under fire: producers that write, stage offsets, commit, abort, die and come back, over a broker that is
 * killed, loses power with unsynced writes lost or torn, or restarts, at any moment, also in the middle of a call. Proves
 * that a read-committed consumer sees the records of committed transactions, each once, in order, and of no other; that
 * offsets become visible with them, all or nothing; and that what is left open holds nobody back past its timeout.
 *
 * MILLRACE_SIM_RUNS=n runs more seeds, MILLRACE_SIM_SEED=s one of them; a failure prints its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode, MillraceError } from '../../src/base/errors.ts';
import { Broker } from '../../src/broker/broker.ts';
import { FetchItem, type FetchRequest, releaseFetch } from '../../src/broker/fetch.ts';
import { ProduceItem } from '../../src/broker/produce.ts';
import { batchOf } from '../kit/broker-kit.ts';
import { committedRecords, type ReadRecord } from '../kit/committed-reader.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const RUNS = Number(process.env['MILLRACE_SIM_RUNS'] ?? 30);
const ONLY_SEED = process.env['MILLRACE_SIM_SEED'];
const STEPS = 150;
const PARTITIONS = 4;
const TIMEOUT_MS = 30_000;
const TOPIC = 't';

interface ModelTransaction {
  /** By partition, in order of writing. */
  readonly values: Map<number, string[]>;
  /** Offset staged for the group, or undefined. */
  offset: number | undefined;
  /** `doubt`: the producer asked to commit and died before it heard what came of it. */
  outcome: 'open' | 'committed' | 'aborted' | 'doubt';
}

/** What a call came to: `lost` when the broker went away before the answer. */
type Outcome<T> = { readonly kind: 'answer'; readonly value: T } | { readonly kind: 'lost' };

class World {
  readonly random: SeededRandom;
  readonly clock = new ManualClock();
  disk = new FakeDisk();
  broker!: Broker;
  readonly transactions: ModelTransaction[] = [];
  /** What dead producers would still send: it must never be seen. */
  readonly zombies: (() => Promise<unknown>)[] = [];
  /** Whatever a consumer has seen stays. */
  readonly seen = new Set<string>();
  crashes = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  async open(): Promise<void> {
    this.broker = await Broker.open({
      directory: 'd',
      disk: this.disk,
      clock: this.clock,
      random: this.random.next,
      settings: { poolBytes: 1024 * 1024, tailCacheBytes: this.random.chance(0.5) ? 0 : 1024 * 1024 },
    });
    if (this.broker.topics.find(TOPIC) === undefined) {
      await this.broker.topics.create({ name: TOPIC, partitions: PARTITIONS });
    }
  }

  /** Runs a call; now and then the broker dies while it is under way. */
  async call<T>(start: () => Promise<T>): Promise<Outcome<T>> {
    if (this.random.chance(0.05)) {
      const answer = start();
      await checkWhileRunning(this);
      return { kind: 'answer', value: await answer };
    }
    if (!this.random.chance(0.04)) return { kind: 'answer', value: await start() };
    void start().catch(() => undefined);
    for (let turns = this.random.below(6); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    await this.restart();
    return { kind: 'lost' };
  }

  /** Cleanly, killed, or without power. */
  async restart(): Promise<void> {
    this.crashes += 1;
    const how = this.random.below(3);
    if (how === 0) await this.broker.close();
    const { operationCount } = this.disk;
    const power = how === 2 ? this.disk.crash(operationCount, this.random) : undefined;
    this.disk = power === undefined ? this.disk.kill() : new FakeDisk({}, power);
    await this.open();
  }

  fetchChunk(index: number, offset: number, maxBytes: number): Promise<{ item: FetchItem; bytes: Buffer }> {
    return new Promise((resolve) => {
      const item = new FetchItem(this.broker.topics.find(TOPIC)?.partitions[index], offset, maxBytes);
      const request: FetchRequest = {
        minBytes: 0,
        maxBytes,
        maxWaitMs: 0,
        readCommitted: true,
        items: [item],
        settled() {
          const bytes = Buffer.concat(item.slices);
          releaseFetch(request);
          resolve({ item, bytes });
        },
      };
      this.broker.fetch(request);
    });
  }

  /** All that a read-committed consumer sees now, in chunks of random size. */
  async readAll(index: number): Promise<{ records: ReadRecord[]; stable: number; highWatermark: number }> {
    const records: ReadRecord[] = [];
    for (let offset = 0; ; ) {
      const { item, bytes } = await this.fetchChunk(index, offset, 1 + this.random.below(600));
      assert.equal(item.error, undefined);
      if (bytes.length === 0) return { records, stable: item.lastStableOffset, highWatermark: item.highWatermark };
      records.push(...committedRecords(bytes, item.abortedTransactions, offset));
      offset = endOf(bytes);
    }
  }

  async committedOffset(group: string): Promise<number | undefined> {
    const topics = [{ topic: TOPIC, partitions: [0] }];
    const answer = await this.broker.groups.fetchOffsets({ groupId: group, topics });
    const offset = answer.topics[0]?.partitions[0]?.offset ?? -1;
    return offset < 0 ? undefined : offset;
  }
}

/** Offset behind the last batch. */
function endOf(bytes: Buffer): number {
  let end = 0;
  for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
    end = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1;
  }
  return end;
}

type Step = () => Promise<void>;

/** A client with a transactional id: what it does next depends on what it was told last. */
class SimProducer {
  readonly #world: World;
  readonly #name: string;
  /** Speaks the second protocol (KIP-890): partitions and groups join by themselves, each end gives the next epoch. */
  readonly #second: boolean;
  #identity: { producerId: number; producerEpoch: number } | undefined;
  readonly #sequences = new Map<number, number>();
  #transaction: ModelTransaction | undefined;
  #added = new Set<number>();
  #withGroup = false;
  #count = 0;
  /** The answer was lost: the same call again. */
  #again: Step | undefined;
  /** Of the last committed transaction that staged one, or several where the outcome is in doubt. */
  readonly expectedOffsets = new Set<number | undefined>([undefined]);

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.#second = world.random.chance(0.5);
  }

  get group(): string {
    return `group-${this.#name}`;
  }

  async step(): Promise<void> {
    const again = this.#again;
    this.#again = undefined;
    if (again !== undefined) return await again();
    const { random } = this.#world;
    if (this.#identity === undefined) return await this.#init();
    if (this.#transaction === undefined) return await this.#begin();
    const choice = random.below(100);
    if (choice < 15 && !this.#second) return await this.#add(random.below(PARTITIONS));
    if (choice < 60) return await this.#write();
    if (choice < 70) return await this.#stage();
    if (choice < 84) return await this.#end(true);
    if (choice < 94) return await this.#end(false);
    this.die();
  }

  /** Never asks for the outcome of what is under way. */
  die(): void {
    const isInDoubt = this.#again !== undefined && this.#transaction?.outcome === 'doubt';
    if (!isInDoubt) this.#finish('aborted');
    else this.#leaveInDoubt();
    this.#leaveZombie();
    this.#identity = undefined;
    this.#again = undefined;
  }

  async #init(): Promise<void> {
    const transactionalId = this.#name;
    const request = { transactionalId, timeoutMs: TIMEOUT_MS, producerId: -1, producerEpoch: -1 };
    const outcome = await this.#world.call(() => this.#world.broker.transactions.initProducerId(request));
    if (outcome.kind === 'lost' || outcome.value.error !== undefined) return;
    const { producerId, producerEpoch } = outcome.value;
    this.#identity = { producerId, producerEpoch };
    this.#sequences.clear();
  }

  async #begin(): Promise<void> {
    this.#transaction = { values: new Map(), offset: undefined, outcome: 'open' };
    this.#world.transactions.push(this.#transaction);
    this.#added = new Set();
    this.#withGroup = false;
    if (!this.#second) await this.#add(this.#world.random.below(PARTITIONS));
    else for (let index = 0; index < PARTITIONS; index++) this.#added.add(index);
  }

  async #add(partition: number): Promise<void> {
    const request = { ...this.#who(), topics: [{ topic: TOPIC, partitions: [partition] }], verifyOnly: false };
    const outcome = await this.#world.call(() => this.#world.broker.transactions.addPartitions(request));
    if (outcome.kind === 'lost') this.#again = () => this.#add(partition);
    else this.#heard(outcome.value[0]?.partitions[0]?.error, () => this.#added.add(partition));
  }

  async #write(): Promise<void> {
    const { random } = this.#world;
    if (this.#added.size === 0) return;
    const partition = random.pick([...this.#added]);
    const values = Array.from({ length: 1 + random.below(3) }, () => `${this.#name}-${this.#count++}`);
    const baseSequence = this.#sequences.get(partition) ?? 0;
    const batch = batchOf(values, { ...this.#producer(), baseSequence, transactional: true });
    await this.#append(partition, values, baseSequence, batch);
  }

  async #append(partition: number, values: string[], baseSequence: number, batch: Uint8Array): Promise<void> {
    const outcome = await this.#world.call(() => produce(this.#world.broker, partition, batch, this.#second));
    if (outcome.kind === 'lost') {
      this.#again = () => this.#append(partition, values, baseSequence, batch);
      return;
    }
    this.#heard(outcome.value, () => {
      this.#sequences.set(partition, baseSequence + values.length);
      const known = this.#transaction?.values.get(partition) ?? [];
      this.#transaction?.values.set(partition, [...known, ...values]);
    });
  }

  async #stage(): Promise<void> {
    if (!this.#withGroup && !this.#second) {
      const request = { ...this.#who(), groupId: this.group };
      const outcome = await this.#world.call(() => this.#world.broker.transactions.addOffsets(request));
      if (outcome.kind === 'lost') this.#again = () => this.#stage();
      else {
        this.#heard(outcome.value, () => {
          this.#withGroup = true;
        });
      }
      return;
    }
    const offset = this.#count++;
    const topics = [{ topic: TOPIC, partitions: [{ partition: 0, offset, leaderEpoch: -1, metadata: null }] }];
    const member = { groupId: this.group, memberId: '', instanceId: null, generation: -1 };
    const request = { ...this.#who(), ...member, topics, joins: this.#second };
    const outcome = await this.#world.call(() => this.#world.broker.transactions.commitOffsets(request));
    if (outcome.kind === 'lost') {
      // Whether it is staged nobody knows: as a client would, begin anew.
      this.#again = () => this.#end(false);
      return;
    }
    this.#heard(outcome.value.topics[0]?.partitions[0]?.error, () => {
      if (this.#transaction !== undefined) this.#transaction.offset = offset;
    });
  }

  async #end(committed: boolean): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    if (committed) transaction.outcome = 'doubt';
    const request = { ...this.#who(), committed, bumpsEpoch: this.#second };
    const outcome = await this.#world.call(() => this.#world.broker.transactions.end(request));
    if (outcome.kind === 'lost') {
      this.#again = () => this.#end(committed);
      return;
    }
    const { error } = outcome.value;
    if (error === undefined && this.#second) {
      const { producerId, producerEpoch } = outcome.value;
      assert.ok(producerEpoch > this.#producer().producerEpoch, 'each end gives a later epoch');
      this.#identity = { producerId, producerEpoch };
      this.#sequences.clear();
    }
    this.#finish(committed && error === undefined ? 'committed' : 'aborted');
    if (error !== undefined) this.#identity = undefined;
  }

  /** Any refusal ends the transaction, and the producer begins anew, as clients do. */
  #heard(error: ErrorCode | undefined, done: () => void): void {
    if (error === undefined) {
      done();
      return;
    }
    this.#finish('aborted');
    this.#identity = undefined;
  }

  #finish(outcome: 'committed' | 'aborted'): void {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (transaction === undefined) return;
    transaction.outcome = outcome;
    if (outcome === 'committed' && transaction.offset !== undefined) {
      this.expectedOffsets.clear();
      this.expectedOffsets.add(transaction.offset);
    }
  }

  #leaveInDoubt(): void {
    if (this.#transaction?.offset !== undefined) this.expectedOffsets.add(this.#transaction.offset);
    this.#transaction = undefined;
  }

  #leaveZombie(): void {
    const identity = this.#identity;
    if (identity === undefined || this.#added.size === 0) return;
    const partition = this.#world.random.pick([...this.#added]);
    const baseSequence = this.#sequences.get(partition) ?? 0;
    const batch = batchOf(['zombie'], { ...identity, baseSequence, transactional: true });
    this.#world.zombies.push(() => produce(this.#world.broker, partition, batch, this.#second));
  }

  #who() {
    return { transactionalId: this.#name, ...this.#producer() };
  }

  #producer() {
    assert.ok(this.#identity !== undefined);
    return this.#identity;
  }
}

function produce(broker: Broker, index: number, batch: Uint8Array, joins: boolean): Promise<ErrorCode | undefined> {
  return new Promise((resolve, reject) => {
    const topic = broker.topics.find(TOPIC);
    const item = new ProduceItem(topic, topic?.partitions[index], Uint8Array.from(batch));
    void broker.produce({
      degree: 'durable',
      items: [item],
      lease: undefined,
      joins,
      settled: (error: MillraceError | undefined) => (error === undefined ? resolve(item.error) : reject(error)),
    });
  });
}

/** What is seen now belongs to transactions that were asked to commit. */
async function checkWhileRunning(world: World): Promise<void> {
  const allowed = new Set<string>();
  for (const { values, outcome } of world.transactions) {
    if (outcome === 'committed' || outcome === 'doubt')
      for (const each of values.values()) each.forEach((v) => allowed.add(v));
  }
  for (let index = 0; index < PARTITIONS; index++) {
    const { records } = await world.readAll(index);
    for (const { value } of records) {
      assert.ok(allowed.has(value), `${value} of partition ${index} is seen uncommitted`);
      world.seen.add(value);
    }
  }
}

async function checkAtTheEnd(world: World, producers: readonly SimProducer[]): Promise<void> {
  const seen = new Map<number, string[]>();
  for (let index = 0; index < PARTITIONS; index++) {
    const { records, stable, highWatermark } = await world.readAll(index);
    assert.equal(stable, highWatermark, 'nothing is held back past the timeout');
    seen.set(
      index,
      records.map(({ value }) => value),
    );
  }
  for (const { values, outcome } of world.transactions) {
    const shown = [...values].map(([index, each]) => each.filter((value) => seen.get(index)?.includes(value)).length);
    const all = [...values.values()].map((each) => each.length);
    const none = all.map(() => 0);
    if (outcome === 'committed') assert.deepEqual(shown, all, 'a committed transaction is seen whole');
    else if (outcome === 'doubt')
      assert.ok(String(shown) === String(all) || String(shown) === String(none), 'all or nothing');
    else assert.deepEqual(shown, none, 'an aborted transaction is not seen');
  }
  const all = new Set([...seen.values()].flat());
  for (const value of world.seen) assert.ok(all.has(value), `${value} was seen and is gone`);
  for (const [index, values] of seen) {
    assert.equal(new Set(values).size, values.length, `partition ${index}: each record once`);
    for (const transaction of world.transactions) {
      const own = transaction.values.get(index) ?? [];
      const order = values.filter((value) => own.includes(value));
      assert.deepEqual(order, own.slice(0, order.length), `partition ${index}: in order of writing`);
    }
  }
  for (const producer of producers) {
    const offset = await world.committedOffset(producer.group);
    assert.ok(producer.expectedOffsets.has(offset), `${producer.group} has ${offset}`);
  }
}

async function run(seed: number): Promise<World> {
  const world = new World(seed);
  await world.open();
  const producers = ['a', 'b', 'c'].map((name) => new SimProducer(world, name));
  for (let step = 0; step < STEPS; step++) {
    await world.random.pick(producers).step();
    if (world.random.chance(0.1)) world.clock.advance(world.random.below(20_000));
    if (world.random.chance(0.02)) await world.restart();
    if (world.zombies.length > 0 && world.random.chance(0.1)) await world.random.pick(world.zombies)();
    if (world.random.chance(0.05)) await checkWhileRunning(world);
  }
  for (const producer of producers) producer.die();
  await world.restart();
  world.clock.advance(TIMEOUT_MS);
  // The aborts are on their way; an answer to a read is durable, and so is what was staged before it.
  while (world.broker.transactions.list().some(({ phase }) => phase === 'ongoing')) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await world.committedOffset('none');
  await checkAtTheEnd(world, producers);
  await world.broker.close();
  return world;
}

test('committed transactions are seen whole and once, others never', { timeout: 300_000 }, async () => {
  const seeds = ONLY_SEED === undefined ? Array.from({ length: RUNS }, (_, i) => i + 1) : [Number(ONLY_SEED)];
  let committed = 0;
  let aborted = 0;
  let crashes = 0;
  for (const seed of seeds) {
    try {
      const world = await run(seed);
      committed += world.transactions.filter(({ outcome }) => outcome === 'committed').length;
      aborted += world.transactions.filter(({ outcome }) => outcome === 'aborted').length;
      crashes += world.crashes;
    } catch (error) {
      throw new Error(`MILLRACE_SIM_SEED=${seed} repeats it`, { cause: error });
    }
  }
  if (ONLY_SEED === undefined) {
    assert.ok(
      committed > RUNS && aborted > RUNS && crashes > RUNS,
      `${committed} ${aborted} ${crashes}: too little happened`,
    );
  }
});
