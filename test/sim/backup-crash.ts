/**
 * Backups and restores under power loss, on disks that lose, tear and reorder what was not synced.
 *
 * The broker's side: a random workload with backups that are read slowly beside it; crashes spread over all of it. Proved for
 * each: every acknowledged record that was not deleted is there byte for byte, as if there had been no backup. The other side: a
 * restore, crashed at operations spread over it. Proved for each: no broker starts on a part of it, and another restore into the
 * same directory gives everything.
 *
 * MILLRACE_SEED=n runs one seed, MILLRACE_RUNS=n more or fewer crashes of each.
 */
import assert from 'node:assert/strict';
import { MillraceError } from '../../src/base/errors.ts';
import type { Broker } from '../../src/broker/broker.ts';
import { restoreOn } from '../kit/backup-kit.ts';
import { assertHandlesClose, crashAlong, testCrashSeeds } from '../kit/crash-rounds.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { checkAfterCrash, openOn, readTopic, SEALING_DIRECTORY, SealingHistory } from '../kit/sealing-history.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const BACKUPS = 6;
const STEPS = 40;
/** Pieces of a backup that are taken before more is written. */
const PIECES_AT_ONCE = 4;

/** @param crashes of each seed and side, unless the environment says otherwise. */
export function testCrashes(defaultSeeds: readonly number[], crashes: number): void {
  testCrashSeeds(defaultSeeds, crashes, crashesOf);
}

async function crashesOf(seed: number, crashes: number): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new FakeDisk({ turns: () => 0 });
  const history = await SealingHistory.open(disk);
  const opened = disk.operationCount;
  let whole: Uint8Array = new Uint8Array(0);
  let expected: readonly string[] = [];
  for (let round = 0; round < BACKUPS; round++) {
    await history.run(random, STEPS);
    expected = await contents(history.broker);
    whole = await backupBeside(history, random);
  }
  const end = disk.operationCount;
  await crashAlong({ seed, random, crashes, from: opened, end }, async (prefix) => {
    const crashed = new FakeDisk({ turns: () => 0 }, disk.crash(prefix, random));
    const broker = await openOn(crashed, new ManualClock(history.clock.now()));
    await checkAfterCrash(history, prefix, broker);
    await broker.close();
    await assertHandlesClose(crashed);
  });
  await history.broker.close();
  await crashRestores(seed, random, crashes, whole, expected);
}

async function backupBeside(history: SealingHistory, random: SeededRandom): Promise<Buffer> {
  const backup = await history.broker.backups.begin({ version: '0.0.0', maxBytesPerSecond: 0 });
  const pieces: Uint8Array[] = [];
  for await (const piece of backup.frames()) {
    pieces.push(Uint8Array.from(piece));
    if (pieces.length % PIECES_AT_ONCE === 0) await history.run(random, 2);
  }
  backup.close();
  return Buffer.concat(pieces);
}

async function crashRestores(
  seed: number,
  random: SeededRandom,
  crashes: number,
  whole: Uint8Array,
  expected: readonly string[],
): Promise<void> {
  const target = new FakeDisk({ turns: () => 0 });
  await restoreOn(target, SEALING_DIRECTORY, whole);
  const outcomes = { unfinished: 0, nothing: 0, whole: 0 };
  await crashAlong({ seed, random, crashes, from: 0, end: target.operationCount + 1 }, async (prefix) => {
    const left = target.crash(prefix, random);
    outcomes[await startedOn(left, expected)] += 1;
    if (left.size > 0 && !left.has(`${SEALING_DIRECTORY}/restoring`)) return;
    const again = new FakeDisk({ turns: () => 0 }, left);
    await restoreOn(again, SEALING_DIRECTORY, whole);
    assert.equal(await startedOn(again.content(), expected), 'whole');
  });
  assert.ok(outcomes.unfinished > 0, 'some crashes come in the middle');
}

/** What a broker makes of the files. */
async function startedOn(
  files: ReadonlyMap<string, Uint8Array>,
  expected: readonly string[],
): Promise<'unfinished' | 'nothing' | 'whole'> {
  const disk = new FakeDisk({ turns: () => 0 }, files);
  let broker: Broker;
  try {
    broker = await openOn(disk, new ManualClock());
  } catch (error) {
    assert.ok(error instanceof MillraceError && error.code === 'BACKUP_RESTORE_UNFINISHED', String(error));
    return 'unfinished';
  }
  const found = await contents(broker);
  await broker.close();
  if (files.size === 0) {
    assert.deepEqual(found, []);
    return 'nothing';
  }
  assert.deepEqual(found, expected);
  return 'whole';
}

async function contents(broker: Broker): Promise<string[]> {
  const found: string[] = [];
  for (const topic of broker.topics.list()) {
    found.push(`${topic.name} from ${topic.partitions[0]?.logStartOffset}`);
    for (const { offset, bytes } of await readTopic(broker, topic)) found.push(`${offset} ${bytes.toString('base64')}`);
  }
  return found;
}
