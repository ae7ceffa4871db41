/**
 * The broker's side of the worker, against a worker that says what the test wants, when it wants: order, failures and
 * retries, workers that were given up, deleted topics, the end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { LogStore } from '../../store/log-store.ts';
import { PackedRanges } from '../../store/packed-ranges.ts';
import { DEFAULT_BROKER_SETTINGS } from '../settings.ts';
import type { TieredPlace } from '../tiering/messages.ts';
import { Checkpointer, type CheckpointWorker } from './checkpointer.ts';
import type { FromWorker, ToWorker } from './messages.ts';

const DEADLINE = { timeout: 60_000 };
const PARTITIONS = 5000;

class FakeWorker implements CheckpointWorker {
  readonly said: ToWorker[] = [];
  terminated = 0;
  /** Has nothing left to do when it is told to finish. */
  endsAtOnce = true;
  readonly #listeners = new Map<string, (argument: never) => void>();

  postMessage(message: ToWorker): void {
    this.said.push(message);
    if (message.kind === 'finish' && this.endsAtOnce) this.emit('exit');
  }

  on(event: string, listener: (argument: never) => void): void {
    this.#listeners.set(event, listener);
  }

  async terminate(): Promise<void> {
    this.terminated += 1;
  }

  unref(): void {}

  emit(event: 'message' | 'error' | 'exit', argument?: unknown): void {
    this.#listeners.get(event)?.(argument as never);
  }

  tell(message: FromWorker): void {
    this.emit('message', message);
  }

  /** Every partition has one offset a file, in one row. */
  indexed(file: number, partitions = PARTITIONS): void {
    const ranges = new PackedRanges(file, partitions);
    for (let i = 0; i < partitions; i++) {
      const [baseOffset, endOffset] = [file - 1, file];
      ranges.set(i, i, { baseOffset, endOffset, firstRow: i, rowCount: 1, maxTimestamp: 0, sizeBytes: 100 });
    }
    this.tell({ kind: 'indexed', file, ranges: ranges.numbers });
  }

  get folds(): number[] {
    return this.said.flatMap((message) => (message.kind === 'fold' ? [message.file] : []));
  }
}

function setUp(options: { readonly sealBacklogBytes?: number; readonly nextChunk?: boolean } = {}): {
  store: LogStore;
  clock: ManualClock;
  workers: FakeWorker[];
  problems: string[];
  removed: number[];
  checkpointer: Checkpointer;
} {
  const store = new LogStore();
  for (let i = 0; i < PARTITIONS; i++) {
    const partition = store.create(i, 0);
    for (let file = 1; file <= 4; file++) partition.append(1, file, 64, 100, 0);
  }
  const clock = new ManualClock();
  const workers: FakeWorker[] = [];
  const problems: string[] = [];
  const removed: number[] = [];
  const checkpointer = new Checkpointer({
    directory: 'd',
    settings: { ...DEFAULT_BROKER_SETTINGS, sealBacklogBytes: options.sealBacklogBytes ?? 1e12 },
    ...(options.nextChunk === true ? { nextChunk: () => 1, load: () => 1 } : {}),
    store,
    clock,
    report: (problem) => problems.push(problem),
    removed: (files) => removed.push(...files),
    startWorker: () => {
      workers.push(new FakeWorker());
      return workers.at(-1) as FakeWorker;
    },
  });
  return { store, clock, workers, problems, removed, checkpointer };
}

/** Seals what has 300 bytes. */
function setUpSealing(load: () => number): {
  clock: ManualClock;
  workers: FakeWorker[];
  checkpointer: Checkpointer;
} {
  const clock = new ManualClock();
  const workers: FakeWorker[] = [];
  const checkpointer = new Checkpointer({
    directory: 'd',
    settings: { ...DEFAULT_BROKER_SETTINGS, sealBytes: 300, sealBacklogBytes: 1_000 },
    store: new LogStore(),
    clock,
    report: () => undefined,
    nextChunk: () => 1,
    load,
    startWorker: () => {
      workers.push(new FakeWorker());
      return workers.at(-1) as FakeWorker;
    },
  });
  return { clock, workers, checkpointer };
}

function place(chunk: number): TieredPlace {
  return { chunk, object: `o${chunk}`, rawBytes: 10, storedBytes: 5 };
}

