/**
 * Proves that a scan of a closed file shows what the fold was told, command for command and batch for batch, however large the
 * batches are, and that it reads little of large ones and few times where they are small. What is corrupt: test/sim.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { appendBatch, forgetfulMemory, RecordingFold, transact } from '../../test/kit/journal-fixtures.ts';
import { SeededRandom } from '../../test/kit/seeded-random.ts';
import { BufferPool } from '../base/buffer-pool.ts';
import { systemClock } from '../base/clock.ts';
import { BATCH_HEADER_BYTES } from '../model/record-batch.ts';
import type { DiskFile } from './disk.ts';
import { scanFile } from './file-scan.ts';
import { LocalJournal } from './local-journal.ts';
import { NodeDisk } from './node-disk.ts';
import { journalPath } from './paths.ts';

const root = await mkdtemp(join(tmpdir(), 'millrace-scan-'));
after(() => rm(root, { recursive: true }));

/** Counts what is read; without `readNow` it is like the disks that lie over another one. */
class CountingDisk extends NodeDisk {
  readonly #blocking: boolean;
  bytes = 0;
  reads = 0;

  constructor(blocking: boolean) {
    super();
    this.#blocking = blocking;
  }

  override async open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile> {
    const file = await super.open(path, mode);
    const count = (into: Uint8Array): void => {
      this.reads += 1;
      this.bytes += into.length;
    };
    const counting = {
      read: async (into: Uint8Array, position: number): Promise<number> => {
        count(into);
        return await file.read(into, position);
      },
      close: () => file.close(),
    } as DiskFile;
    if (!this.#blocking) return counting;
    return Object.assign(counting, {
      readNow(into: Uint8Array, position: number): number {
        count(into);
        return file.readNow?.(into, position) ?? 0;
      },
    });
  }
}

/** A journal of one file. @returns what its fold was told. */
async function written(directory: string, sizes: readonly number[]): Promise<RecordingFold> {
  const fold = new RecordingFold();
  const journal = await LocalJournal.open({
    directory,
    disk: new NodeDisk(),
    fold,
    clock: systemClock,
    pool: new BufferPool(16 * 1024 * 1024),
    memory: forgetfulMemory,
    observer: {},
    sync: 'always',
    random: Math.random,
  });
  let last: Promise<unknown> = Promise.resolve();
  for (const [i, size] of sizes.entries()) {
    last = transact(journal, 'durable', (commit) => {
      appendBatch(fold, i % 3, 2, new Uint8Array(size))(commit);
      if (i % 5 === 0) commit.command(7, Buffer.alloc(size % 50_000, i));
    }).promise;
    if (i % 7 === 0) await last;
  }
  await last;
  await journal.close();
  return fold;
}

async function scanned(directory: string, disk: CountingDisk): Promise<string[]> {
  const path = journalPath(directory, 1);
  const entries: string[] = [];
  const told = new RecordingFold();
  await scanFile(disk, path, 1, (await stat(path)).size, {
    command: (type, body, commit) => {
      told.command(type, body, commit);
      entries.push(told.entries.at(-1) as string);
    },
    batchHeaders: ({ commit, partition, baseOffset, offsetCount, bytes }, sizeBytes) => {
      assert.equal(bytes.length % BATCH_HEADER_BYTES, 0);
      entries.push(`b ${commit} p${partition} ${baseOffset}+${offsetCount} ${sizeBytes}`);
    },
  });
  return entries;
}

function withoutChecksums({ entries }: RecordingFold): string[] {
  return entries.map((entry) => (entry.startsWith('b') ? entry.replace(/:\d+$/, '') : entry));
}

test('batches of all sizes are shown as they were written', async () => {
  const random = new SeededRandom(5);
  const directory = join(root, 'mixed');
  const sizes = Array.from({ length: 400 }, () => random.pick([1, 300, 4_000, 5_000, 30_000, 200_000]));
  const fold = await written(directory, sizes);
  for (const blocking of [true, false]) {
    const entries = await scanned(directory, new CountingDisk(blocking));
    // The end of the journal is a commit of its own, without entries.
    assert.deepEqual(entries, withoutChecksums(fold));
  }
});

test('of large batches little is read, and small ones are read many at a time', async () => {
  const large = join(root, 'large');
  await written(
    large,
    Array.from({ length: 200 }, () => 100_000),
  );
  const few = new CountingDisk(true);
  await scanned(large, few);
  const { size } = await stat(journalPath(large, 1));
  assert.ok(few.bytes < size / 8, `${few.bytes} of ${size}`);
  const small = join(root, 'small');
  await written(
    small,
    Array.from({ length: 5_000 }, () => 500),
  );
  const many = new CountingDisk(true);
  await scanned(small, many);
  assert.ok(many.reads < 200, `${many.reads} reads`);
});
