/**
 * Issue 2, "Must hold" 3: a random workload on a disk that loses, tears and reorders what was not synced; a crash after
 * every prefix of its operations; a reopen. Proved for each: every transaction settled as durable is there, in order and
 * byte for byte; what else is there is a prefix of what was staged, whole transactions only; nothing is invented; and
 * the journal goes on working, through a second crash. Not proved: disks that lie about a sync.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from '../../src/base/buffer-pool.ts';
import type { CommitBuilder, Degree, JournalFile, SyncPolicy } from '../../src/journal/journal.ts';
import { LocalJournal, type LocalJournalOptions } from '../../src/journal/local-journal.ts';
import type { ReplayStart } from '../../src/journal/recovery.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { appendBatch, CheckingMemory, RecordingFold, type Settlement, transact } from '../kit/journal-fixtures.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const DIRECTORY = '/data';

interface Attempt {
  /** Entries of the history when the transaction was complete, exclusive. */
  readonly endEntry: number;
  readonly degree: Degree;
  readonly settlement: Settlement;
  /** Operations on the disk when it settled; undefined while it has not. */
  readonly settledAt: number | undefined;
}

interface History {
  /** Entries as the fold saw them, all runs of the journal so far. */
  readonly entries: readonly string[];
  readonly attempts: readonly Attempt[];
  /** Entry counts at which a crash may leave the journal: ends of whole transactions. */
  readonly ends: ReadonlySet<number>;
  /** Entries that were durable before this history began. */
  readonly floor: number;
  /** Entries that the open replayed, and operations on the disk when it resolved: from then on they are durable. */
  readonly replayed: number;
  readonly openedAt: number;
  /** Operations on the disk when the history began: 0, but after a kill. */
  readonly startedAt: number;
  /** Checkpoints that could have been written: files that were rolled, and operations on the disk by then. */
  readonly rolled: readonly { readonly closed: JournalFile; readonly at: number }[];
  readonly disk: FakeDisk;
}

/** What is known of a disk before a history begins on it. */
interface Past {
  readonly ends: ReadonlySet<number>;
  readonly floor: number;
}

interface Setting {
  readonly sync: SyncPolicy;
  readonly fileBytes: number;
  readonly maxBlockingWriteBytes: number;
  readonly maxBlockingSyncBytes: number;
  readonly overlapBytes: number;
  readonly pool: BufferPool;
}

function openJournal(
  disk: FakeDisk,
  fold: RecordingFold,
  setting: Setting,
  clock: ManualClock,
  random: SeededRandom,
  more: Partial<LocalJournalOptions> = {},
) {
  return LocalJournal.open({
    directory: DIRECTORY,
    disk,
    fold,
    clock,
    memory: new CheckingMemory(),
    observer: {},
    syncIntervalMs: 10,
    random: random.next,
    ...setting,
    ...more,
  });
}

/** Opens, checks nothing, stages a random workload with random pauses; closes in order or not at all. */
async function work(
  disk: FakeDisk,
  setting: Setting,
  random: SeededRandom,
  count: number,
  past: Past,
): Promise<History> {
  const fold = new RecordingFold();
  const clock = new ManualClock();
  const startedAt = disk.operationCount;
  const rolled: { closed: JournalFile; at: number }[] = [];
  const observer = { rolled: (closed: JournalFile) => void rolled.push({ closed, at: disk.operationCount }) };
  const journal = await openJournal(disk, fold, setting, clock, random, { observer });
  const replayed = fold.entries.length;
  const openedAt = disk.operationCount;
  const ends = new Set(past.ends);
  const attempts: Attempt[] = [];
  for (let index = 0; index < count; index++) {
    const degree = random.pick(['durable', 'durable', 'written', 'admitted'] as const);
    let settledAt: number | undefined;
    const settlement = transact(journal, degree, stageRandomly(fold, random), () => {
      settledAt = disk.operationCount;
    });
    const endEntry = fold.entries.length;
    ends.add(endEntry);
    attempts.push({
      endEntry,
      degree,
      settlement,
      get settledAt() {
        return settledAt;
      },
    });
    clock.advance(random.below(4));
    if (random.chance(0.5)) await turns(random.below(6));
  }
  const history = {
    entries: fold.entries,
    attempts,
    ends,
    floor: past.floor,
    replayed,
    openedAt,
    startedAt,
    rolled,
    disk,
  };
  // Killed in the middle of everything.
  if (random.chance(0.4)) return history;
  if (random.chance(0.5)) await journal.close();
  else await turns(100);
  for (const [index, { degree, settlement }] of attempts.entries()) {
    assert.ok(settlement.outcome !== undefined, `attempt ${index} of degree ${degree} hangs`);
    assert.equal(settlement.outcome.error, undefined, `attempt ${index} failed without a fault`);
  }
  return history;
}

