/**
 * Encryption at rest, over the whole broker: nothing of a record, a topic's name or a group stands in any file or object in the
 * clear; everything reads as without; it survives restarts, rotation, backup and restore; a wrong master key is refused by name;
 * a deleted key takes the topics under it and no others. What files and keys do by themselves: src/journal/encryption.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restoreOn, takeBackup } from '../../test/kit/backup-kit.ts';
import { batchOf, fetchOnce, produce } from '../../test/kit/broker-kit.ts';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { FIRST_MASTER, OTHER_MASTER, ROTATED_MASTERS } from '../../test/kit/keys.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import {
  openOn,
  readTopic,
  readTopics,
  SEALING_DIRECTORY,
  SealingHistory,
  settle,
} from '../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../test/kit/seeded-random.ts';
import { TieredDisk } from '../../test/kit/tiered-disk.ts';
import { shredKeys } from '../journal/encryption/key-files.ts';

const DEADLINE = { timeout: 60_000 };

/** Words that stand in what is written. */
const WORDS = ['vvvvvvvvvvvvvvvv', 'small.a', 'retention.ms', 'MRC1', 'MRCK', 'MRIX', 'MRCP', 'MROR', 'MRTC\u0001'];

function assertNothingClear(files: Iterable<readonly [string, Uint8Array]>): void {
  for (const [path, bytes] of files) {
    const text = Buffer.from(bytes).toString('latin1');
    for (const word of WORDS) assert.ok(!text.includes(word), `${path} has '${word}'`);
  }
}

test('nothing stands in the clear, in files, objects and backups, and all of it reads', DEADLINE, async () => {
  const tiered = new TieredDisk({ tierLocalBytes: 4_000 });
  const { disk, memory } = tiered;
  const broker = await tiered.open(FIRST_MASTER);
  const history = await SealingHistory.begin(broker, disk, new ManualClock());
  await history.run(new SeededRandom(1), 400);
  await broker.tiering.tierer.look();
  assert.ok(broker.tiering.tierer.evicted > 0);
  const before = await readTopics(broker);
  const backup = await takeBackup(broker);
  assertNothingClear(disk.content());
  assertNothingClear([...memory.objects].map(([key, { body }]) => [key, body]));
  assert.ok(!backup.toString('latin1').includes(WORDS[0] as string));
  await broker.close();
  await tiered.assertVerified(FIRST_MASTER);
  const again = await tiered.open(FIRST_MASTER);
  assert.deepEqual(await readTopics(again), before);
  await again.close();
  const target = new FakeDisk({ turns: () => 0 });
  await assert.rejects(restoreOn(target, SEALING_DIRECTORY, backup), { code: 'STORE_KEY_MISSING' });
  const { problems } = await restoreOn(target, { directory: SEALING_DIRECTORY, masterKeys: FIRST_MASTER }, backup);
  assert.deepEqual(problems, []);
  assertNothingClear(target.content());
  const restored = await openOn(target, new ManualClock(), undefined, {}, { masterKeys: FIRST_MASTER });
  assert.deepEqual(await readTopics(restored), before);
  await restored.close();
});

test('turned on later: what comes from then on is encrypted, and what was there reads', DEADLINE, async () => {
  const tiered = new TieredDisk();
  const { disk, clock } = tiered;
  const plain = await tiered.open();
  const history = await SealingHistory.begin(plain, disk, clock);
  await history.run(new SeededRandom(2), 60);
  const before = await readTopics(plain);
  await plain.close();
  const old = new Set(disk.content().keys());
  const broker = await tiered.open(FIRST_MASTER);
  assert.deepEqual(await readTopics(broker), before);
  await new SealingHistory(broker, disk, clock).run(new SeededRandom(3), 300);
  const after = await readTopics(broker);
  assertNothingClear([...disk.content()].filter(([path]) => !old.has(path)));
  await broker.close();
  const again = await tiered.open(FIRST_MASTER);
  assert.deepEqual(await readTopics(again), after);
  await again.close();
});

