/**
 * Fuzzes the Kafka listener: `node test/fuzz/kafka-listener.ts [--seconds 600] [--seed N]`.
 *
 * Attackers send requests of every API and version, made from the message tables and then mutated, or plain garbage, in
 * pieces of any size, and hang up at any time. Meanwhile a healthy client produces, fetches what it produced, byte for
 * byte, and works in a group; each of its answers must come within a deadline. It fails when the healthy client does,
 * when anything is logged as an error (a defect), when memory is not given back, or when the heap has grown out of bounds.
 *
 * The seed decides what is sent, in which pieces; how the pieces of several attackers interleave is up to the system.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { stampBatch } from '../../src/model/record-batch.ts';
import {
  APIS,
  type Api,
  ERROR_CODES,
  encodeRequest,
  heartbeat,
  joinGroup,
  metadata,
  syncGroup,
} from '../../src/wire/index.ts';
import { arbitraryMessage } from '../kit/arbitrary-message.ts';
import { batchOf } from '../kit/broker-kit.ts';
import { KafkaKit, RawClient } from '../kit/kafka-kit.ts';
import * as fc from '../kit/properties.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Gets a line now and then. */
  readonly report?: (line: string) => void;
}

export interface FuzzResult {
  readonly connections: number;
  readonly frames: number;
  readonly healthyRounds: number;
}

const ATTACKERS = 6;
const HEALTHY_DEADLINE_MS = 10_000;
const MAX_HEAP_BYTES = 400 * 1024 * 1024;
const HEALTHY_TOPIC = 'healthy';
/** Names that exist, so that mutants reach past the look-up. */
const TOPIC_NAMES = ['attacked', 'attacked-too', HEALTHY_TOPIC, 'a/b', '', 'x'.repeat(300)];
const GROUP_NAMES = ['attacked-group', 'g', ''];
/** Where an int32 of a frame is overwritten, one of these comes. */
const EXTREMES = [-1, 0, 1, 0x7fff_ffff, -0x8000_0000, 0x00ff_ffff, 0x7fff_fff0, 1_000_000];

/** @throws Error with what broke. The caller prints the seed. */
export async function fuzzKafkaListener(options: FuzzOptions): Promise<FuzzResult> {
  await using kit = await KafkaKit.start({
    settings: { maxFrameBytes: 2_000_000, maxControlFrameBytes: 500_000, maxLandingBytes: 8_000_000 },
    // Attackers create topics and groups; this bounds what a long run gathers.
    broker: { maxPartitions: 5_000, maxPartitionsPerTopic: 100, groupMinSessionTimeoutMs: 10 },
  });
  await kit.broker.topics.create({ name: HEALTHY_TOPIC });
  for (const name of TOPIC_NAMES.slice(0, 2)) await kit.broker.topics.create({ name, partitions: 2 });
  const run = new FuzzRun(kit, options);
  await run.untilOver();
  return run.result;
}

class FuzzRun {
  readonly result = { connections: 0, frames: 0, healthyRounds: 0 };
  readonly #kit: KafkaKit;
  readonly #options: FuzzOptions;
  readonly #endsAt: number;
  #failure: { error: unknown } | undefined;

  constructor(kit: KafkaKit, options: FuzzOptions) {
    this.#kit = kit;
    this.#options = options;
    this.#endsAt = performance.now() + options.seconds * 1000;
  }

