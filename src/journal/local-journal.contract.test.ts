/** The local journal keeps the Journal contract, on a real disk. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { journalContract } from '../../test/kit/journal-contract.ts';
import { forgetfulMemory } from '../../test/kit/journal-fixtures.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { systemClock } from '../base/clock.ts';
import type { SyncPolicy } from './journal.ts';
import { LocalJournal } from './local-journal.ts';
import { NodeDisk } from './node-disk.ts';

for (const sync of ['always', 'interval', 'never'] as const satisfies readonly SyncPolicy[]) {
  journalContract(`local, sync ${sync}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-contract-'));
    return {
      open: (fold) =>
        LocalJournal.open({
          directory,
          disk: new NodeDisk(),
          fold,
          clock: systemClock,
          pool: new BufferPool(8 * 1024 * 1024),
          memory: forgetfulMemory,
          observer: {},
          sync,
          fileBytes: 1024 * 1024,
          random: Math.random,
        }),
      dispose: () => rm(directory, { recursive: true }),
    };
  });
}