async function settled(checkpointer: Checkpointer): Promise<void> {
  while (checkpointer.waitingFiles > 0) await new Promise((resolve) => setImmediate(resolve));
}

// Ranges of one file were taken in over several turns, and those of the next file began in between: a partition's ranges
// came out of order, and its records could not be found.
test('ranges of files that come together are taken in file by file', DEADLINE, async () => {
  const { store, workers, checkpointer } = setUp();
  for (const file of [1, 2, 3]) checkpointer.add(file, 100);
  for (const file of [1, 2, 3]) workers[0]?.indexed(file);
  assert.equal(checkpointer.waitingFiles, 3);
  await settled(checkpointer);
  for (const partition of store.partitions()) {
    assert.deepEqual(
      [0, 1, 2].map((i) => partition.ranges?.file(i)),
      [1, 2, 3],
    );
    assert.equal(partition.extents?.count, 1);
  }
  await checkpointer.close();
});

test('partitions deleted meanwhile are left out', DEADLINE, async () => {
  const { store, workers, checkpointer } = setUp();
  checkpointer.add(1, 100);
  const deleted = store.partition(3);
  assert.ok(deleted);
  store.remove(deleted, 1);
  workers[0]?.indexed(1);
  await settled(checkpointer);
  assert.equal(deleted.ranges, undefined);
  assert.equal(store.partition(4)?.ranges?.count, 1);
  await checkpointer.close();
});

// A backup of a broker with many partitions waited until the worker was idle and wrote a checkpoint by itself.
test('a checkpoint is asked for while the ranges of its file are still taken in', DEADLINE, async () => {
  const { workers, checkpointer } = setUp();
  checkpointer.add(1, 100);
  const worker = workers[0] as FakeWorker;
  worker.indexed(1);
  assert.equal(checkpointer.waitingFiles, 1, 'it takes several turns');
  const reached = checkpointer.checkpointThrough(1);
  await settled(checkpointer);
  assert.equal(worker.said.at(-1)?.kind, 'checkpoint');
  worker.tell({ kind: 'checkpointed', file: 1, removed: [], removedOrders: [] });
  assert.equal(await reached, true);
  await checkpointer.close();
});

// Nearly all checkpoints of a small broker are made then, and nobody heard that none could be.
test('what fails while a worker finishes is reported, and its end is no failure', DEADLINE, async () => {
  const { workers, problems, clock, checkpointer } = setUp();
  checkpointer.add(1, 100);
  const first = workers[0] as FakeWorker;
  first.endsAtOnce = false;
  first.indexed(1);
  await settled(checkpointer);
  clock.advance(3_000);
  assert.equal(first.said.at(-1)?.kind, 'finish');
  first.tell({ kind: 'failed', message: 'no space' });
  first.emit('exit');
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /no space/);
  await checkpointer.close();
});

// Sealing went on with the next closed file only, which may be hours away.
test('a round whose worker dies is begun again after a while', DEADLINE, async () => {
  const { workers, clock, checkpointer } = setUp({ nextChunk: true, sealBacklogBytes: 1 });
  checkpointer.add(1, DEFAULT_BROKER_SETTINGS.sealBytes);
  const first = workers[0] as FakeWorker;
  first.indexed(1);
  await settled(checkpointer);
  clock.advance(10_000);
  assert.ok(first.said.some(({ kind }) => kind === 'seal'));
  first.emit('error', new Error('out of memory'));
  first.emit('exit');
  clock.advance(59_000);
  assert.equal(workers.length, 1);
  clock.advance(10_000);
  assert.ok(workers[1]?.said.some(({ kind }) => kind === 'seal'));
  await checkpointer.close();
  assert.equal(clock.pendingTimers, 0);
});