  get #over(): boolean {
    return this.#failure !== undefined || performance.now() >= this.#endsAt;
  }

  async untilOver(): Promise<void> {
    const attackers = Array.from({ length: ATTACKERS }, (_, i) => this.#attack(this.#options.seed + i));
    await Promise.all([...attackers, this.#healthy(), this.#watch()].map((work) => this.#noteFailure(work)));
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#checkGivenBack();
  }

  /** The first failure ends the others. */
  async #noteFailure(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async #attack(seed: number): Promise<void> {
    const random = new SeededRandom(seed);
    while (!this.#over) {
      const client = await RawClient.connect(this.#kit.listener.address.port);
      this.result.connections += 1;
      for (let left = 1 + random.below(8); left > 0 && !client.closed; left--) {
        this.result.frames += 1;
        await sendInPieces(client, mutate(frameOf(random), random), random);
      }
      // Some wait for answers or the close, some hang up in the middle.
      if (random.chance(0.7)) await Promise.race([client.ended(), sleep(random.below(20))]);
      client.destroy();
    }
  }

  async #healthy(): Promise<void> {
    const client = await RawClient.connect(this.#kit.listener.address.port);
    let nextOffset = 0;
    for (let round = 0; !this.#over; round++) {
      const batch = batchOf([`round ${round}`, 'x'.repeat((round * 997) % 60_000)]);
      const produced = await inTime(client.produce(HEALTHY_TOPIC, 0, batch), 'produce');
      assert.equal(produced.errorCode, 0);
      // Attackers may produce into the same topic, and do so validly: offsets grow, and ours stand in order.
      assert.ok(produced.baseOffset >= nextOffset, `offset ${produced.baseOffset} after ${nextOffset}`);
      nextOffset = produced.baseOffset + 2;
      const fetched = await inTime(client.fetch(HEALTHY_TOPIC, 0, produced.baseOffset), 'fetch');
      // A DeleteRecords of an attacker may be valid as well; only then may a record just written be gone.
      const deleted = fetched.errorCode === ERROR_CODES.OFFSET_OUT_OF_RANGE && this.#logStart > produced.baseOffset;
      if (deleted) continue;
      assert.equal(fetched.errorCode, 0, `reading ${produced.baseOffset} with the log start at ${this.#logStart}`);
      const expected = Buffer.from(batch);
      stampBatch(expected, 0, produced.baseOffset, 0);
      const records = Buffer.from(fetched.records ?? []);
      assert.ok(records.subarray(0, batch.length).equals(expected), 'not the bytes that were produced');
      if (round % 10 === 0) await this.#group(client, round);
      this.result.healthyRounds += 1;
    }
    client.destroy();
  }

  get #logStart(): number {
    return this.#kit.broker.topics.find(HEALTHY_TOPIC)?.partitions[0]?.logStartOffset ?? -1;
  }

  async #group(client: RawClient, round: number): Promise<void> {
    const groupId = `healthy-${round}`;
    const protocols = [{ name: 'range', metadata: Buffer.from('m') }];
    const request = { groupId, memberId: '', sessionTimeoutMs: 30_000, protocolType: 'consumer', protocols };
    const joined = await inTime(client.call(joinGroup, 2, request), 'join');
    assert.equal(joined.errorCode, 0);
    const { memberId, generationId } = joined;
    const identity = { groupId, memberId, generationId };
    assert.equal((await inTime(client.call(syncGroup, 2, { ...identity, assignments: [] }), 'sync')).errorCode, 0);
    assert.equal((await inTime(client.call(heartbeat, 2, identity), 'heartbeat')).errorCode, 0);
    assert.ok((await inTime(client.call(metadata, 9, { topics: null }), 'metadata')).topics.length >= 3);
  }

  async #watch(): Promise<void> {
    for (let second = 1; !this.#over; second++) {
      await sleep(1000);
      const errors = this.#kit.lines.filter(({ level }) => level === 'error');
      assert.deepEqual(errors, [], 'a defect was logged');
      this.#kit.lines.length = 0;
      const { heapUsed, rss } = process.memoryUsage();
      assert.ok(heapUsed < MAX_HEAP_BYTES, `the heap has grown to ${heapUsed} bytes`);
      if (second % 30 === 0) {
        const { connections, frames, healthyRounds } = this.result;
        this.#options.report?.(
          `${second} s: ${connections} connections, ${frames} frames, ${healthyRounds} healthy rounds, RSS ${rss}`,
        );
      }
    }
  }

  async #checkGivenBack(): Promise<void> {
    const { metrics } = this.#kit.listener;
    const startedAt = performance.now();
    while (metrics.connections > 0 || metrics.landingBytes > 0 || metrics.fetchedBytes > 0) {
      const { connections, landingBytes, fetchedBytes } = metrics;
      const held = `${connections} connections, ${landingBytes} landing bytes, ${fetchedBytes} fetched bytes`;
      assert.ok(performance.now() - startedAt < HEALTHY_DEADLINE_MS, `still held: ${held}`);
      await sleep(20);
    }
  }
}

