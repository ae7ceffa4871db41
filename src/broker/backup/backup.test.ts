/**
 * A backup that was taken while the broker went on gives a directory with everything acknowledged before it, byte for byte;
 * an incremental one needs the earlier ones and nothing else; whatever is cut, changed or missing is named and restores
 * nothing that a broker would start on. What a kill at each step does: test/sim/backup-crash.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBackups, restoreOn, takeBackup } from '../../../test/kit/backup-kit.ts';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { inProcessTier } from '../../../test/kit/in-process-tier.ts';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { MemoryObjectStore } from '../../../test/kit/memory-object-store.ts';
import { openOn, readTopic, SEALING_DIRECTORY, SealingHistory, settle } from '../../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import type { MillraceError } from '../../base/errors.ts';
import { ownBytes } from '../../store/backup-manifest.ts';
import { BackupReader } from '../../store/backup-reader.ts';
import type { Broker } from '../broker.ts';

const DEADLINE = { timeout: 60_000 };

/** Log start, end and batches of each topic. */
async function contents(broker: Broker): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const topic of broker.topics.list()) {
    const [partition] = topic.partitions;
    const batches = (await readTopic(broker, topic)).map(
      ({ offset, bytes }) => `${offset} ${bytes.toString('base64')}`,
    );
    found.set(topic.name, [`${partition?.logStartOffset} to ${partition?.highWatermark}`, ...batches]);
  }
  return found;
}

async function restored(...backups: readonly Uint8Array[]): Promise<Map<string, string[]>> {
  const disk = new FakeDisk();
  const { problems } = await restoreOn(disk, SEALING_DIRECTORY, ...backups);
  assert.deepEqual(problems, []);
  const broker = await openOn(disk, new ManualClock());
  assert.equal(broker.clusterId, 'restored-cluster');
  const found = await contents(broker);
  // It goes on as any other: sealing, retention, a restart.
  const history = new SealingHistory(broker, disk, new ManualClock());
  await history.run(new SeededRandom(9), 60);
  await broker.close();
  const again = await openOn(disk, new ManualClock());
  assert.equal(again.clusterId, 'restored-cluster');
  await contents(again);
  await again.close();
  return found;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'none',
    (error: MillraceError) => error.code,
  );
}

test('a backup has what was acknowledged before it, and nothing of what comes during it', DEADLINE, async () => {
  const history = await SealingHistory.open(new FakeDisk());
  const { broker } = history;
  await history.run(new SeededRandom(1), 400);
  const before = await contents(broker);
  const backup = await broker.backups.begin({ version: '0.0.0', maxBytesPerSecond: 0 });
  const pieces: Uint8Array[] = [];
  for await (const piece of backup.frames()) {
    pieces.push(Uint8Array.from(piece));
    await history.run(new SeededRandom(pieces.length), 10);
  }
  backup.close();
  assert.ok(backup.manifest.files.some(({ kind }) => kind === 'chunk'));
  assert.deepEqual(await restored(Buffer.concat(pieces)), before);
  assert.equal(broker.backups.counters.finished, 1);
  assert.equal(broker.backups.running, false);
  await broker.close();
});

test('an incremental backup sends what is new, and is restored with the earlier ones', DEADLINE, async () => {
  const history = await SealingHistory.open(new FakeDisk());
  const { broker } = history;
  await history.run(new SeededRandom(2), 300);
  const first = await takeBackup(broker);
  const [full] = await openBackups([first]);
  assert.ok(full);
  await history.run(new SeededRandom(3), 60);
  const second = await takeBackup(broker, { earlier: full.manifest });
  const [next] = await openBackups([second]);
  assert.ok(next);
  await history.run(new SeededRandom(4), 60);
  const third = await takeBackup(broker, { earlier: next.manifest });
  const before = await contents(broker);
  assert.ok(ownBytes(next.manifest) < ownBytes(full.manifest));
  assert.ok(next.manifest.files.some((file) => file.in === full.manifest.id));
  assert.deepEqual(await restored(second, third, first), before);
  assert.equal(await codeOf(restored(third)), 'BACKUP_INCOMPLETE');
  const other = await codeOf(takeBackup(broker, { earlier: { ...full.manifest, clusterId: 'other' } }));
  assert.equal(other, 'BACKUP_EARLIER_UNUSABLE');
  await broker.close();
});

test('chunks that are in the object store alone are in the backup', DEADLINE, async () => {
  const disk = new FakeDisk();
  const clock = new ManualClock();
  const memory = new MemoryObjectStore(() => clock.now());
  const startTier = inProcessTier(disk, SEALING_DIRECTORY, memory);
  const broker = await openOn(disk, clock, undefined, { tierLocalBytes: 0, tierCheckMs: 1_000_000_000 }, { startTier });
  const history = await SealingHistory.begin(broker, disk, clock);
  await history.run(new SeededRandom(5), 400);
  await broker.tiering.tierer.look();
  assert.ok(broker.tiering.tierer.evicted > 0);
  const before = await contents(broker);
  assert.deepEqual(await restored(await takeBackup(broker)), before);
  await broker.close();
});