test(
  'a failure is reported, and the files are tried again with the next one, all of them, once',
  DEADLINE,
  async () => {
    const { workers, problems, clock, checkpointer } = setUp();
    checkpointer.add(1, 100);
    checkpointer.add(2, 100);
    const first = workers[0] as FakeWorker;
    first.indexed(1, 1);
    first.tell({ kind: 'failed', message: 'no space' });
    assert.match(problems[0] ?? '', /no space/);
    checkpointer.add(3, 100);
    const second = workers[1] as FakeWorker;
    assert.deepEqual(second.folds, [2, 3]);
    // The first worker may still say things: they are about files that are the second one's now.
    first.indexed(2, 1);
    first.tell({ kind: 'failed', message: 'again' });
    first.emit('exit');
    assert.deepEqual([problems.length, checkpointer.waitingFiles], [1, 2]);
    checkpointer.add(4, 100);
    assert.deepEqual([workers.length, second.folds], [2, [2, 3, 4]]);
    for (const file of [2, 3, 4]) second.indexed(file, 1);
    await settled(checkpointer);
    clock.advance(3_000);
    assert.equal(second.said.at(-1)?.kind, 'finish');
    await checkpointer.close();
    assert.equal(clock.pendingTimers, 0);
  },
);

// Without another closed file the extents stayed in memory, and the replay long, until the next restart.
test('a worker that fails, throws or dies is replaced after a while', DEADLINE, async () => {
  const { workers, problems, clock, checkpointer } = setUp();
  checkpointer.add(1, 100);
  workers[0]?.emit('error', new Error('out of memory'));
  workers[0]?.emit('exit');
  clock.advance(60_000);
  assert.equal(workers.length, 2);
  workers[1]?.emit('exit');
  clock.advance(60_000);
  assert.deepEqual(workers[2]?.folds, [1]);
  assert.deepEqual(
    problems.map((problem) => /out of memory|ended before/.test(problem)),
    [true, true],
  );
  workers[2]?.indexed(1, 1);
  await settled(checkpointer);
  clock.advance(60_000);
  assert.equal(workers.length, 3);
  await checkpointer.close();
});

// Two workers in one directory write the same checkpoint, and remove the same files.
test('a file that is closed while a worker finishes waits for another, which starts behind it', DEADLINE, async () => {
  const { workers, problems, removed, clock, checkpointer } = setUp();
  checkpointer.add(1, 100);
  (workers[0] as FakeWorker).endsAtOnce = false;
  workers[0]?.indexed(1, 1);
  await settled(checkpointer);
  clock.advance(3_000);
  checkpointer.add(2, 100);
  assert.deepEqual([workers.length, checkpointer.waitingFiles], [1, 1]);
  workers[0]?.tell({ kind: 'checkpointed', file: 1, removed: [], removedOrders: [] });
  workers[0]?.emit('exit');
  assert.deepEqual([workers.length, workers[1]?.folds], [2, [2]]);
  workers[1]?.tell({ kind: 'checkpointed', file: 2, removed: [1], removedOrders: [] });
  assert.deepEqual([checkpointer.lastCheckpoint, removed], [2, [1]]);
  await checkpointer.close();
  assert.equal(workers[1]?.terminated, 1);
  workers[1]?.indexed(2, 1);
  workers[1]?.emit('exit');
  checkpointer.add(3, 100);
  assert.deepEqual([workers.length, problems, clock.pendingTimers], [2, [], 0]);
});

test('a round waits for the worker that finishes', DEADLINE, async () => {
  const { clock, workers, checkpointer } = setUpSealing(() => 0);
  checkpointer.add(1, 400);
  (workers[0] as FakeWorker).endsAtOnce = false;
  workers[0]?.indexed(1, 0);
  await settled(checkpointer);
  clock.advance(60_000);
  assert.equal(workers.length, 1);
  assert.equal(workers[0]?.said.at(-1)?.kind, 'finish');
  workers[0]?.emit('exit');
  clock.advance(5_000);
  const [first] = workers[1]?.said ?? [];
  assert.equal(first?.kind, 'seal');
  await checkpointer.close();
});

