/**
 * What the checkpoint worker folds: the same state whatever checkpoints it went through, indexes that can be built again
 * byte for byte, a start from any of its checkpoints that finds what was there, and old files removed only when nothing
 * needs them. The worker's thread itself is started by the broker's tests.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { batchOf } from '../../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { HISTORY_SETTINGS, History } from '../../../test/kit/history.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import * as fc from '../../../test/kit/properties.ts';
import { MillraceError } from '../../base/errors.ts';
import { garbageCollector } from '../../base/minor-collections.ts';
import { checkpointPath, indexPath, journalPath } from '../../journal/paths.ts';
import { verifyJournal } from '../../journal/verify.ts';
import { decodeCheckpoint } from '../../store/checkpoint-file.ts';
import { chunkFile } from '../../store/file-number.ts';
import { LogStore } from '../../store/log-store.ts';
import { ChunkMemory } from '../chunks/chunk-memory.ts';
import { SealPace } from '../chunks/seal-pace.ts';
import type { BrokerSettings } from '../settings.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { Folder } from './folder.ts';
import { rebuildIndex, repairIndexes } from './index-repair.ts';
import { removeLeftovers } from './leftovers.ts';

const DEADLINE = { timeout: 120_000 };
const D = History.directory;
const HOUR = 3_600_000;

const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('create' as const),
      name: fc.nat(5),
      partitions: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), name: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('grow' as const), name: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('configure' as const),
      name: fc.nat(5),
      bytes: fc.integer({ min: 5000, max: 9000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('delete-records' as const),
      name: fc.nat(5),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ids' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, HOUR, 25 * HOUR) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('produce' as const),
      name: fc.nat(5),
      size: fc.oneof(fc.nat(50), fc.nat(1500)),
      producer: fc.constantFrom(undefined, 1, 2, 3),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Driver {
  readonly #history: History;
  readonly #sequences = new Map<string, number>();

  constructor(history: History) {
    this.#history = history;
  }

  async run(one: Step): Promise<void> {
    const { topics, clock, producers } = this.#history;
    if (one.kind === 'wait') return clock.advance(one.ms);
    if (one.kind === 'ids') return void (await producers.allocateProducerId());
    const name = `t${one.name}`;
    const topic = topics.find(name);
    if (one.kind === 'create') {
      if (topic === undefined) await topics.create({ name, partitions: one.partitions });
      return;
    }
    if (topic === undefined) return;
    const partition = topic.partitions.at(-1);
    assert.ok(partition);
    if (one.kind === 'delete') await topics.delete(topic);
    else if (one.kind === 'grow') await topics.addPartitions(topic, topic.partitions.length + 1);
    else if (one.kind === 'configure') {
      await topics.configure(topic, [{ name: 'max.message.bytes', op: 'set', value: String(one.bytes) }]);
    } else if (one.kind === 'delete-records') {
      await topics.deleteRecords(partition, Math.floor(partition.highWatermark * one.part));
    } else await this.#produce(one.size, one.producer);
  }

  async #produce(size: number, producer: number | undefined): Promise<void> {
    for (const topic of this.#history.topics.list()) {
      const index = size % topic.partitions.length;
      const key = `${topic.id} ${index} ${producer}`;
      const baseSequence = this.#sequences.get(key) ?? 0;
      const fields = producer === undefined ? undefined : { producerId: producer, producerEpoch: 0, baseSequence };
      const item = await this.#history.produce(topic, index, batchOf(['x'.repeat(size)], fields, size));
      assert.equal(item.error, undefined);
      this.#sequences.set(key, baseSequence + 1);
    }
  }
}

async function makeHistory(steps: readonly Step[]): Promise<{ disk: FakeDisk; history: History }> {
  const disk = new FakeDisk({ turns: () => 0 });
  const history = await History.open(disk, { fileBytes: 2048 });
  const driver = new Driver(history);
  for (const one of steps) await driver.run(one);
  await history.journal.close();
  return { disk, history };
}

function copyOf(disk: FakeDisk): FakeDisk {
  return new FakeDisk({ turns: () => 0 }, disk.content());
}

function bytesAt(disk: FakeDisk, path: string): Buffer {
  const bytes = disk.content().get(path);
  assert.ok(bytes !== undefined, `${path} is there`);
  return Buffer.from(bytes);
}

test(
  'through any checkpoints and new workers the state, the indexes and the ranges are the same',
  DEADLINE,
  async () => {
    let files = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 30, maxLength: 120, size: 'max' }),
        fc.infiniteStream(fc.constantFrom('on', 'on', 'checkpoint', 'restart', 'checkpoint and restart')),
        async (steps, actions) => {
          const { disk, history } = await makeHistory(steps);
          files += history.closed.length;
          if (history.closed.length === 0) return;
          const [straight, broken] = [copyOf(disk), copyOf(disk)];
          const one = new Folder(straight, D, HISTORY_SETTINGS);
          let other = new Folder(broken, D, HISTORY_SETTINGS);
          for (const { file, sizeBytes } of history.closed) {
            assert.deepEqual(await other.fold(file, sizeBytes), await one.fold(file, sizeBytes));
            const index = bytesAt(straight, indexPath(D, file));
            assert.deepEqual(bytesAt(broken, indexPath(D, file)), index);
            await broken.remove(indexPath(D, file));
            await rebuildIndex(broken, D, file);
            assert.deepEqual(bytesAt(broken, indexPath(D, file)), index, 'built again');
            const action = actions.next().value as string;
            if (action.includes('checkpoint')) await other.checkpoint();
            if (action.includes('restart')) other = new Folder(broken, D, HISTORY_SETTINGS);
          }
          const last = history.closed.at(-1)?.file ?? 0;
          await one.checkpoint();
          // The last worker may have loaded a checkpoint of the last file itself, and then has nothing to write.
          if (!broken.content().has(checkpointPath(D, last))) {
            other = new Folder(broken, D, HISTORY_SETTINGS);
            await other.fold(last, history.closed.at(-1)?.sizeBytes ?? 0);
            await other.checkpoint();
          }
          assert.deepEqual(bytesAt(broken, checkpointPath(D, last)), bytesAt(straight, checkpointPath(D, last)));

          const bytes = bytesAt(straight, checkpointPath(D, last));
          const again = await History.open(copyOf(disk), {
            checkpoint: decodeCheckpoint(bytes, 'c'),
            clock: history.clock,
          });
          history.state.store.expireProducers(history.clock.now() - 24 * HOUR);
          again.state.store.expireProducers(history.clock.now() - 24 * HOUR);
          assert.deepEqual(again.describe(), history.describe());
          await again.journal.close();
        },
      ),
      { numRuns: 100 },
    );
    assert.ok(files > 300, `${files} closed files were folded`);
  },
);

/** Topics `old` and `kept` in alternating turns over many files; nothing is checkpointed yet. */
async function twoTopics(): Promise<{ disk: FakeDisk; history: History }> {
  const disk = new FakeDisk({ turns: () => 0 });
  const history = await History.open(disk);
  const old = await history.topics.create({ name: 'old' });
  for (let i = 0; i < 20; i++) await history.produce(old, 0, batchOf(['x'.repeat(1000)]));
  const kept = await history.topics.create({ name: 'kept' });
  for (let i = 0; i < 20; i++) await history.produce(kept, 0, batchOf(['y'.repeat(1000)]));
  return { disk, history };
}

