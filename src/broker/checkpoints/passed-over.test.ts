/** Checkpoints that cannot be used: a start, and a worker that loads its state anew, name each of them with its fault in the log, and go on. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { batchOf, openBroker, produce } from '../../../test/kit/broker-kit.ts';
import { inProcessWorker } from '../../../test/kit/in-process-worker.ts';
import { TempDirectory } from '../../../test/kit/temp-directory.ts';
import { systemClock } from '../../base/clock.ts';
import { crc32c } from '../../base/crc32c.ts';
import { silentLogger } from '../../base/logger.ts';
import { NodeDisk } from '../../journal/node-disk.ts';
import { checkpointPath, journalPath, numberedFiles } from '../../journal/paths.ts';
import { LogStore } from '../../store/log-store.ts';
import { Broker } from '../broker.ts';
import { DEFAULT_BROKER_SETTINGS } from '../settings.ts';
import { Checkpointer } from './checkpointer.ts';

const DEADLINE = { timeout: 60_000 };
const SETTINGS = { journalFileBytes: 16 * 1024, checkpointBytes: 1, retentionCheckMs: 3_600_000 };

/** A directory with two checkpoints, by age: of a version to come, and with a wrong bit. */
async function twoUnusable(directory: string): Promise<{ readonly unknown: string; readonly damaged: string }> {
  const broker = await openBroker(directory, { settings: SETTINGS });
  const topic = await broker.topics.create({ name: 't' });
  for (let i = 0; i < 100; i++) await produce(broker, topic, 0, batchOf(['x'.repeat(900)]));
  while (broker.checkpointer.waitingFiles > 0 || broker.checkpointer.lastCheckpoint < 3) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await broker.close();
  const paths = filesOf(directory, 'checkpoint').map((file) => checkpointPath(directory, file));
  const [unknown, damaged] = paths.slice(-2) as [string, string];
  // A broker that closes may not have come to the removal of the one before them.
  for (const path of paths.slice(0, -2)) rmSync(path);
  change(unknown, (bytes) => {
    bytes[4] = 99;
    bytes.writeUInt32BE(crc32c(bytes.subarray(0, 60)), 60);
  });
  change(damaged, (bytes) => bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100));
  return { unknown, damaged };
}

function filesOf(directory: string, kind: 'checkpoint' | 'journal'): number[] {
  return numberedFiles(readdirSync(join(directory, kind)), kind);
}

function change(path: string, work: (bytes: Buffer) => unknown): void {
  const bytes = readFileSync(path);
  work(bytes);
  writeFileSync(path, bytes);
}

test('a start says of each checkpoint why it does not begin from it', DEADLINE, async () => {
  using directory = new TempDirectory();
  const { unknown, damaged } = await twoUnusable(directory.path);
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => errors.push(message) };
  const open = async (): Promise<Broker> => {
    const options = { directory: directory.path, clock: systemClock, settings: SETTINGS, logger };
    return await Broker.open({ ...options, disk: new NodeDisk() });
  };
  const broker = await open();
  assert.equal(broker.topics.find('t')?.partitions[0]?.highWatermark, 100);
  assert.equal(errors.length, 2, errors.join('\n'));
  assert.ok(
    errors[0]?.startsWith(`The start passes over a checkpoint: Checkpoint ${damaged} is damaged: `),
    errors.join('\n'),
  );
  assert.equal(
    errors[1],
    `The start passes over a checkpoint: Checkpoint ${unknown} is of format version 99, which this program does not know.`,
  );
  await broker.close();
});

test('a start that fails for want of a checkpoint has said before why', DEADLINE, async () => {
  using directory = new TempDirectory();
  const { damaged } = await twoUnusable(directory.path);
  rmSync(journalPath(directory.path, 1));
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => errors.push(message) };
  const options = { directory: directory.path, clock: systemClock, settings: SETTINGS, logger };
  await assert.rejects(Broker.open({ ...options, disk: new NodeDisk() }), { code: 'JOURNAL_CORRUPT' });
  assert.ok(errors[0]?.includes(damaged), errors.join('\n'));
});

test('so does a worker that loads its state, also where the disk refuses', DEADLINE, async () => {
  using directory = new TempDirectory();
  const { unknown, damaged } = await twoUnusable(directory.path);
  const disk = new NodeDisk();
  const refusing = Object.assign(Object.create(disk) as NodeDisk, {
    open: async (path: string, mode: 'create' | 'readwrite' | 'read') => {
      if (path === unknown) throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
      return await disk.open(path, mode);
    },
  });
  const problems: string[] = [];
  const checkpointer = new Checkpointer({
    directory: directory.path,
    settings: { ...DEFAULT_BROKER_SETTINGS, ...SETTINGS },
    store: new LogStore(),
    clock: systemClock,
    report: (problem) => problems.push(problem),
    startWorker: inProcessWorker(refusing),
  });
  const file = filesOf(directory.path, 'checkpoint').at(-1) as number;
  checkpointer.add(file + 1, statSync(journalPath(directory.path, file + 1)).size);
  while (checkpointer.waitingFiles > 0) await new Promise((resolve) => setImmediate(resolve));
  await checkpointer.close();
  assert.equal(problems.length, 2, problems.join('\n'));
  assert.ok(
    problems[0]?.startsWith(`The checkpoint worker passes over a checkpoint: Checkpoint ${damaged} is damaged: `),
  );
  assert.equal(
    problems[1],
    `The checkpoint worker passes over a checkpoint: Checkpoint ${unknown} cannot be read: EIO: i/o error, read.`,
  );
});
