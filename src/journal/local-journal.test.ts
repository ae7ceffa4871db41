/**
 * LocalJournal on a real disk: what is acknowledged is there after a reopen, in the same places. Crashes and faults are
 * in test/sim/; this file cannot prove anything about power loss.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { appendBatch, CheckingMemory, RecordingFold, transact } from '../../test/kit/journal-fixtures.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { systemClock } from '../base/clock.ts';
import { LocalJournal, type LocalJournalOptions } from './local-journal.ts';
import { NodeDisk } from './node-disk.ts';
import { journalPath } from './paths.ts';

const root = await mkdtemp(join(tmpdir(), 'millrace-journal-'));
after(() => rm(root, { recursive: true }));

interface Opened {
  readonly journal: LocalJournal;
  readonly fold: RecordingFold;
  readonly memory: CheckingMemory;
}

async function open(directory: string, options: Partial<LocalJournalOptions> = {}): Promise<Opened> {
  const fold = new RecordingFold();
  const memory = new CheckingMemory();
  const journal = await LocalJournal.open({
    directory,
    disk: new NodeDisk(),
    fold,
    clock: systemClock,
    pool: new BufferPool(16 * 1024 * 1024),
    memory,
    observer: {},
    sync: 'always',
    random: Math.random,
    ...options,
  });
  return { journal, fold, memory };
}

test('what was acknowledged is replayed after a reopen', { timeout: 60_000 }, async () => {
  const directory = join(root, 'reopen');
  const first = await open(directory);
  for (let i = 0; i < 50; i++) {
    const error = await transact(first.journal, 'durable', appendBatch(first.fold, i % 3, 2, new Uint8Array(i * 100)))
      .promise;
    assert.equal(error, undefined);
  }
  await transact(first.journal, 'durable', (commit) => commit.command(7, Buffer.from('topic created'))).promise;
  await first.journal.close();
  const second = await open(directory);
  assert.deepEqual(second.fold.entries, first.fold.entries);
  assert.deepEqual(second.fold.runs, first.fold.runs);
  assert.equal(second.journal.recovery.cleanEnd, true);
  assert.equal(second.journal.recovery.torn, undefined);
  await second.journal.close();
});

test('the memory holds the verbatim image of the file', { timeout: 60_000 }, async () => {
  const directory = join(root, 'image');
  const { journal, fold, memory } = await open(directory);
  const waits = [];
  for (const size of [0, 5, 1000, 70_000, 200_000, 17, 3_000_000, 1, 2_000_000]) {
    waits.push(transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(size).fill(size))).promise);
  }
  await Promise.all(waits);
  await journal.close();
  const stored = await readFile(journalPath(directory, 1));
  const image = memory.images.get(1);
  assert.ok(image !== undefined);
  assert.equal(image.start, 64);
  assert.ok(stored.subarray(64).equals(image.bytes));
});

test('rolling keeps one history over many files', { timeout: 60_000 }, async () => {
  const directory = join(root, 'roll');
  const rolled: number[] = [];
  const observer = { rolled: (file: { file: number }) => void rolled.push(file.file) };
  const first = await open(directory, { fileBytes: 4096, observer });
  const waits = [];
  for (let i = 0; i < 200; i++) {
    waits.push(transact(first.journal, 'durable', appendBatch(first.fold, 0, 1, new Uint8Array(300))).promise);
    if (i % 3 === 0) await Promise.all(waits.splice(0));
  }
  await Promise.all(waits);
  await first.journal.close();
  assert.ok(rolled.length > 5);
  assert.deepEqual(
    rolled,
    rolled.map((_, index) => index + 1),
  );
  const second = await open(directory, { fileBytes: 4096 });
  assert.deepEqual(second.fold.runs, first.fold.runs);
  const files = second.journal.recovery.files;
  const middle = files[3];
  assert.ok(middle !== undefined);
  await second.journal.close();
  const part = new RecordingFold();
  part.ends.set(0, first.fold.runs.filter((run) => run.commit <= middle.lastCommit).length);
  const third = await open(directory, {
    fold: part,
    from: { file: middle.file + 1, commit: middle.lastCommit, checksum: middle.lastChecksum },
  });
  assert.deepEqual(
    part.runs,
    first.fold.runs.filter((run) => run.commit > middle.lastCommit),
  );
  await third.journal.close();
});

test('a second opener is refused with the holder named', { timeout: 60_000 }, async () => {
  const directory = join(root, 'locked');
  const first = await open(directory);
  await assert.rejects(open(directory), { code: 'JOURNAL_LOCKED', message: new RegExp(`process ${process.pid}`) });
  await first.journal.close();
  await (await open(directory)).journal.close();
});
