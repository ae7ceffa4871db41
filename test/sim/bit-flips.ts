/**
 * Bits that rot anywhere in a broker that lives: journal files, indexes, order files, chunks, checkpoints, objects in the store;
 * with and without encryption and compression at rest. Proved for each flip, with a start on the rotten files:
 *
 * - a start that refuses says `data-corrupt` and names the file; otherwise
 * - each read of each acknowledged batch gives the bytes that were sent, or an error; a subscription over all topics gives the
 *   records that there are, in order, or an error that names the order file: nothing altered is ever served;
 * - what is refused was named: by `verify`, which finds the file, or, for an object, by the read itself;
 * - at least one topic is served whole, and takes new records.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer flips of each.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { MillraceError } from '../../src/base/errors.ts';
import type { Broker } from '../../src/broker/broker.ts';
import { runBytes } from '../../src/broker/subscriptions/subscription.ts';
import { verifyDirectory } from '../../src/broker/verify/verify-directory.ts';
import { loadDataKeys } from '../../src/journal/encryption/key-files.ts';
import { diskWith } from '../../src/journal/open-disk.ts';
import { baseOffset, lastOffset } from '../../src/model/record-batch.ts';
import { batchOf, fetchOnce, produce, splitBatches } from '../kit/broker-kit.ts';
import { drain, subscribe } from '../kit/drain-subscription.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { inProcessTier } from '../kit/in-process-tier.ts';
import { FIRST_MASTER } from '../kit/keys.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { MemoryObjectStore } from '../kit/memory-object-store.ts';
import { openOn, SEALING_DIRECTORY, SealingHistory, settle } from '../kit/sealing-history.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const KINDS = ['journal', 'index', 'order', 'chunk', 'checkpoint', 'object'] as const;
type Kind = (typeof KINDS)[number];
const SETTINGS = { tierLocalBytes: 12_000, tierCheckMs: 1_000_000_000 };
/** Reads of what an object store gives wrongly are tried again; nobody waits for that here. */
const IMPATIENT: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic(),
  schedule: (_delayMs, callback) => systemClock.schedule(0, callback),
};

/** How the files stand on the disk. */
export interface Form {
  readonly encrypted?: boolean;
  readonly compressed?: boolean;
}

interface World {
  readonly history: SealingHistory;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly objects: ReadonlyMap<string, Uint8Array>;
  /** What a subscription to all topics sees. */
  readonly order: readonly string[];
  readonly form: Form;
}

/** @param flips of each seed, unless the environment says otherwise. */
export function testBitFlips(defaultSeeds: readonly number[], flips: number, form: Form = {}): void {
  const seed = process.env['MILLRACE_SEED'];
  for (const one of seed === undefined ? defaultSeeds : [Number(seed)]) {
    test(
      `bits of seed ${one}${form.encrypted === true ? ', encrypted' : ''}${form.compressed === true ? ', compressed' : ''}`,
      { timeout: 900_000 },
      () => flipsOf(one, Number(process.env['MILLRACE_RUNS'] ?? flips), form),
    );
  }
}

async function flipsOf(seed: number, flips: number, form: Form): Promise<void> {
  const random = new SeededRandom(seed);
  const world = await worldOf(random, form);
  const seen = { refusedStart: 0, fenced: 0, whole: 0 };
  for (let flip = 0; flip < flips; flip++) {
    const kind = KINDS[flip % KINDS.length] as Kind;
    const target = random.pick(targets(world, kind));
    const content = kind === 'object' ? world.objects : world.files;
    const bytes = Uint8Array.from(content.get(target) as Uint8Array);
    const bit = random.below(bytes.length * 8);
    (bytes[bit >> 3] as number) ^= 1 << (bit & 7);
    try {
      seen[await check(world, kind, target, bytes)] += 1;
    } catch (error) {
      throw new Error(`MILLRACE_SEED=${seed}, flip ${flip}: bit ${bit} of ${target}`, { cause: error });
    }
  }
  assert.ok(seen.fenced > 0 && seen.whole > 0, JSON.stringify(seen));
}

async function worldOf(random: SeededRandom, form: Form): Promise<World> {
  const disk = new FakeDisk({ turns: () => 0 });
  const clock = new ManualClock();
  const memory = new MemoryObjectStore();
  const broker = await openWith(disk, clock, memory, form);
  const history = await SealingHistory.begin(broker, disk, clock);
  await history.run(random, 200);
  await broker.tiering.tierer.look();
  await history.run(random, 40);
  await settle(broker);
  const objects = new Map<string, Uint8Array>();
  const present = (): Pick<World, 'files' | 'objects'> => {
    for (const [key, { body }] of memory.objects) objects.set(key, body);
    return { files: disk.content(), objects };
  };
  // Order files go with what they are for: after some histories there happens to be none.
  for (let more = 0; more < 50 && KINDS.some((kind) => targets(present(), kind).length === 0); more++) {
    await history.run(random, 20);
    await settle(broker);
  }
  const order = (await drain(subscribe(broker, ['**'], 'earliest'))).map(({ place }) => place);
  assert.ok(order.length > 100);
  await broker.close();
  objects.clear();
  const world = { history, ...present(), order, form };
  for (const kind of KINDS) assert.ok(targets(world, kind).length > 0, `there are files of kind ${kind}`);
  return world;
}

