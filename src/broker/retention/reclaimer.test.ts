import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, produce } from '../../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { openOn } from '../../../test/kit/sealing-history.ts';
import { silentLogger } from '../../base/logger.ts';
import type { LocalJournal } from '../../journal/local-journal.ts';
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
