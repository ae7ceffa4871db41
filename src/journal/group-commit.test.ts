/**
 * When the local journal writes, syncs, waits and refuses: counted on a fake disk, moved by hand. What survives a crash
 * is proved in test/sim/.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk, type FaultPoint } from '../../test/kit/fake-disk.ts';
import { appendBatch, forgetfulMemory, makeBatch, RecordingFold, transact } from '../../test/kit/journal-fixtures.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import type { MillraceError } from '../base/errors.ts';
import type { JournalFile } from './journal.ts';
import { LocalJournal, type LocalJournalOptions } from './local-journal.ts';

const DIRECTORY = '/data';

/** A disk that counts, and whose operations take as many turns as the test says. */
class CountingDisk extends FakeDisk {
  readonly counts: Map<FaultPoint, number>;
  readonly slow: Map<FaultPoint, number>;

  constructor(files = new Map<string, Uint8Array>()) {
    const counts = new Map<FaultPoint, number>();
    const slow = new Map<FaultPoint, number>();
    const count = (point: FaultPoint): undefined => void counts.set(point, (counts.get(point) ?? 0) + 1);
    super({ turns: (point) => slow.get(point) ?? 1, faults: count }, files);
    this.counts = counts;
    this.slow = slow;
  }

  count(point: FaultPoint): number {
    return this.counts.get(point) ?? 0;
  }
}

interface Setup {
  readonly journal: LocalJournal;
  readonly fold: RecordingFold;
  readonly disk: CountingDisk;
  readonly clock: ManualClock;
  readonly rolled: JournalFile[];
  readonly stopped: MillraceError[];
}

async function open(options: Partial<LocalJournalOptions> = {}, disk = new CountingDisk()): Promise<Setup> {
  const fold = (options.fold as RecordingFold | undefined) ?? new RecordingFold();
  const clock = new ManualClock();
  const rolled: JournalFile[] = [];
  const stopped: MillraceError[] = [];
  const journal = await LocalJournal.open({
    directory: DIRECTORY,
    disk,
    fold,
    clock,
    pool: new BufferPool(8 * 1024 * 1024),
    memory: forgetfulMemory,
    observer: { rolled: (file) => rolled.push(file), stopped: (error) => stopped.push(error) },
    sync: 'always',
    random: () => 0.5,
    ...options,
  });
  // The first file is created on the first commit: not what these tests count.
  assert.equal(await transact(journal, 'durable', appendBatch(fold, 9, 1, new Uint8Array(1))).promise, undefined);
  disk.counts.clear();
  return { journal, fold, disk, clock, rolled, stopped };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

const limit = { timeout: 60_000 };

test('what comes in one turn shares one write and one sync', limit, async () => {
  const { journal, fold, disk } = await open();
  const waits = Array.from({ length: 50 }, () =>
    transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))),
  );
  await Promise.all(waits.map((wait) => wait.promise));
  assert.equal(disk.count('write'), 1);
  assert.equal(disk.count('sync'), 1);
  assert.equal(journal.status().headCommit, 2);
  await journal.close();
});

test('what comes during a sync shares the next one', limit, async () => {
  const { journal, fold, disk } = await open();
  disk.slow.set('sync', 30);
  const first = transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9)));
  await turns(3);
  const waits = [];
  for (let index = 0; index < 20; index++) {
    waits.push(transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise);
    await turns(1);
  }
  assert.equal(first.outcome, undefined);
  await Promise.all(waits);
  assert.equal(disk.count('write'), 2);
  assert.equal(disk.count('sync'), 2);
  await journal.close();
});

test('on a quick disk the sync of a small commit blocks, and answers come before the next commit', limit, async () => {
  const { journal, fold, disk } = await open({ maxBlockingSyncBytes: 1000 });
  disk.slow.set('sync', 1000);
  const answered: number[] = [];
  const next = (left: number): void => {
    const settled = (error: MillraceError | undefined): void => {
      assert.equal(error, undefined);
      answered.push(disk.count('sync'));
      if (left > 0) next(left - 1);
    };
    journal.transact({
      degree: 'durable',
      build: (commit) => appendBatch(fold, 0, 1, new Uint8Array(9))(commit),
      settled,
    });
  };
  next(4);
  await turns(20);
  assert.deepEqual(answered, [1, 2, 3, 4, 5]);
  disk.slow.delete('sync');
  await journal.close();
});

