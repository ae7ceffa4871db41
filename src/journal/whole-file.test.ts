/** Files that are written whole: one that could not be leaves nothing behind, least of all on a disk that is full. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk, type FaultPoint } from '../../test/kit/fake-disk.ts';
import { writeParts, writeWhole } from './whole-file.ts';

const DEADLINE = { timeout: 60_000 };

for (const point of ['write', 'sync'] as const satisfies FaultPoint[]) {
  // It stayed until the next start, and each file that was tried after it left another one.
  test(`a ${point} that fails leaves no temporary file, and the file of before`, DEADLINE, async () => {
    const before = Buffer.from('before');
    const disk = new FakeDisk({}, new Map([['d/a', before]]));
    disk.faults = (happens) => (happens === point ? { code: 'ENOSPC', partialBytes: 3 } : undefined);
    await assert.rejects(writeWhole(disk, 'd', 'd/a', [Buffer.from('after')]), { code: 'ENOSPC' });
    assert.deepEqual([...disk.content()], [['d/a', new Uint8Array(before)]]);
    assert.equal(disk.openHandles, 0);
    disk.faults = undefined;
    await writeWhole(disk, 'd', 'd/a', [Buffer.from('after')]);
    assert.deepEqual([...disk.content()], [['d/a', new Uint8Array(Buffer.from('after'))]]);
  });
}

function* brokenParts(): Generator<Uint8Array[]> {
  yield [Buffer.from('first')];
  throw new RangeError('no second');
}

test('neither do parts that could not be made', DEADLINE, async () => {
  const disk = new FakeDisk();
  await assert.rejects(writeParts(disk, 'd', 'd/a', brokenParts()), RangeError);
  assert.equal(disk.content().size, 0);
  assert.equal(disk.openHandles, 0);
});
