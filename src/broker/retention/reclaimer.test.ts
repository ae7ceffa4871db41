/** Proves when the active file is closed for what is behind it, and that nothing which could go waits for ever. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, produce } from '../../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { openOn } from '../../../test/kit/sealing-history.ts';
import { silentLogger } from '../../base/logger.ts';
import type { LocalJournal } from '../../journal/local-journal.ts';
import type { Checkpointer } from '../checkpoints/checkpointer.ts';
import { DataFiles, References } from './data-files.ts';
import { Reclaimer } from './reclaimer.ts';

// The entry that was to begin the next file joined a commit that was open in the old one; the file stayed open, and the
// sweep that waited for its checkpoint waited for somebody to write.
test('the active file is closed also where a commit is open in it', { timeout: 60_000 }, async () => {
  const broker = await openOn(new FakeDisk({ turns: () => 0 }), new ManualClock());
  const topic = await broker.topics.create({ name: 't' });
  await produce(broker, topic, 0, batchOf(['v'.repeat(2_000)]));
  const journal = broker.journal as LocalJournal;
  const { file } = journal.activeFile;
  const reclaimer = new Reclaimer({
    isHeld: () => false,
    journal,
    checkpointer: broker.checkpointer,
    files: new DataFiles(),
    logger: silentLogger,
    reclaimBytes: 1,
  });
  const open = produce(broker, topic, 0, batchOf(['in the open commit']));
  await reclaimer.reclaim(new References());
  await open;
  assert.ok(journal.activeFile.file > file);
  assert.ok(broker.checkpointer.lastCheckpoint >= file);
  await broker.close();
});

interface Turn {
  readonly deadBytes: number;
  /** Goes behind the pass, whoever removed it. */
  readonly goesBytes?: number;
}

/** Passes over files of 10 bytes each. @returns by pass: whether it closed the active file. */
async function passes(turns: readonly Turn[]): Promise<boolean[]> {
  const files = new DataFiles();
  const rolled: boolean[] = [];
  let rolls = 0;
  let next = 1;
  const there: number[] = [];
  const activeFile = { file: 1, sizeBytes: 0 };
  const journal = {
    activeFile,
    rollNext: () => {
      rolls += 1;
      activeFile.file += 1;
    },
  } as unknown as LocalJournal;
  const reclaimer = new Reclaimer({
    isHeld: () => false,
    journal,
    checkpointer: { checkpointThrough: async () => true } as unknown as Checkpointer,
    files,
    logger: silentLogger,
    reclaimBytes: 100,
  });
  for (const { deadBytes, goesBytes = 0 } of turns) {
    for (; there.length * 10 < deadBytes; next++) {
      files.added(next, 10);
      there.push(next);
    }
    const before = rolls;
    await reclaimer.reclaim(new References());
    rolled.push(rolls > before);
    files.removed(there.splice(0, goesBytes / 10));
  }
  return rolled;
}

test('what could not be given back is tried again, more and more rarely, and at once where it is more', async () => {
  assert.deepEqual(await passes([{ deadBytes: 90 }, { deadBytes: 100 }]), [false, true]);
  const vain = await passes(Array.from({ length: 200 }, () => ({ deadBytes: 300 })));
  const tries = vain.flatMap((tried, pass) => (tried ? [pass] : []));
  assert.deepEqual(tries, [0, 1, 3, 7, 15, 31, 63, 127, 191]);
  const more = [{ deadBytes: 300 }, { deadBytes: 300 }, { deadBytes: 300 }, { deadBytes: 400 }];
  assert.deepEqual(await passes(more), [true, true, false, true]);
});

// While rounds of sealing end one after the other there are always files to be given back, but never the same ones. The last of them stayed
// for as long as nobody wrote.
test('what comes behind what has gone is given back, however much had been there before', async () => {
  const busy = Array.from({ length: 20 }, () => ({ deadBytes: 300, goesBytes: 300 }));
  const turns = [...busy, { deadBytes: 280 }, { deadBytes: 280 }];
  assert.deepEqual((await passes(turns)).slice(-2), [true, true]);
});