test('a blocking sync that fails stops the journal as any other does', limit, async () => {
  const { journal, fold, disk, stopped } = await open({ maxBlockingSyncBytes: 1000 });
  disk.faults = (point) => (point === 'sync' ? { code: 'EIO' } : undefined);
  const error = await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise;
  assert.equal(error?.code, 'JOURNAL_SYNC_FAILED');
  assert.equal(stopped.length, 1);
  const refused = await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise;
  assert.equal(refused?.code, 'JOURNAL_STOPPED');
  await journal.close();
});

test('a large commit is written while a sync runs', limit, async () => {
  const { journal, fold, disk } = await open();
  disk.slow.set('sync', 50);
  const first = transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9)));
  await turns(3);
  transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(100_000)));
  await turns(5);
  assert.equal(journal.status().writtenCommit, 3);
  assert.equal(first.outcome, undefined, 'the sync was to be still running');
  await journal.close();
});

test('written does not wait for a running sync, admitted waits for nothing', limit, async () => {
  const { journal, fold, disk } = await open();
  disk.slow.set('sync', 100);
  const durable = transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9)));
  await turns(3);
  const written = transact(journal, 'written', appendBatch(fold, 0, 1, new Uint8Array(9)));
  const admitted = transact(journal, 'admitted', appendBatch(fold, 0, 1, new Uint8Array(9)));
  assert.notEqual(admitted.outcome, undefined);
  assert.equal(written.outcome, undefined);
  await turns(5);
  assert.notEqual(written.outcome, undefined);
  assert.equal(durable.outcome, undefined);
  assert.equal(fold.publishedCommit, 1, 'shown to readers before it was durable');
  await journal.close();
});

test('nothing pending: a transaction that stages nothing settles at once', limit, async () => {
  const { journal } = await open();
  assert.notEqual(transact(journal, 'durable', () => {}).outcome, undefined);
  assert.notEqual(transact(journal, 'written', () => {}).outcome, undefined);
  await journal.close();
});

test('interval: published after the write, synced when the clock says so', limit, async () => {
  const { journal, fold, disk, clock } = await open({ sync: 'interval', syncIntervalMs: 100 });
  clock.advance(200);
  await turns(5);
  disk.counts.clear();
  await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise;
  assert.equal(fold.publishedCommit, 2);
  assert.equal(disk.count('sync'), 0);
  clock.advance(99);
  await turns(3);
  assert.equal(disk.count('sync'), 0);
  clock.advance(1);
  await turns(3);
  assert.equal(disk.count('sync'), 1);
  clock.advance(1000);
  await turns(3);
  assert.equal(disk.count('sync'), 1, 'synced without anything new');
  assert.equal(clock.pendingTimers, 0);
  await journal.close();
});

test('never: closed files are synced two seconds later, eight at a time, and all at the end', limit, async () => {
  const { journal, fold, disk, clock, rolled } = await open({ sync: 'never', fileEntries: 2 });
  const append = async (): Promise<void> => {
    await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(100))).promise;
  };
  // Each third entry begins a file.
  for (let index = 0; index < 5; index++) await append();
  clock.advance(1999);
  await turns(5);
  assert.equal(disk.count('sync'), 0);
  assert.equal(rolled.length, 0);
  clock.advance(1);
  while (rolled.length < 2) await turns(1);
  assert.equal(disk.count('sync'), 2);
  for (let index = 0; index < 14; index++) await append();
  assert.equal(disk.count('sync'), 2);
  // The eighth closed file that waits.
  await append();
  while (rolled.length < 10) await turns(1);
  assert.equal(disk.count('sync'), 10);
  await append();
  await append();
  assert.equal(clock.pendingTimers, 1);
  await journal.close();
  assert.equal(clock.pendingTimers, 0);
  assert.equal(rolled.length, 11);
});