function journalFiles(disk: FakeDisk, kind = 'journal'): number[] {
  const names = [...disk.content().keys()].filter((path) => path.endsWith(`.${kind}`));
  return names.map((path) => Number(/(\d+)\.\w+$/.exec(path)?.[1])).sort((a, b) => a - b);
}

/** Folds everything closed, a checkpoint behind each file. */
async function foldAll(folder: Folder, history: History, from = 0): Promise<number[]> {
  const removed: number[] = [];
  for (const { file, sizeBytes } of history.closed) {
    if (file <= from) continue;
    await folder.fold(file, sizeBytes);
    await folder.checkpoint();
    removed.push(...(await folder.removeDead()));
  }
  return removed;
}

test(
  'files without a readable batch go once two checkpoints hold their state; the rest starts and verifies',
  DEADLINE,
  async () => {
    const { disk, history } = await twoTopics();
    const folder = new Folder(disk, D, HISTORY_SETTINGS);
    assert.deepEqual(await foldAll(folder, history), [], 'everything is readable');
    const last = history.closed.at(-1)?.file ?? 0;
    const old = history.topics.find('old');
    const kept = history.topics.find('kept');
    assert.ok(old && kept?.partitions[0]);
    await history.topics.delete(old);
    for (let i = 0; i < 12; i++) await history.produce(kept, 0, batchOf(['z'.repeat(1000)]));
    const removed = await foldAll(folder, history, last);
    assert.ok(removed.length >= 4, `${removed.length} removed`);
    const left = journalFiles(disk);
    assert.deepEqual(
      removed,
      Array.from({ length: removed.length }, (_, i) => i + 1),
      'from the oldest on',
    );
    assert.equal(left[0], removed.length + 1);
    const firstKept = kept.partitions[0].extents?.file(0) ?? 0;
    assert.equal(left[0], firstKept, 'up to the first file with a readable batch');
    assert.ok(journalFiles(disk, 'index').every((file) => left.includes(file)));

    const lastFolded = history.closed.at(-1)?.file ?? 0;
    await history.topics.deleteRecords(kept.partitions[0], -1);
    for (let i = 0; i < 12; i++) await history.produce(kept, 0, batchOf(['z'.repeat(1000)]));
    await history.journal.close();
    const more = await foldAll(folder, history, lastFolded);
    assert.ok(more.length > 0 && more[0] === removed.length + 1, 'deleted records let their files go too');

    for (const file of journalFiles(disk, 'checkpoint')) {
      const checkpoint = decodeCheckpoint(bytesAt(disk, checkpointPath(D, file)), 'c');
      const again = await History.open(copyOf(disk), { checkpoint });
      assert.deepEqual(again.describe(), history.describe(), `from checkpoint ${file}`);
      await again.journal.close();
    }
    for await (const item of verifyJournal({ disk, directory: D })) assert.equal(item.kind, 'file');
  },
);

