/** A journal that a broker removes files of while it is walked: what is there is shown, and nothing is taken for damage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { appendBatch, forgetfulMemory, RecordingFold, transact } from '../../test/kit/journal-fixtures.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { LocalJournal } from './local-journal.ts';
import { journalPath } from './paths.ts';
import { walkJournal } from './walk.ts';

const DIRECTORY = '/data';

/** Files of two commits. */
async function journalOf(disk: FakeDisk): Promise<void> {
  const fold = new RecordingFold();
  const pool = new BufferPool(1024 * 1024);
  const journal = await LocalJournal.open({
    ...{ directory: DIRECTORY, disk, fold, clock: new ManualClock(), pool, memory: forgetfulMemory },
    ...{ observer: {}, sync: 'always', fileBytes: 2_000, random: () => 0.5 },
  });
  for (let i = 0; i < 8; i++) {
    await transact(journal, 'durable', appendBatch(fold, 0, 1, new Uint8Array(900))).promise;
  }
  await journal.close();
}

for (const removed of [[1], [1, 2]]) {
  test(`files ${removed.join(' and ')} go while they are walked, and are left out`, async () => {
    const disk = new FakeDisk();
    await journalOf(disk);
    const commits = new Map<number, number>();
    const all = new Map<number, number>();
    for await (const item of walkJournal({ disk, directory: DIRECTORY })) {
      if (item.kind === 'commit') all.set(item.file, (all.get(item.file) ?? 0) + 1);
    }
    assert.ok(all.size >= 3);
    for await (const item of walkJournal({ disk, directory: DIRECTORY })) {
      assert.notEqual(item.kind, 'problem', JSON.stringify(item));
      if (item.kind === 'file' && item.file === 1) {
        for (const file of removed) await disk.remove(journalPath(DIRECTORY, file));
      }
      if (item.kind === 'commit') commits.set(item.file, (commits.get(item.file) ?? 0) + 1);
    }
    for (const [file, count] of all) if (!removed.includes(file)) assert.equal(commits.get(file), count);
    assert.equal(commits.get(2), removed.includes(2) ? undefined : all.get(2));
  });
}