function stageRandomly(fold: RecordingFold, random: SeededRandom): (commit: CommitBuilder) => void {
  return (commit) => {
    for (let entries = random.below(4); entries > 0; entries--) {
      const body = random.bytes(random.chance(0.1) ? 3000 : random.below(200));
      if (random.chance(0.3)) commit.command(random.below(65_536), body);
      else appendBatch(fold, random.below(3), 1 + random.below(5), body)(commit);
    }
  };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Entries that must be there after a crash at `prefix`. */
function durableEntries(history: History, prefix: number, sync: SyncPolicy): number {
  let entries = prefix >= history.openedAt ? history.replayed : history.floor;
  if (sync !== 'always') return entries;
  for (const { degree, settledAt, endEntry } of history.attempts) {
    if (degree === 'durable' && settledAt !== undefined && settledAt <= prefix) entries = Math.max(entries, endEntry);
  }
  return entries;
}

/** Puts the fold where a checkpoint of everything up to the end of a closed file would. */
function loadCheckpoint(fold: RecordingFold, history: History, closed: JournalFile): ReplayStart {
  for (const entry of history.entries) {
    const [, kind, commit, partition, base, count] = /^(.) (\d+) \S?(\d+) (\d+)[+:](\d+)/.exec(entry) ?? [];
    if (Number(commit) > closed.lastCommit) break;
    fold.entries.push(entry);
    if (kind === 'b') fold.ends.set(Number(partition), Number(base) + Number(count));
  }
  return { file: closed.file + 1, commit: closed.lastCommit, checksum: closed.lastChecksum };
}

/** Reopens a crashed disk and compares with the history. */
async function check(history: History, prefix: number, setting: Setting, random: SeededRandom): Promise<void> {
  const disk = new FakeDisk({ turns: () => 0 }, history.disk.crash(prefix, random));
  const fold = new RecordingFold();
  const checkpoint = history.rolled.findLast(({ at }) => at <= prefix)?.closed;
  const from = checkpoint !== undefined && random.chance(0.3) ? loadCheckpoint(fold, history, checkpoint) : undefined;
  const journal = await openJournal(disk, fold, setting, new ManualClock(), random, { from });
  await journal.close();
  const found = fold.entries;
  const place = `crash after ${prefix} of ${history.disk.operationCount} operations, ${found.length} entries left`;
  assert.equal(disk.openHandles, 0, `${place}: a file was left open`);
  assert.deepEqual(found, history.entries.slice(0, found.length), `${place}: invented or altered`);
  assert.ok(history.ends.has(found.length), `${place}: half a transaction`);
  const durable = durableEntries(history, prefix, setting.sync);
  assert.ok(found.length >= durable, `${place}: ${durable} were durable`);
}

/** One workload, a crash after every prefix; then one of the crashed disks works on and crashes everywhere again. */
async function runSeed(seed: number): Promise<number> {
  const random = new SeededRandom(seed);
  const setting: Setting = {
    sync: random.pick(['always', 'always', 'always', 'interval', 'never'] as const),
    fileBytes: random.pick([300, 1500, 6000, 1_000_000]),
    maxBlockingWriteBytes: random.pick([0, 300, 1_000_000]),
    maxBlockingSyncBytes: random.pick([0, 300, 1_000_000]),
    overlapBytes: random.pick([0, 300, 1_000_000]),
    pool: new BufferPool(16 * 1024 * 1024),
  };
  const slowness = 1 + random.below(3);
  const options = { turns: () => random.below(slowness + 1) };
  let history = await work(new FakeDisk(options), setting, random, 25, { ends: new Set([0]), floor: 0 });
  let cases = 0;
  for (let round = 0; round < 2; round++) {
    const total = history.disk.operationCount;
    for (let prefix = history.startedAt; prefix <= total; prefix++) {
      await check(history, prefix, setting, random);
      cases += 1;
    }
    // A kill leaves what was written readable but not durable; a crash of the machine does not.
    const killed = random.chance(0.5);
    const prefix = killed ? total : random.below(total + 1);
    const next = killed ? history.disk.kill(options) : new FakeDisk(options, history.disk.crash(prefix, random));
    const past = { ends: history.ends, floor: durableEntries(history, prefix, setting.sync) };
    history = await work(next, setting, random, 10, past);
  }
  return cases;
}

const seeds =
  process.env['MILLRACE_SEED'] === undefined
    ? Array.from({ length: Number(process.env['MILLRACE_RUNS'] ?? 25) }, (_, index) => index + 1)
    : [Number(process.env['MILLRACE_SEED'])];

test('a crash after any prefix of disk operations loses nothing durable', { timeout: 120_000 }, async (context) => {
  let cases = 0;
  for (const seed of seeds) {
    try {
      cases += await runSeed(seed);
    } catch (error) {
      throw new Error(`seed ${seed} (MILLRACE_SEED=${seed} repeats it): ${(error as Error).message}`, { cause: error });
    }
  }
  context.diagnostic(`${cases} crashes over ${seeds.length} seeds`);
  if (seeds.length >= 25) assert.ok(cases >= 1000, `only ${cases} cases`);
});