// Sealing let go what a removal beside it looks at: files stayed until the checkpoint after the next one.
test(
  'a round of sealing lets the state go; what is dead is removed beside it, and the next file is folded into the same',
  DEADLINE,
  async () => {
    const { disk, history } = await twoTopics();
    const settings = { ...HISTORY_SETTINGS, sealBytes: 20_000 };
    const folder = new Folder(disk, D, settings);
    const [old, kept] = [history.topics.find('old'), history.topics.find('kept')];
    assert.ok(old && kept);
    for (const { file, sizeBytes } of history.closed) {
      await folder.fold(file, sizeBytes);
      await folder.checkpoint();
    }
    const before = history.closed.length;
    await history.topics.delete(old);
    for (let i = 0; i < 12; i++) await history.produce(kept, 0, batchOf(['z'.repeat(1000)]));
    for (const { file, sizeBytes } of history.closed.slice(before)) {
      await folder.fold(file, sizeBytes);
      await folder.checkpoint();
    }
    const removal = folder.removal();
    const clock = new ManualClock();
    const options = {
      memory: new ChunkMemory(),
      pace: new SealPace(clock),
      wrote: () => undefined,
      toStore: undefined,
    };
    const round = await folder.seal(1, { now: clock.now(), all: true, ...options });
    assert.deepEqual([round.commands.length, round.problems], [1, []]);
    const { removed } = await removal();
    assert.ok(removed.length >= 4, `${removed.length} removed`);

    const folded = history.closed.length;
    for (let i = 0; i < 12; i++) await history.produce(kept, 0, batchOf(['a'.repeat(1000)]));
    await history.journal.close();
    const fresh = new Folder(copyOf(disk), D, settings);
    const later = history.closed.slice(folded);
    assert.ok(later.length > 0);
    for (const { file, sizeBytes } of later) {
      const [ranges, again] = [await folder.fold(file, sizeBytes), await fresh.fold(file, sizeBytes)];
      assert.deepEqual([...ranges], [...again]);
      assert.ok(ranges.count > 0);
    }
    const last = await folder.checkpoint();
    const checkpoint = decodeCheckpoint(bytesAt(disk, checkpointPath(D, last)), 'c');
    const started = await History.open(copyOf(disk), { checkpoint });
    assert.deepEqual(started.describe(), history.describe());
    await started.journal.close();
  },
);

