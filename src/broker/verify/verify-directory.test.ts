/**
 * Proves that a directory in which everything happened (rolls, indexes, sealing, retention, compaction) is found sound, that a
 * changed byte anywhere is found and its file named, that missing files are told, and that indexes are built again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { SEALING_DIRECTORY, SealingHistory } from '../../../test/kit/sealing-history.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { type VerifyProblem, verifyDirectory } from './verify-directory.ts';

async function closedDirectory(): Promise<FakeDisk> {
  const disk = new FakeDisk({ turns: () => 0 });
  const history = await SealingHistory.open(disk);
  await history.run(new SeededRandom(3), 500);
  await history.broker.close();
  return disk;
}

async function verified(disk: FakeDisk, repair = false): Promise<{ sound: string[]; problems: VerifyProblem[] }> {
  const sound: string[] = [];
  const problems: VerifyProblem[] = [];
  for await (const item of verifyDirectory(disk, SEALING_DIRECTORY, repair)) {
    if (item.kind === 'sound') sound.push(item.path);
    else problems.push(item);
  }
  return { sound, problems };
}

function filesOf(disk: FakeDisk, kind: string): string[] {
  return [...disk.content().keys()].filter((path) => path.endsWith(`.${kind}`)).sort();
}

/** Changes a byte; the function it gives changes it back. */
async function flip(disk: FakeDisk, path: string, at: number): Promise<() => Promise<void>> {
  const change = async (): Promise<void> => {
    const file = await disk.open(path, 'readwrite');
    const byte = new Uint8Array(1);
    await file.read(byte, at);
    byte[0] = (byte[0] as number) ^ 0x40;
    await file.write([byte], at);
    await file.close();
  };
  await change();
  return change;
}

test('everything is sound, and every file was looked at', async () => {
  const disk = await closedDirectory();
  const { sound, problems } = await verified(disk);
  assert.deepEqual(problems, []);
  const all = ['journal', 'index', 'order', 'chunk', 'checkpoint'].flatMap((kind) => filesOf(disk, kind));
  // The next journal file is made ahead of need and is empty.
  const empty = [...disk.content()].filter(([, bytes]) => bytes.length === 0).map(([path]) => path);
  assert.deepEqual([...sound].sort(), all.filter((path) => !empty.includes(path)).sort());
  assert.ok(filesOf(disk, 'chunk').length > 1 && filesOf(disk, 'index').length > 1);
});

test('a changed byte is found and its file named, wherever it is', async () => {
  const disk = await closedDirectory();
  const random = new SeededRandom(4);
  for (const kind of ['chunk', 'index', 'checkpoint'] as const) {
    for (let round = 0; round < 10; round++) {
      const path = random.pick(filesOf(disk, kind));
      const size = disk.content().get(path)?.length ?? 0;
      const at = random.below(size);
      const back = await flip(disk, path, at);
      const { problems } = await verified(disk);
      assert.ok(
        problems.some((each) => each.path === path && !each.harmless),
        `${path}, byte ${at}`,
      );
      await back();
    }
  }
  assert.deepEqual((await verified(disk)).problems, []);
});

// It was named, and counted among the sound ones nevertheless.
test('a damaged journal file is not sound', async () => {
  const disk = await closedDirectory();
  const [path] = filesOf(disk, 'journal');
  assert.ok(path);
  await flip(disk, path, 100);
  const { sound, problems } = await verified(disk);
  assert.deepEqual([...new Set(problems.map((each) => each.path))], [path]);
  assert.ok(!sound.includes(path) && sound.length > 0);
});

test('indexes are built again, chunks that are missing are told', async () => {
  const disk = await closedDirectory();
  const [index] = filesOf(disk, 'index');
  const [chunk] = filesOf(disk, 'chunk');
  assert.ok(index !== undefined && chunk !== undefined);
  await flip(disk, index, 70);
  const { problems } = await verified(disk, true);
  assert.deepEqual(
    problems.map(({ path, repaired }) => [path, repaired]),
    [[index, true]],
  );
  assert.deepEqual((await verified(disk)).problems, []);
  await disk.remove(chunk);
  const { problems: missing } = await verified(disk);
  assert.ok(missing.length > 0);
  for (const { problem } of missing) assert.match(problem, /^topic \S+, partition 0: Chunk \d+, .* is missing$/);
});