function targets({ files, objects }: Pick<World, 'files' | 'objects'>, kind: Kind): string[] {
  if (kind === 'object') return [...objects.keys()];
  return [...files].filter(([path, bytes]) => path.endsWith(`.${kind}`) && bytes.length > 0).map(([path]) => path);
}

async function openWith(
  disk: FakeDisk,
  clock: ManualClock,
  memory: MemoryObjectStore,
  { encrypted, compressed }: Form,
): Promise<Broker> {
  return await openOn(
    disk,
    clock,
    undefined,
    { ...SETTINGS, storageCompression: compressed === true ? 'zstd' : 'none' },
    {
      startTier: inProcessTier(disk, SEALING_DIRECTORY, memory, IMPATIENT),
      masterKeys: encrypted === true ? FIRST_MASTER : undefined,
    },
  );
}

async function check(
  world: World,
  kind: Kind,
  target: string,
  bytes: Uint8Array,
): Promise<'refusedStart' | 'fenced' | 'whole'> {
  const { history, files, objects, form } = world;
  const rotten = kind === 'object' ? files : new Map(files).set(target, bytes);
  const memory = new MemoryObjectStore();
  for (const [key, body] of kind === 'object' ? new Map(objects).set(target, bytes) : objects)
    await memory.put(key, body);
  const isNamed = await namedByVerify(rotten, target, form);
  let broker: Broker;
  try {
    broker = await openWith(
      new FakeDisk({ turns: () => 0 }, rotten),
      new ManualClock(history.clock.now()),
      memory,
      form,
    );
  } catch (error) {
    assert.ok(error instanceof MillraceError && error.kind === 'data-corrupt', String(error));
    assert.ok(error.message.includes(target), error.message);
    assert.ok(isNamed, 'verify finds it, too');
    return 'refusedStart';
  }
  try {
    const refused = await readAll(world, broker, kind === 'object' ? ['TIER_CORRUPT'] : ['STORE_CORRUPT']);
    const orderRefused = await readOrder(world, broker);
    const fenced = refused.size > 0 || orderRefused;
    if (refused.size > 0) assert.ok(isNamed || kind === 'object', 'what is refused is named by verify');
    if (orderRefused) assert.ok(isNamed || kind === 'object', 'what is out of order is named by verify');
    const topics = [...broker.topics.list()].filter(({ name }) => !refused.has(name));
    assert.ok(topics.length > 0, 'other topics are whole');
    for (const topic of topics.slice(0, 2)) {
      assert.equal((await produce(broker, topic, 0, batchOf(['still here']))).error, undefined);
    }
    return fenced ? 'fenced' : 'whole';
  } finally {
    await broker.close();
  }
}

async function namedByVerify(
  files: ReadonlyMap<string, Uint8Array>,
  target: string,
  { encrypted }: Form,
): Promise<boolean> {
  const disk = new FakeDisk({ turns: () => 0 }, files);
  const keys = encrypted === true ? await loadDataKeys(disk, SEALING_DIRECTORY, FIRST_MASTER) : undefined;
  for await (const item of verifyDirectory(diskWith(disk, keys?.all), SEALING_DIRECTORY, false)) {
    if (item.kind === 'problem' && item.path === target) return true;
  }
  return false;
}

/** @returns topics with a batch that was refused. */
async function readAll({ history }: World, broker: Broker, codes: readonly string[]): Promise<Set<string>> {
  const refused = new Set<string>();
  for (const topic of broker.topics.list()) {
    const partition = topic.partitions[0];
    assert.ok(partition);
    for (const { offset, bytes } of history.acked.filter((each) => each.topic === topic.name)) {
      if (lastOffset(bytes, 0) < partition.logStartOffset) continue;
      const at = Math.max(offset, partition.logStartOffset);
      const read = await fetchOnce(broker, partition, at, { maxBytes: 1 });
      if (read.item.error !== undefined) {
        assert.ok(codes.includes(read.item.error), `${topic.name} ${offset}: ${read.item.error}`);
        refused.add(topic.name);
        continue;
      }
      const [batch] = splitBatches(read.bytes);
      assert.ok(batch?.equals(bytes), `${topic.name} ${offset}: other bytes were served`);
    }
  }
  return refused;
}

/** @returns whether a subscription to all topics was refused before its end. */
async function readOrder({ order, history }: World, broker: Broker): Promise<boolean> {
  const sent = new Map(history.acked.map(({ topic, offset, bytes }) => [`${topic} ${offset}`, bytes]));
  const subscription = subscribe(broker, ['**'], 'earliest');
  const seen: string[] = [];
  let refused = false;
  try {
    for (let step = await subscription.next(); step.kind === 'run'; step = await subscription.next()) {
      const { topic, firstOffset, endOffset } = step.run;
      for (const batch of splitBatches(Buffer.from(runBytes(step.run)))) {
        const offset = baseOffset(batch, 0);
        assert.ok(
          sent.get(`${topic.name} ${offset}`)?.equals(batch),
          `${topic.name} ${offset}: other bytes were served`,
        );
      }
      for (let offset = firstOffset; offset < endOffset; offset++) seen.push(`${topic.name}/0@${offset}`);
    }
  } catch (error) {
    if (!(error instanceof MillraceError && error.kind === 'data-corrupt')) throw error;
    refused = true;
  }
  assert.deepEqual(seen, refused ? order.slice(0, seen.length) : order);
  return refused;
}