/** A folder that has let its state go for a round, with everything in the last checkpoint; nothing is deleted. */
async function sealedFolder(): Promise<{ disk: FakeDisk; history: History; folder: Folder; settings: BrokerSettings }> {
  const { disk, history } = await twoTopics();
  const settings = { ...HISTORY_SETTINGS, sealBytes: 20_000 };
  const folder = new Folder(disk, D, settings);
  for (const { file, sizeBytes } of history.closed) {
    await folder.fold(file, sizeBytes);
    await folder.checkpoint();
  }
  const clock = new ManualClock();
  const options = { memory: new ChunkMemory(), pace: new SealPace(clock), wrote: () => undefined, toStore: undefined };
  const round = await folder.seal(1, { now: clock.now(), all: true, ...options });
  assert.ok(round.commands.length > 0);
  return { disk, history, folder, settings };
}

// What was loaded in its place was empty: by that, nothing was needed of any file, and all were removed.
test('a checkpoint that cannot be read again is an error, and nothing is removed for it', DEADLINE, async () => {
  const { disk, history, folder } = await sealedFolder();
  const before = [...disk.content().keys()];
  const removal = folder.removal();
  const last = history.closed.at(-1)?.file ?? 0;
  disk.faults = (point, path) => (point === 'open' && path.endsWith('.checkpoint') ? { code: 'EMFILE' } : undefined);
  const folding = assert.rejects(folder.folded(last), /Checkpoint \d+ cannot be read again: .*EMFILE/);
  for (let turn = 0; turn < 4; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    assert.deepEqual(await folder.removeDead(), []);
    assert.deepEqual(await folder.removeDeadOrders(), []);
  }
  assert.deepEqual(await removal(), { removed: [], removedOrders: [] });
  await folding;
  assert.deepEqual([...disk.content().keys()], before);
  disk.faults = undefined;
  assert.ok((await folder.folded(last)).topics.find('kept') !== undefined, 'it can be tried again');
  await history.journal.close();
});

// A worker goes on after a round that failed: the state of half a file became a checkpoint.
test('a file that could not be folded whole is in no checkpoint', DEADLINE, async () => {
  const { disk, history, folder, settings } = await sealedFolder();
  const kept = history.topics.find('kept');
  assert.ok(kept);
  const folded = history.closed.length;
  for (let i = 0; i < 12; i++) await history.produce(kept, 0, batchOf(['a'.repeat(1000)]));
  await history.journal.close();
  const next = history.closed[folded];
  assert.ok(next);
  const before = journalFiles(disk, 'checkpoint');
  disk.faults = (point, path) => (point === 'write' && path.endsWith('.index.tmp') ? { code: 'ENOSPC' } : undefined);
  await assert.rejects(folder.fold(next.file, next.sizeBytes), /ENOSPC/);
  disk.faults = undefined;
  await folder.checkpoint();
  assert.deepEqual(journalFiles(disk, 'checkpoint'), before);
  const fresh = new Folder(copyOf(disk), D, settings);
  const [ranges, again] = [await folder.fold(next.file, next.sizeBytes), await fresh.fold(next.file, next.sizeBytes)];
  assert.deepEqual([...ranges], [...again]);
});

