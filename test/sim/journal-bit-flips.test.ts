/**
 * One bit of a journal that was synced and closed in order is flipped, anywhere. Proved: recovery either refuses and
 * names the damaged file and commit, or gives exactly what was written (the bit was in padding, or in the clean-end mark
 * after the last data); verify reports the same place, finds what is behind it, and changes nothing. Not provable, and
 * shown here: damage to the last synced commits of a journal that was not closed looks like a torn tail
 * (docs/formats.md, known limits).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from '../../src/base/buffer-pool.ts';
import { MillraceError } from '../../src/base/errors.ts';
import { LocalJournal } from '../../src/journal/local-journal.ts';
import { journalPath } from '../../src/journal/paths.ts';
import { verifyJournal } from '../../src/journal/verify.ts';
import { walkJournal } from '../../src/journal/walk.ts';
import { FakeDisk } from '../kit/fake-disk.ts';
import { appendBatch, forgetfulMemory, RecordingFold, transact } from '../kit/journal-fixtures.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const DIRECTORY = '/data';
const pool = new BufferPool(8 * 1024 * 1024);

interface Place {
  readonly file: number;
  readonly position: number;
  readonly sizeBytes: number;
  readonly commit: number;
}

function openJournal(disk: FakeDisk, fold: RecordingFold, random: SeededRandom): Promise<LocalJournal> {
  return LocalJournal.open({
    directory: DIRECTORY,
    disk,
    fold,
    clock: new ManualClock(),
    pool,
    memory: forgetfulMemory,
    observer: {},
    sync: 'always',
    fileBytes: 2000,
    random: random.next,
  });
}

async function build(
  random: SeededRandom,
  close: boolean,
): Promise<{ disk: FakeDisk; entries: string[]; places: Place[] }> {
  const disk = new FakeDisk();
  const fold = new RecordingFold();
  const journal = await openJournal(disk, fold, random);
  for (let index = 0; index < 30; index++) {
    await transact(journal, 'durable', (commit) => {
      appendBatch(fold, 0, 1, random.bytes(random.below(300)))(commit);
      if (random.chance(0.5)) commit.command(index, random.bytes(random.below(50)));
    }).promise;
  }
  if (close) await journal.close();
  const places: Place[] = [];
  for await (const item of walkJournal({ disk, directory: DIRECTORY })) {
    assert.notEqual(item.kind, 'problem');
    if (item.kind === 'commit') places.push(item);
  }
  return { disk, entries: fold.entries, places };
}

function flip(files: ReadonlyMap<string, Uint8Array>, path: string, position: number, bit: number): FakeDisk {
  const copy = new Map([...files].map(([name, bytes]) => [name, bytes.slice()]));
  const bytes = copy.get(path) as Uint8Array;
  bytes[position] = (bytes[position] as number) ^ (1 << bit);
  return new FakeDisk({ turns: () => 0 }, copy);
}

test('a flipped bit in a closed journal is refused with its place, or harmless', {
  timeout: 60_000,
}, async (context) => {
  const random = new SeededRandom(11);
  const { disk, entries, places } = await build(random, true);
  const files = disk.content();
  const lastFile = places.at(-1)?.file as number;
  const cleanEnd = places.at(-1)?.commit as number;
  let refused = 0;
  let harmless = 0;
  for (let file = 1; file <= lastFile; file++) {
    const path = journalPath(DIRECTORY, file);
    const sizeBytes = files.get(path)?.length as number;
    for (let position = random.below(5); position < sizeBytes; position += 1 + random.below(20)) {
      const bit = random.below(8);
      const place = places.find(
        (p) => p.file === file && position >= p.position && position < p.position + p.sizeBytes,
      );
      const what = `bit ${bit} at ${file}:${position}, commit ${place?.commit ?? 'header'}`;
      const damaged = flip(files, path, position, bit);
      const before = damaged.content();
      const problems = [];
      let commits = 0;
      for await (const item of verifyJournal({ disk: damaged, directory: DIRECTORY })) {
        if (item.kind === 'problem') problems.push(item);
        else commits += item.commitCount;
      }
      const fold = new RecordingFold();
      try {
        const journal = await openJournal(damaged, fold, random);
        await journal.close();
        assert.deepEqual(fold.entries, entries, what);
        assert.ok(
          problems.every(({ severity, commit }) => severity === 'torn' && commit === cleanEnd),
          what,
        );
        harmless += 1;
      } catch (error) {
        assert.ok(error instanceof MillraceError && error.code === 'JOURNAL_CORRUPT', `${what}: ${String(error)}`);
        assert.equal(error.details['path'], path, what);
        assert.equal(error.details['position'], place?.position ?? 0, what);
        assert.deepEqual(damaged.content(), before, `${what}: a refused start changed something`);
        assert.equal(problems[0]?.position, place?.position ?? 0, what);
        assert.equal(problems[0].severity, 'corrupt', what);
        if (place !== undefined) assert.equal(commits, places.length - 1, `${what}: verify stopped at the damage`);
        refused += 1;
      }
      assert.equal(damaged.openHandles, 0, what);
    }
  }
  context.diagnostic(`${refused} refused, ${harmless} harmless`);
  assert.ok(refused > 700 && harmless < refused / 10);
});

test('without a clean end, only what nothing later proves can be taken for a torn tail', {
  timeout: 60_000,
}, async () => {
  const random = new SeededRandom(12);
  const { disk, entries, places } = await build(random, false);
  const files = disk.content();
  for (const place of places) {
    const damaged = flip(files, journalPath(DIRECTORY, place.file), place.position + 20, 1);
    const fold = new RecordingFold();
    const last = place === places.at(-1);
    try {
      const journal = await openJournal(damaged, fold, random);
      assert.ok(last, `commit ${place.commit} was dropped`);
      assert.equal(journal.recovery.torn?.commit, place.commit);
      await journal.close();
      assert.deepEqual(fold.entries, entries.slice(0, fold.entries.length));
    } catch (error) {
      assert.ok(!last && error instanceof MillraceError && error.code === 'JOURNAL_CORRUPT', String(error));
    }
  }
});