async function inTime<T>(answer: Promise<T>, what: string): Promise<T> {
  const aborted = new AbortController();
  const late = sleep(HEALTHY_DEADLINE_MS, undefined, { signal: aborted.signal, ref: false }).then(
    () => assert.fail(`no answer to the healthy client's ${what} within ${HEALTHY_DEADLINE_MS} ms`),
    () => undefined as never,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    aborted.abort();
  }
}

/** A request that is valid, or at least looks like one. */
function frameOf(random: SeededRandom): Buffer {
  if (random.chance(0.05)) return Buffer.from(random.bytes(1 + random.below(200)));
  const api: Api = random.pick(APIS);
  const version = api.minVersion + random.below(api.maxVersion - api.minVersion + 1);
  const overrides = {
    name: fc.constantFrom(...TOPIC_NAMES),
    topic: fc.constantFrom(...TOPIC_NAMES),
    groupId: fc.constantFrom(...GROUP_NAMES),
    partitionIndex: fc.integer({ min: -1, max: 3 }),
    partition: fc.integer({ min: -1, max: 3 }),
    index: fc.integer({ min: -1, max: 3 }),
    records: fc.constantFrom(batchOf(['fuzz']), batchOf(['x'.repeat(100_000)]), new Uint8Array(3), null),
    acks: fc.constantFrom(-1, 0, 1, 5),
    fetchOffset: fc.integer({ min: -2, max: 20 }),
    maxWaitMs: fc.constantFrom(0, 5, 1_000),
  };
  const usable = version >= 4 ? overrides : without(overrides, 'records');
  const [body] = fc.sample(arbitraryMessage(api.request.fields, version, usable), {
    seed: random.below(2 ** 31),
    numRuns: 1,
  });
  try {
    return encodeRequest(api, version, { correlationId: random.below(1000), clientId: 'fuzz' }, body as never);
  } catch {
    // Some values that are fine in one version cannot be said in another.
    return Buffer.from(random.bytes(40));
  }
}

function without<T extends object>(object: T, name: keyof T): Partial<T> {
  const copy: Partial<T> = { ...object };
  delete copy[name];
  return copy;
}

/** One request in four goes out as it is. */
function mutate(frame: Buffer, random: SeededRandom): Buffer {
  let bytes = frame;
  for (let left = random.below(4); left > 0; left--)
    bytes = MUTATIONS[random.below(MUTATIONS.length)]?.(bytes, random) ?? bytes;
  // Most mutants keep a size that fits, so that what lies behind the size is reached.
  if (bytes.length >= 4 && random.chance(0.85)) bytes.writeInt32BE(bytes.length - 4, 0);
  return bytes;
}

type Mutation = (bytes: Buffer, random: SeededRandom) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  flipByte,
  flipByte,
  overwriteInt32,
  overwriteInt32,
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => Buffer.concat([bytes, random.bytes(random.below(30))]),
  repeatPart,
  changeHeader,
];

function flipByte(bytes: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
  return copy;
}

function overwriteInt32(bytes: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length >= 8) copy.writeInt32BE(random.pick(EXTREMES), random.below(copy.length - 4));
  return copy;
}

function repeatPart(bytes: Buffer, random: SeededRandom): Buffer {
  const start = random.below(bytes.length + 1);
  const end = start + random.below(bytes.length - start + 1);
  return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end)]);
}

/** Another API or version than the body was made for. */
function changeHeader(bytes: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length >= 8) {
    copy.writeInt16BE(random.below(80), 4);
    copy.writeInt16BE(random.below(19), 6);
  }
  return copy;
}

async function sendInPieces(client: RawClient, bytes: Buffer, random: SeededRandom): Promise<void> {
  for (let at = 0; at < bytes.length && !client.closed; ) {
    const size = random.chance(0.5) ? bytes.length : 1 + random.below(Math.min(bytes.length, 5_000));
    client.send(bytes.subarray(at, at + size));
    at += size;
    if (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string' } } });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  try {
    console.log(
      await fuzzKafkaListener({ seed, seconds: Number(values.seconds), report: (line) => console.log(line) }),
    );
  } catch (error) {
    console.error(`failed; repeat with --seed ${seed}`);
    throw error;
  }
}