// Sealing wrote everything once more beside the load that had brought it, and halved what readers got.
test('sealing waits for quiet, or until too much is there, and is told of the load', DEADLINE, async () => {
  let load = 1;
  const { clock, workers, checkpointer } = setUpSealing(() => load);
  const close = async (file: number, sizeBytes: number): Promise<void> => {
    checkpointer.add(file, sizeBytes);
    workers.at(-1)?.indexed(file, 0);
    await settled(checkpointer);
  };
  const said = (): ToWorker[] => workers.flatMap((worker) => worker.said);
  const seals = (): number => said().filter(({ kind }) => kind === 'seal').length;
  const loads = (): boolean[] => said().flatMap((message) => (message.kind === 'load' ? [message.busy] : []));

  await close(1, 400);
  clock.advance(60_000);
  assert.equal(seals(), 0, 'busy');
  assert.equal(workers[0]?.said.at(-1)?.kind, 'finish', 'no worker waits with it');
  load = 0;
  clock.advance(4_000);
  load = 1;
  clock.advance(1_000);
  load = 0;
  clock.advance(4_000);
  assert.equal(seals(), 0, 'quiet for four seconds, twice');
  clock.advance(1_000);
  assert.equal(seals(), 1, 'quiet for five seconds');
  const [first] = workers[1]?.said ?? [];
  assert.deepEqual([workers.length, first?.kind === 'seal' && first.file], [2, 1]);
  assert.deepEqual(loads(), []);
  load = 1;
  clock.advance(1_000);
  load = 0;
  clock.advance(1_000);
  assert.deepEqual(loads(), [true, false]);
  workers
    .at(-1)
    ?.tell({ kind: 'sealed', through: 1, commands: [new Uint8Array(1)], chunks: [], tiered: [], problems: [] });
  clock.advance(1_000);
  assert.equal(loads().length, 2, 'the round is over');

  load = 1;
  await close(2, 600);
  clock.advance(60_000);
  assert.equal(seals(), 1, 'the last round took the first file');
  await close(3, 400);
  clock.advance(1_000);
  assert.equal(seals(), 2, 'as much as may wait');
  clock.advance(1_000);
  assert.equal(loads().at(-1), true);
  checkpointer.add(4, 1_000);
  clock.advance(1_000);
  assert.equal(loads().at(-1), false, 'twice as much: it does not rest any more');
  workers
    .at(-1)
    ?.tell({ kind: 'sealed', through: 3, commands: [new Uint8Array(1)], chunks: [], tiered: [], problems: [] });
  workers.at(-1)?.indexed(4, 0);
  await settled(checkpointer);
  clock.advance(1_000);
  assert.equal(seals(), 3, 'what was closed during the round was not in it');
  await checkpointer.close();
});

// The rest of a burst stayed in the journal until somebody wrote again: the swap was in a file that nobody closed.
test('a round is followed by the next while enough is left, and by a roll that folds its swap', DEADLINE, async () => {
  const clock = new ManualClock();
  const worker = new FakeWorker();
  const settings = { ...DEFAULT_BROKER_SETTINGS, tierStore: 'dir:///a', tierLocalBytes: 8_000, sealBytes: 1_000 };
  let rolls = 0;
  const news: boolean[] = [];
  const checkpointer = new Checkpointer({
    directory: 'd',
    settings,
    store: new LogStore(),
    clock,
    report: () => undefined,
    nextChunk: () => 1,
    load: () => 1,
    roll: async () => void rolls++,
    startWorker: () => worker,
  });
  checkpointer.onNews = (isWaitedFor) => news.push(isWaitedFor);
  const seals = () => worker.said.filter((message) => message.kind === 'seal');
  const sealedThrough = async (through: number) => {
    worker.tell({ kind: 'sealed', through, commands: [new Uint8Array(1)], chunks: [], tiered: [], problems: [] });
    await checkpointer.sealing;
  };
  for (const file of [1, 2]) checkpointer.add(file, 600);
  for (const file of [1, 2]) worker.indexed(file, 0);
  await settled(checkpointer);
  assert.deepEqual(
    seals().map(({ all }) => all),
    [true],
    'at once, and everything: as much waits as may',
  );
  worker.tell({ kind: 'progress', sizeBytes: 400 });
  assert.deepEqual([checkpointer.writingBytes, checkpointer.sealedBytes], [400, 400]);
  await sealedThrough(1);
  assert.deepEqual([checkpointer.writingBytes, rolls, news.at(-1)], [0, 1, true]);
  // Less than a round is left: the file of the swap is folded, and no round begins before it is quiet.
  checkpointer.add(3, 10);
  worker.indexed(3, 0);
  await settled(checkpointer);
  clock.advance(60_000);
  assert.equal(seals().length, 1);
  checkpointer.add(4, 500);
  worker.indexed(4, 0);
  await settled(checkpointer);
  assert.equal(seals().length, 2);
  for (const isStalled of [false, false, true]) {
    worker.tell({ kind: 'sealed', through: 0, commands: [], chunks: [], tiered: [], problems: ['no space'] });
    assert.equal(checkpointer.stalled, isStalled);
  }
  await sealedThrough(2);
  assert.equal(checkpointer.stalled, false);
  await checkpointer.close();
});