// A variable of what made the plan held it: it stayed until the round was done.
test('a state that was let go is garbage while the round runs', DEADLINE, async () => {
  const { disk, history } = await twoTopics();
  let letGo = 0;
  const folder = new Folder(
    disk,
    D,
    { ...HISTORY_SETTINGS, sealBytes: 10_000 },
    { stepped: () => undefined, letGo: () => void letGo++ },
  );
  for (const { file, sizeBytes } of history.closed) await folder.fold(file, sizeBytes);
  const last = history.closed.at(-1);
  assert.ok(last);
  const state = await weakly(folder, last.file);
  const clock = new ManualClock();
  let isAlive = true;
  const wrote = (): void => {
    garbageCollector()('major');
    isAlive = state.deref() !== undefined;
  };
  const seal = async (): Promise<unknown> => {
    const options = { memory: new ChunkMemory(), pace: new SealPace(clock), wrote, toStore: undefined };
    return await folder.seal(1, { now: clock.now(), all: true, ...options });
  };
  await seal();
  assert.deepEqual([letGo, isAlive], [0, true], 'no checkpoint has it yet');
  await folder.checkpoint();
  // Who looks at a weak reference keeps what it found until the turn of the event loop ends.
  await nextTurn();
  await seal();
  assert.deepEqual([letGo, isAlive], [1, false]);
  await history.journal.close();
});

async function weakly(folder: Folder, file: number): Promise<WeakRef<object>> {
  return new WeakRef(await folder.folded(file));
}

// The broker's own state knows of deletions that are not durable yet: removing by it could lose readable records.
test('a deletion that no closed file holds removes nothing', DEADLINE, async () => {
  const { disk, history } = await twoTopics();
  const old = history.topics.find('old');
  assert.ok(old);
  await history.topics.delete(old);
  const folder = new Folder(disk, D, HISTORY_SETTINGS);
  assert.deepEqual(await foldAll(folder, history), []);
  await history.journal.close();
});

test('one checkpoint alone removes nothing, and a damaged one is not counted', DEADLINE, async () => {
  const { disk, history } = await twoTopics();
  const old = history.topics.find('old');
  const kept = history.topics.find('kept');
  assert.ok(old && kept);
  await history.topics.delete(old);
  for (let i = 0; i < 8; i++) await history.produce(kept, 0, batchOf(['z'.repeat(1000)]));
  await history.journal.close();
  const { closed } = history;
  const [last, before] = [closed.at(-1), closed.at(-2)];
  assert.ok(last && before);
  const first = new Folder(disk, D, HISTORY_SETTINGS);
  await first.fold(before.file, before.sizeBytes);
  await first.checkpoint();
  assert.deepEqual(await first.removeDead(), []);
  const path = checkpointPath(D, before.file);
  const bytes = bytesAt(disk, path);
  (bytes[90] as number) ^= 1;
  await (await disk.open(path, 'readwrite')).write([bytes], 0);
  const second = new Folder(disk, D, HISTORY_SETTINGS);
  await second.fold(last.file, last.sizeBytes);
  await second.checkpoint();
  assert.deepEqual(await second.removeDead(), []);
  assert.deepEqual(journalFiles(disk, 'checkpoint'), [before.file, last.file], 'nothing is thrown away on a doubt');
});

test('the newest sound checkpoint serves; damaged ones are named and passed over', DEADLINE, async () => {
  const { disk, history } = await twoTopics();
  await history.journal.close();
  const folder = new Folder(disk, D, HISTORY_SETTINGS);
  await foldAll(folder, history);
  const [older, newest] = journalFiles(disk, 'checkpoint');
  assert.ok(older && newest);
  const bytes = bytesAt(disk, checkpointPath(D, newest));
  await (await disk.open(checkpointPath(D, newest), 'readwrite')).truncate(bytes.length - 1);
  const problems: string[] = [];
  const store = new CheckpointStore(disk, D);
  const found = await store.newest(Number.MAX_SAFE_INTEGER, (problem) => problems.push(problem));
  assert.equal(found?.file, older);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', new RegExp(`${checkpointPath(D, newest)} is damaged`));
  assert.equal((await store.newest(older - 1, () => undefined))?.file, undefined);
});