test('a roll tells size, commits and checksum of the closed file; entries roll as well as bytes', limit, async () => {
  const { journal, fold, rolled, disk } = await open({ fileEntries: 5 });
  for (let index = 0; index < 11; index++) {
    await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(10))).promise;
  }
  assert.deepEqual(
    rolled.map(({ file, firstCommit, lastCommit }) => ({ file, firstCommit, lastCommit })),
    [
      { file: 1, firstCommit: 1, lastCommit: 5 },
      { file: 2, firstCommit: 6, lastCommit: 10 },
    ],
  );
  await journal.close();
  const again = await open({}, new CountingDisk(disk.content()));
  for (const [index, file] of rolled.entries()) assert.deepEqual(again.journal.recovery.files[index], file);
  await again.journal.close();
});

test('beyond maxStagedBytes transactions are refused at once, and relief is told', limit, async () => {
  const { journal, fold, disk } = await open({ maxStagedBytes: 10_000 });
  disk.slow.set('sync', 40);
  const waits = [];
  let relieved = 0;
  while (!journal.congested) waits.push(transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(1000))));
  journal.onRelief(() => relieved++);
  assert.ok(journal.status().stagedBytes > 5_000 && journal.status().stagedBytes < 7_000);
  for (;;) {
    const attempt = transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(1000)));
    if (attempt.outcome === undefined) waits.push(attempt);
    else {
      assert.equal(attempt.outcome.error?.code, 'JOURNAL_OVERLOADED');
      break;
    }
  }
  assert.equal(fold.entries.length, waits.length + 1, 'a refused build was called');
  await Promise.all(waits.map((wait) => wait.promise));
  assert.equal(relieved, 1);
  assert.equal(journal.congested, false);
  assert.equal(await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(1000))).promise, undefined);
  assert.equal(relieved, 1, 'relief is told once');
  await journal.close();
});

test('onRelief without congestion calls back soon', limit, async () => {
  const { journal } = await open();
  await new Promise<void>((resolve) => journal.onRelief(resolve));
  await journal.close();
});

test('a build that throws before it stages anything fails alone', limit, async () => {
  const { journal, fold } = await open();
  const error = await transact(journal, 'durable', () => {
    throw new RangeError('mistake');
  }).promise;
  assert.equal(error?.code, 'INTERNAL');
  const misfit = await transact(journal, 'durable', (commit) =>
    commit.batches(0, 5, 1, makeBatch(0, 1, new Uint8Array(3))),
  ).promise;
  assert.match(misfit?.message ?? '', /base offset 0 instead of 5/);
  assert.equal(await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise, undefined);
  await journal.close();
});

test('a build that throws after it staged stops the journal, and nothing of it is written', limit, async () => {
  const { journal, fold, stopped, disk } = await open();
  const innocent = transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9)));
  await innocent.promise;
  const guilty = transact(journal, 'durable', (commit) => {
    commit.command(1, new Uint8Array(3));
    throw new RangeError('half way');
  });
  assert.equal((await guilty.promise)?.code, 'INTERNAL');
  assert.equal(stopped.length, 1);
  assert.equal(journal.status().state, 'stopped');
  assert.equal(transact(journal, 'durable', () => {}).outcome?.error?.code, 'JOURNAL_STOPPED');
  await journal.close();
  const again = await open({}, new CountingDisk(disk.content()));
  assert.deepEqual(again.fold.entries.slice(0, 2), fold.entries.slice(0, 2));
  assert.equal(again.fold.entries.length, 3);
  await again.journal.close();
});

test('a leased run is written from where it lies and released by the end', limit, async () => {
  const { journal, fold, disk } = await open();
  const pool = new BufferPool(0);
  const lease = pool.acquire(200_000);
  const batch = makeBatch(0, 1, new Uint8Array(150_000).fill(7));
  lease.bytes.set(batch);
  const bytes = lease.bytes.subarray(0, batch.length);
  await transact(journal, 'durable', (commit) => commit.batches(0, 0, 1, bytes, lease)).promise;
  assert.equal(lease.holders, 1);
  lease.release();
  await journal.close();
  const again = await open({}, new CountingDisk(disk.content()));
  assert.equal(again.fold.runs[1]?.checksum, fold.runs[1]?.checksum);
  await again.journal.close();
});