// A file that was folded between the end of a round and its swap led to a round that took the numbers of the same chunks again, and
// wrote over them while partitions were about to be read from them.
test('no round begins before the chunks of the one before are swapped in', DEADLINE, async () => {
  const worker = new FakeWorker();
  let nextChunk = 1;
  let swap = Promise.withResolvers<void>();
  const checkpointer = new Checkpointer({
    directory: 'd',
    settings: { ...DEFAULT_BROKER_SETTINGS, sealBytes: 1_000, sealBacklogBytes: 1_000 },
    store: new LogStore(),
    clock: new ManualClock(),
    report: () => undefined,
    nextChunk: () => nextChunk,
    sealed: () => swap.promise,
    startWorker: () => worker,
  });
  const seals = () => worker.said.flatMap((message) => (message.kind === 'seal' ? [message.nextChunk] : []));
  const fold = async (file: number): Promise<void> => {
    checkpointer.add(file, 2_000);
    worker.indexed(file, 0);
    await settled(checkpointer);
  };
  const sealed = (through: number): void =>
    worker.tell({ kind: 'sealed', through, commands: [new Uint8Array(1)], chunks: [], tiered: [], problems: [] });
  await fold(1);
  assert.deepEqual(seals(), [1]);
  sealed(1);
  await fold(2);
  assert.deepEqual(seals(), [1], 'its chunks have no reader yet');
  nextChunk = 3;
  swap.resolve();
  await checkpointer.sealing;
  assert.deepEqual(seals(), [1, 3], 'what was folded meanwhile is not forgotten');
  swap = Promise.withResolvers();
  sealed(2);
  swap.resolve();
  await checkpointer.sealing;
  assert.deepEqual(seals(), [1, 3]);
  await fold(3);
  assert.deepEqual(seals(), [1, 3, 3]);
  await checkpointer.close();
});

test(
  'files that an earlier run has closed count, and those that went without a round do not any more',
  DEADLINE,
  async () => {
    const { clock, workers, checkpointer } = setUp({ sealBacklogBytes: 1_000, nextChunk: true });
    const seals = (): number => workers.flatMap(({ said }) => said).filter(({ kind }) => kind === 'seal').length;
    checkpointer.addUnsealed(1, 600);
    checkpointer.addUnsealed(2, 600);
    checkpointer.add(2, 600);
    workers[0]?.tell({ kind: 'checkpointed', file: 2, removed: [1], removedOrders: [] });
    workers[0]?.indexed(2, 0);
    await settled(checkpointer);
    clock.advance(60_000);
    assert.equal(seals(), 0, '600 are left');
    checkpointer.add(3, 400);
    workers.at(-1)?.indexed(3, 0);
    await settled(checkpointer);
    assert.equal(seals(), 1);
    await checkpointer.close();
  },
);

test(
  'a chunk that is to get no file is put into the store, and the worker hears what became of it',
  DEADLINE,
  async () => {
    const { workers, problems, checkpointer } = setUp();
    checkpointer.add(1, 100);
    const worker = workers[0] as FakeWorker;
    let settledCount = 0;
    checkpointer.straightStore = {
      wanted: () => true,
      put: async ({ chunk }) => {
        if (chunk === 2) throw new Error('the store is away');
        return place(chunk);
      },
      settled: () => void settledCount++,
    };
    for (const chunk of [1, 2])
      worker.tell({ kind: 'store', chunk, prefix: '', bytes: new Uint8Array(10), isChecked: true });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      worker.said.filter(({ kind }) => kind === 'stored'),
      [
        { kind: 'stored', chunk: 1, place: place(1) },
        { kind: 'stored', chunk: 2, place: undefined },
      ],
    );
    assert.match(problems.at(-1) ?? '', /the store is away/);
    assert.deepEqual([checkpointer.sealedBytes, checkpointer.writingBytes, settledCount], [10, 0, 0]);
    worker.tell({ kind: 'sealed', through: 0, commands: [], chunks: [], tiered: [], problems: ['it failed'] });
    assert.equal(settledCount, 1, 'what was put for it may be swept');
    await checkpointer.close();
  },
);