test('one at a time; one whose reader has left lets its files go', DEADLINE, async () => {
  const history = await SealingHistory.open(new FakeDisk());
  const { broker } = history;
  await history.run(new SeededRandom(6), 100);
  const request = { version: '0.0.0', maxBytesPerSecond: 0 };
  const backup = await broker.backups.begin(request);
  assert.equal(await codeOf(broker.backups.begin(request)), 'BACKUP_RUNNING');
  for await (const piece of backup.frames()) if (piece.length > 0) break;
  backup.close();
  backup.close();
  assert.equal(broker.fileHold.held, false);
  (await broker.backups.begin(request)).close();
  await broker.close();
});

test('damage in the broker is in the backup as it is, and the restore names it', DEADLINE, async () => {
  const disk = new FakeDisk();
  const history = await SealingHistory.open(disk);
  const { broker } = history;
  await history.run(new SeededRandom(7), 300);
  const [path] = [...disk.content().keys()].filter((name) => name.endsWith('.chunk'));
  assert.ok(path);
  const file = await disk.open(path, 'readwrite');
  await file.write([Uint8Array.of(0xff)], 100);
  await file.close();
  const { problems } = await restoreOn(new FakeDisk(), SEALING_DIRECTORY, await takeBackup(broker));
  assert.deepEqual([...new Set(problems.map((problem) => problem.path))], [path]);
  await broker.close();
});

test('a file that cannot be read ends the backup with the reason', DEADLINE, async () => {
  const disk = new FakeDisk();
  const history = await SealingHistory.open(disk);
  const { broker } = history;
  await history.run(new SeededRandom(8), 300);
  const backup = await broker.backups.begin({ version: '0.0.0', maxBytesPerSecond: 0 });
  const [path] = [...disk.content().keys()].filter((name) => name.endsWith('.chunk'));
  await disk.remove(path as string);
  broker.handles.forget(path as string);
  const pieces: Uint8Array[] = [];
  await assert.rejects(async () => {
    for await (const piece of backup.frames()) pieces.push(Uint8Array.from(piece));
  });
  backup.close();
  const target = new FakeDisk();
  await assert.rejects(restoreOn(target, SEALING_DIRECTORY, Buffer.concat(pieces)), (error: MillraceError) => {
    assert.equal(error.code, 'BACKUP_INCOMPLETE');
    assert.match(error.message, /chunk/);
    return true;
  });
  assert.equal(await codeOf(openOn(target, new ManualClock())), 'BACKUP_RESTORE_UNFINISHED');
  await broker.close();
});

test('a restore replaces nothing, and one that was not finished begins anew', DEADLINE, async () => {
  const history = await SealingHistory.open(new FakeDisk());
  await history.run(new SeededRandom(9), 200);
  const whole = await takeBackup(history.broker);
  const before = await contents(history.broker);
  await history.broker.close();
  assert.equal(await codeOf(restoreOn(history.disk, SEALING_DIRECTORY, whole)), 'BACKUP_RESTORE_REFUSED');
  const disk = new FakeDisk();
  assert.equal(
    await codeOf(restoreOn(disk, SEALING_DIRECTORY, whole.subarray(0, whole.length / 2))),
    'BACKUP_INCOMPLETE',
  );
  assert.equal(await codeOf(openOn(disk, new ManualClock())), 'BACKUP_RESTORE_UNFINISHED');
  await restoreOn(disk, SEALING_DIRECTORY, whole);
  const broker = await openOn(disk, new ManualClock());
  assert.deepEqual(await contents(broker), before);
  await broker.close();
});

test('cut anywhere and changed anywhere it is refused, and nothing starts on it', DEADLINE, async () => {
  const history = await SealingHistory.open(new FakeDisk());
  await history.run(new SeededRandom(10), 150);
  await settle(history.broker);
  const whole = await takeBackup(history.broker);
  await history.broker.close();
  const random = new SeededRandom(11);
  for (let round = 0; round < 60; round++) {
    const at = random.below(whole.length);
    const bad = round % 2 === 0 ? whole.subarray(0, at) : Buffer.from(whole);
    if (round % 2 === 1) bad[at] = (bad[at] as number) ^ (1 << random.below(8));
    const disk = new FakeDisk();
    const code = await codeOf(restoreOn(disk, SEALING_DIRECTORY, bad));
    assert.match(code, /^BACKUP_(CORRUPT|INCOMPLETE)$/, `${round % 2 === 0 ? 'cut' : 'changed'} at ${at}`);
    const started = await openOn(disk, new ManualClock()).then(
      async (broker) => {
        const { size } = broker.topics;
        await broker.close();
        return `${size} topics`;
      },
      (error: MillraceError) => error.code,
    );
    // A backup whose manifest is not even readable has written nothing at all.
    assert.ok(started === 'BACKUP_RESTORE_UNFINISHED' || started === '0 topics', started);
  }
});

test('frames of two backups cannot be mixed', DEADLINE, async () => {
  const history = await SealingHistory.open(new FakeDisk());
  await history.run(new SeededRandom(12), 50);
  const [one, two] = [await takeBackup(history.broker), await takeBackup(history.broker)];
  await history.broker.close();
  const head = 32 + one.readUInt32BE(20);
  const mixed = Buffer.concat([one.subarray(0, head), two.subarray(32 + two.readUInt32BE(20))]);
  const reader = await BackupReader.open(
    (async function* () {
      yield mixed;
    })(),
    'mixed',
  );
  await assert.rejects(async () => {
    for await (const piece of reader.pieces()) assert.ok(piece.bytes.length > 0);
  }, /does not follow/);
});
