/** Headers of older files are read while the checkpoint worker removes some of them: what is gone is left out, and is no error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { encodeFileHeader } from '../journal/file-header.ts';
import { journalPath } from '../journal/paths.ts';
import { JournalMap } from './journal-map.ts';

const DEADLINE = { timeout: 60_000 };
const D = 'data';

/** Files 1 to 5 of ten commits each, of which the last was replayed. */
function fiveFiles(): { readonly disk: FakeDisk; readonly map: JournalMap } {
  const files = new Map<string, Uint8Array>();
  for (let file = 1; file <= 5; file++) files.set(journalPath(D, file), headerOf(file));
  const disk = new FakeDisk({}, files);
  const map = new JournalMap(disk, D);
  map.begun(5, 41);
  return { disk, map };
}

function headerOf(file: number): Uint8Array {
  const rest = { lane: 0, incarnation: 1, createdAt: 0, previousChecksum: 0, durableCommit: 0 };
  return encodeFileHeader({ file, firstCommit: file * 10 - 9, ...rest });
}

/** Removes the files, as the worker does it, when file `at` is opened or read. */
function removesAt(disk: FakeDisk, point: 'open' | 'read', at: number, files: readonly number[]): void {
  disk.faults = (happens, path) => {
    if (happens === point && path === journalPath(D, at))
      for (const file of files) void disk.remove(journalPath(D, file));
    return undefined;
  };
}

for (const point of ['open', 'read'] as const) {
  test(`a file that is removed before its ${point}: it is gone, and so are those before it`, DEADLINE, async () => {
    const { disk, map } = fiveFiles();
    removesAt(disk, point, 3, [1, 2, 3]);
    await map.loadOlder();
    assert.equal(map.firstCommit, 31);
    assert.equal(map.locate(30), undefined);
    assert.deepEqual(map.locate(31), { file: 4, firstCommit: 31 });
    assert.equal(disk.openHandles, 0);
  });
}

test('files of which the worker has said meanwhile that they are gone do not come back', DEADLINE, async () => {
  const { disk, map } = fiveFiles();
  disk.faults = (point, path) => {
    if (point === 'read' && path === journalPath(D, 4)) map.removed([1, 2]);
    return undefined;
  };
  await map.loadOlder();
  assert.equal(map.firstCommit, 21);
  assert.equal(map.locate(20), undefined);
});

test('what the disk refuses with is an error of the store, and the next time it is tried again', DEADLINE, async () => {
  const { disk, map } = fiveFiles();
  disk.faults = (point) => (point === 'read' ? { code: 'EIO' } : undefined);
  await assert.rejects(map.loadOlder(), { code: 'STORE_IO', message: /0000000001\.journal.*EIO/ });
  assert.equal(disk.openHandles, 0);
  disk.faults = undefined;
  await map.loadOlder();
  assert.equal(map.firstCommit, 1);
});
