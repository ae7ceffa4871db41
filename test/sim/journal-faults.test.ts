/**
 * The disk refuses: no space, I/O errors and failed syncs at every single operation of a workload. Proved for each: the
 * journal stops, every waiting transaction is told, nothing hangs, nothing is left open; what was durable is there after
 * a restart and after a crash; what was refused for lack of space is not; a restart with the fault gone works on, and
 * what it replays is durable even though an earlier sync had failed (the kernel keeps such pages and calls them clean).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from '../../src/base/buffer-pool.ts';
import type { MillraceError } from '../../src/base/errors.ts';
import type { Degree } from '../../src/journal/journal.ts';
import { LocalJournal } from '../../src/journal/local-journal.ts';
import { FakeDisk, type Fault, type FaultPoint } from '../kit/fake-disk.ts';
import { appendBatch, CheckingMemory, RecordingFold, type Settlement, transact } from '../kit/journal-fixtures.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const DIRECTORY = '/data';
const pool = new BufferPool(16 * 1024 * 1024);

interface Attempt {
  readonly degree: Degree;
  /** Entries of the fold before and after, exclusive. */
  readonly firstEntry: number;
  readonly endEntry: number;
  readonly settlement: Settlement;
}

interface Outcome {
  readonly opened: boolean;
  readonly fold: RecordingFold;
  readonly attempts: readonly Attempt[];
  readonly stopped: readonly MillraceError[];
}