test('without the key, or with a wrong one, nothing starts and nothing is changed', DEADLINE, async () => {
  const tiered = new TieredDisk();
  const { disk, clock } = tiered;
  const broker = await tiered.open(FIRST_MASTER);
  await (await SealingHistory.begin(broker, disk, clock)).run(new SeededRandom(4), 100);
  const before = await readTopics(broker);
  await broker.close();
  const files = disk.content();
  for (const masters of [undefined, OTHER_MASTER]) {
    await assert.rejects(tiered.open(masters), { code: 'STORE_KEY_MISSING', message: /'first'/ });
  }
  assert.deepEqual(disk.content(), files);
  const again = await tiered.open(FIRST_MASTER);
  assert.deepEqual(await readTopics(again), before);
  await again.close();
});

test('a master key is rotated without a data file being written again', DEADLINE, async () => {
  const tiered = new TieredDisk();
  const { disk, clock } = tiered;
  const broker = await tiered.open(FIRST_MASTER);
  await (await SealingHistory.begin(broker, disk, clock)).run(new SeededRandom(5), 200);
  await broker.close();
  const chunks = [...disk.content()].filter(([path]) => path.endsWith('.chunk'));
  const rotated = await tiered.open(ROTATED_MASTERS);
  const content = disk.content();
  for (const [path, bytes] of chunks) assert.deepEqual(content.get(path), bytes);
  await new SealingHistory(rotated, disk, clock).run(new SeededRandom(6), 100);
  const before = await readTopics(rotated);
  await rotated.close();
  const alone = await tiered.open([ROTATED_MASTERS[0]]);
  assert.deepEqual(await readTopics(alone), before);
  await alone.close();
});

test('deleting the key of a prefix takes the sealed records under it, and no others', DEADLINE, async () => {
  const tiered = new TieredDisk({ encryptionPrefixes: 'small/' });
  const { disk, clock } = tiered;
  const broker = await tiered.open(FIRST_MASTER);
  const history = await SealingHistory.begin(broker, disk, clock);
  await history.run(new SeededRandom(7), 500);
  // Rolls and rounds until the begin of each topic stands in chunks.
  for (let round = 0; round < 60; round++) {
    const topic = broker.topics.find('large');
    await produce(broker, topic, 0, batchOf(['v'.repeat(900)], undefined, clock.now()));
    await settle(broker);
  }
  const before = await readTopics(broker);
  await broker.close();
  assert.equal(await shredKeys(disk, SEALING_DIRECTORY, 'small.', clock.now()), 1);
  // It was damage, and a backup was said to mend it.
  const gone = await tiered.problems(FIRST_MASTER);
  assert.ok(gone.length > 0);
  for (const { path, harmless, shredded } of gone) assert.deepEqual([harmless, shredded], [true, true], path);
  const after = await tiered.open(FIRST_MASTER);
  for (const name of ['large', 'sized']) {
    const topic = after.topics.find(name);
    assert.ok(topic !== undefined);
    const found = (await readTopic(after, topic)).map(({ offset, bytes }) => `${offset} ${bytes.toString('base64')}`);
    assert.deepEqual(found, before.get(name));
  }
  let refused = 0;
  for (const name of ['small.a', 'small.b', 'small.c']) {
    const [partition] = after.topics.find(name)?.partitions ?? [];
    const { item, bytes } = await fetchOnce(after, partition, partition?.logStartOffset ?? 0);
    if (item.error === 'STORE_KEY_MISSING') refused += 1;
    if (item.error !== undefined) assert.equal(bytes.length, 0);
  }
  assert.ok(refused > 0, 'sealed records of some are gone');
  // The broker goes on, also with them.
  await new SealingHistory(after, disk, clock).run(new SeededRandom(8), 10);
  await after.close();
});