test('a transact from inside a build is a defect that says so', limit, async () => {
  const { journal } = await open();
  const error = await transact(journal, 'durable', () => void transact(journal, 'durable', () => {})).promise;
  assert.match(error?.message ?? '', /inside a build/);
  await journal.close();
});

test('a journal whose fold refuses an entry is refused, place named', limit, async () => {
  const { journal, fold, disk } = await open();
  await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise;
  await journal.close();
  const other = new RecordingFold();
  other.ends.set(0, 17);
  const reopened = open({ fold: other }, new CountingDisk(disk.content()));
  await assert.rejects(reopened, { code: 'JOURNAL_CORRUPT', message: /Commit 2 at position 216 of .*ends at 17/ });
});

test('a start from a checkpoint refuses a journal that does not continue it', limit, async () => {
  const { journal, fold, disk, rolled } = await open({ fileEntries: 2 });
  for (let index = 0; index < 5; index++) {
    await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise;
  }
  await journal.close();
  const closed = rolled[0] as JournalFile;
  const at = async (from: { file: number; commit: number; checksum: number }): Promise<unknown> => {
    const copy = new CountingDisk(disk.content());
    const folded = new RecordingFold();
    folded.ends.set(9, 1).set(0, 1);
    return await open({ from, fold: folded }, copy);
  };
  const from = { file: 2, commit: closed.lastCommit, checksum: closed.lastChecksum };
  await assert.rejects(at({ ...from, checksum: 1 }), { code: 'JOURNAL_CORRUPT', message: /0000000002.*chain broken/ });
  await assert.rejects(at({ ...from, commit: 1 }), { code: 'JOURNAL_CORRUPT', message: /begins with commit 3/ });
  await assert.rejects(at({ ...from, file: 9 }), { code: 'JOURNAL_CORRUPT', message: /0000000009.*missing/ });
});

test('a start right after a checkpoint goes on in the empty file behind it', limit, async () => {
  const { journal, fold, disk } = await open({ fileEntries: 2 });
  await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9))).promise;
  await turns(5);
  // File 1 is full and file 2 stands ready: a crash here leaves it empty.
  const files = disk.content();
  assert.equal(files.get('/data/journal/0000000002.journal')?.length, 0);
  await journal.close();
  const whole = await open({}, new CountingDisk(files));
  const { lastCommit, lastChecksum } = whole.journal.recovery.files[0] as JournalFile;
  await whole.journal.close();
  const folded = new RecordingFold();
  folded.ends.set(9, 1).set(0, 1);
  const next = await open(
    { fold: folded, from: { file: 2, commit: lastCommit, checksum: lastChecksum } },
    new CountingDisk(files),
  );
  await next.journal.close();
  assert.deepEqual(
    folded.runs.map(({ file, position, commit }) => ({ file, position, commit })),
    [{ file: 2, position: 128, commit: 3 }],
  );
});

test(
  'busy traffic that nobody wants durable is synced at a pace; somebody who does is not kept waiting',
  limit,
  async () => {
    const { journal, fold, disk, clock } = await open();
    const write = async (count: number): Promise<void> => {
      const waits = Array.from({ length: count }, () =>
        transact(journal, 'written', appendBatch(fold, 0, 1, new Uint8Array(9))),
      );
      await Promise.all(waits.map((wait) => wait.promise));
      await turns(4);
    };
    await write(5);
    assert.equal(disk.count('sync'), 1, 'few of them: at once, so that readers see them');
    await write(40);
    await write(40);
    await write(40);
    const paced = disk.count('sync');
    assert.ok(journal.status().publishedCommit < journal.status().writtenCommit, 'the last ones wait for the pace');
    clock.advance(5);
    await turns(4);
    assert.equal(disk.count('sync'), paced + 1, 'one sync took them all along');
    assert.equal(journal.status().publishedCommit, journal.status().writtenCommit);
    await write(40);
    const durable = transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(9)));
    assert.equal(await durable.promise, undefined, 'without the clock moving');
    assert.equal(journal.status().publishedCommit, journal.status().writtenCommit);
    await write(40);
    await journal.close();
    assert.equal(clock.pendingTimers, 0);
  },
);