function openJournal(
  disk: FakeDisk,
  fold: RecordingFold,
  random: SeededRandom,
  onStopped: (error: MillraceError) => void,
) {
  return LocalJournal.open({
    directory: DIRECTORY,
    disk,
    fold,
    clock: new ManualClock(),
    pool,
    memory: new CheckingMemory(),
    observer: { stopped: onStopped },
    sync: 'always',
    fileBytes: 2000,
    maxBlockingWriteBytes: random.pick([0, 400, 1_000_000]),
    maxBlockingSyncBytes: random.pick([0, 400, 1_000_000]),
    overlapBytes: random.pick([0, 400, 1_000_000]),
    random: random.next,
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Appends until done or stopped, closes, and checks what must hold whatever failed. */
async function work(disk: FakeDisk, random: SeededRandom): Promise<Outcome> {
  const fold = new RecordingFold();
  const stopped: MillraceError[] = [];
  const attempts: Attempt[] = [];
  let journal: LocalJournal;
  try {
    journal = await openJournal(disk, fold, random, (error) => stopped.push(error));
  } catch (error) {
    assert.match((error as MillraceError).code, /^JOURNAL_(IO|NO_SPACE|SYNC_FAILED)$/);
    assert.equal(disk.openHandles, 0, 'a failed open left a file open');
    return { opened: false, fold, attempts, stopped };
  }
  for (let index = 0; index < 20; index++) {
    const degree = random.pick(['durable', 'durable', 'written'] as const);
    const firstEntry = fold.entries.length;
    const build = appendBatch(fold, random.below(3), 1, random.bytes(random.below(600)));
    const settlement = transact(journal, degree, build);
    attempts.push({ degree, firstEntry, endEntry: fold.entries.length, settlement });
    if (random.chance(0.6)) await turns(random.below(5));
  }
  await turns(40);
  for (const [index, { settlement, degree }] of attempts.entries()) {
    assert.ok(settlement.outcome !== undefined, `attempt ${index} (${degree}) hangs`);
  }
  if (stopped.length > 0) {
    assert.equal(journal.status().state, 'stopped');
    assert.equal(journal.status().error, stopped[0]);
    const refused = await transact(journal, 'durable', () => assert.fail('built after a stop')).promise;
    assert.equal(refused?.code, 'JOURNAL_STOPPED');
  }
  assert.ok(fold.publishedCommit <= journal.status().writtenCommit);
  await journal.close();
  await journal.close();
  assert.equal(journal.status().state, 'closed');
  assert.equal(disk.openHandles, 0, 'a file was left open');
  assert.ok(stopped.length <= 1, 'stopped was told twice');
  return { opened: true, fold, attempts, stopped };
}

function checkAgainst(found: readonly string[], outcome: Outcome, place: string): void {
  assert.deepEqual(found, outcome.fold.entries.slice(0, found.length), `${place}: invented or altered`);
  for (const [index, { degree, settlement, firstEntry, endEntry }] of outcome.attempts.entries()) {
    const error = settlement.outcome?.error;
    if (error === undefined && degree === 'durable') {
      assert.ok(found.length >= endEntry, `${place}: attempt ${index} was durable and is gone`);
    }
    if (error !== undefined && error.code !== 'JOURNAL_IO' && error.code !== 'JOURNAL_SYNC_FAILED') {
      assert.ok(
        found.length <= firstEntry || endEntry === firstEntry,
        `${place}: attempt ${index}, ${error.code}, is there`,
      );
    }
  }
}

async function replay(disk: FakeDisk, random: SeededRandom): Promise<string[]> {
  const fold = new RecordingFold();
  const journal = await openJournal(disk, fold, random, () => assert.fail('stopped without a fault'));
  const replayed = [...fold.entries];
  assert.equal(await transact(journal, 'durable', appendBatch(fold, 0, 1, random.bytes(10))).promise, undefined);
  await journal.close();
  return replayed;
}

async function runFault(point: FaultPoint, at: number, fault: Fault, seed: number): Promise<boolean> {
  const random = new SeededRandom(seed);
  let hit = false;
  const slowness = random.below(3);
  const options = { turns: () => 1 + random.below(slowness + 1) };
  const disk = new FakeDisk({
    ...options,
    faults: (asked, _path, count) => {
      // A full disk stays full; an I/O error may be a single one.
      if (asked !== point || (fault.code === 'ENOSPC' ? count < at : count !== at)) return undefined;
      hit = true;
      return fault;
    },
  });
  const outcome = await work(disk, random);
  const total = disk.operationCount;
  checkAgainst(await replay(new FakeDisk({}, disk.crash(total, random)), random), outcome, 'after a crash');
  const restarted = disk.kill(options);
  const replayed = await replay(restarted, random);
  checkAgainst(replayed, outcome, 'after a restart');
  const again = await replay(new FakeDisk({}, restarted.crash(restarted.operationCount, random)), random);
  assert.deepEqual(again.slice(0, replayed.length), replayed, 'what a restart replayed was not durable');
  assert.equal(again.length, replayed.length + 1);
  return hit;
}

const CASES: readonly { readonly point: FaultPoint; readonly faults: readonly Fault[] }[] = [
  {
    point: 'write',
    faults: [
      { code: 'EIO' },
      { code: 'ENOSPC' },
      { code: 'ENOSPC', partialBytes: 100 },
      { code: 'ENOSPC', partialBytes: 1_000_000 },
      { code: 'EIO', partialBytes: 700 },
    ],
  },
  { point: 'sync', faults: [{ code: 'EIO' }, { code: 'ENOSPC' }] },
  { point: 'open', faults: [{ code: 'EIO' }, { code: 'ENOSPC' }] },
  { point: 'syncDirectory', faults: [{ code: 'EIO' }] },
];

for (const { point, faults } of CASES) {
  test(`a failing ${point}, wherever it strikes, costs nothing durable`, { timeout: 60_000 }, async (context) => {
    let cases = 0;
    for (const fault of faults) {
      for (let at = 0, misses = 0; misses < 3; at++) {
        for (let seed = at * 10; seed < at * 10 + 4; seed++) {
          try {
            if (await runFault(point, at, fault, seed)) misses = 0;
            else misses += 1;
          } catch (error) {
            const what = `${fault.code} at ${point} ${at}, partial ${fault.partialBytes ?? 0}, seed ${seed}`;
            throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
          }
          cases += 1;
        }
      }
    }
    context.diagnostic(`${cases} faults`);
  });
}