test('a rotten closed file is refused with its place, and never becomes a checkpoint', DEADLINE, async () => {
  const { disk, history } = await twoTopics();
  await history.journal.close();
  const [first] = history.closed;
  assert.ok(first);
  const path = journalPath(D, first.file);
  const sound = bytesAt(disk, path);
  let refused = 0;
  for (let at = 64; at < sound.length; at += 3) {
    const rotten = Buffer.from(sound);
    (rotten[at] as number) ^= 1 << (at % 8);
    const folder = new Folder(new FakeDisk({ turns: () => 0 }, new Map([[path, rotten]])), D, HISTORY_SETTINGS);
    try {
      await folder.fold(first.file, first.sizeBytes);
    } catch (error) {
      assert.ok(error instanceof MillraceError && error.kind === 'data-corrupt', `byte ${at}: ${String(error)}`);
      refused += 1;
    }
  }
  // Values of records, and checksums of batches, are not read: fetches and `journal verify` see those.
  assert.ok(refused > 50, `${refused} refused`);
  for (let length = first.sizeBytes - 1; length > 0; length -= 97) {
    const folder = new Folder(
      new FakeDisk({ turns: () => 0 }, new Map([[path, sound.subarray(0, length)]])),
      D,
      HISTORY_SETTINGS,
    );
    await assert.rejects(
      folder.fold(first.file, first.sizeBytes),
      (error) => error instanceof MillraceError && error.code === 'JOURNAL_CORRUPT',
    );
  }
});

test(
  'indexes that are missing, cut or wrong are built again at the start; what cannot be is named',
  DEADLINE,
  async () => {
    const { disk, history } = await twoTopics();
    await history.journal.close();
    const folder = new Folder(disk, D, HISTORY_SETTINGS);
    await foldAll(folder, history);
    const newest = journalFiles(disk, 'checkpoint').at(-1) ?? 0;
    const checkpoint = decodeCheckpoint(bytesAt(disk, checkpointPath(D, newest)), 'c');
    const before = new Map(journalFiles(disk, 'index').map((file) => [file, bytesAt(disk, indexPath(D, file))]));
    await disk.remove(indexPath(D, 1));
    await (await disk.open(indexPath(D, 2), 'readwrite')).truncate(70);
    await (await disk.open(indexPath(D, 3), 'readwrite')).write([Buffer.alloc(8, 0xff)], 0);
    const again = await History.open(disk, { checkpoint });
    const reports: string[] = [];
    await repairIndexes(disk, D, again.state.store.partitions(), (problem) => reports.push(problem));
    assert.equal(reports.length, 3);
    for (const report of reports) assert.match(report, /was built again/);
    for (const [file, bytes] of before) assert.deepEqual(bytesAt(disk, indexPath(D, file)), bytes);
    await disk.remove(indexPath(D, 1));
    await disk.remove(journalPath(D, 1));
    await repairIndexes(disk, D, again.state.store.partitions(), (problem) => reports.push(problem));
    assert.match(reports[3] ?? '', /0000000001\.index cannot be built again \(it is missing\)/);
    await again.journal.close();
  },
);

test('temporary files and indexes without a journal file are removed, and nothing else', DEADLINE, async () => {
  const names = [
    'journal/0000000001.index.tmp',
    'journal/0000000007.index',
    'checkpoint/0000000001.checkpoint.tmp',
    'chunk/0000000001.chunk',
    'chunk/0000000004.chunk.tmp',
  ];
  const kept = [
    'journal/0000000002.journal',
    'journal/0000000002.index',
    'checkpoint/0000000001.checkpoint',
    'journal/mine.tmp',
    'chunk/0000000003.chunk',
  ];
  const disk = new FakeDisk({}, new Map([...names, ...kept].map((name) => [`${D}/${name}`, Buffer.alloc(1)])));
  const store = new LogStore();
  store.create(0, 0).indexed({
    file: chunkFile(3),
    baseOffset: 0,
    endOffset: 1,
    firstRow: 0,
    rowCount: 1,
    maxTimestamp: 0,
    sizeBytes: 1,
  });
  await removeLeftovers(disk, D, store);
  assert.deepEqual([...disk.content().keys()].sort(), kept.map((name) => `${D}/${name}`).sort());
});
