/**
 * NodeDisk on a real file system: every byte of every piece arrives in place, also past IOV_MAX and after short writes.
 * Short writes cannot be provoked here: their arithmetic is tested by itself.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { NodeDisk, unwritten } from './node-disk.ts';

const root = await mkdtemp(join(tmpdir(), 'millrace-disk-'));
after(() => rm(root, { recursive: true }));
const disk = new NodeDisk();

test('pieces land back to back, blocking or not, more than one call takes', { timeout: 60_000 }, async () => {
  const pieces = Array.from({ length: 2500 }, (_, index) => new Uint8Array(index % 7).fill(index % 251));
  const whole = Buffer.concat(pieces);
  const path = join(root, 'pieces');
  const file = await disk.open(path, 'create');
  await file.write(pieces, 10);
  file.writeSync(pieces, 10 + whole.length);
  await file.sync();
  assert.equal(await file.size(), 10 + 2 * whole.length);
  const into = Buffer.alloc(whole.length + 100);
  assert.equal(await file.read(into, 10 + whole.length), whole.length);
  assert.deepEqual(into.subarray(0, whole.length), whole);
  await file.truncate(12);
  await file.close();
  await file.close();
  assert.equal((await readFile(path)).length, 12);
});

test('names: create refuses what exists, remove does not mind what is absent, absent directories are empty', async () => {
  const path = join(root, 'names');
  await (await disk.open(path, 'create')).close();
  await assert.rejects(disk.open(path, 'create'), { code: 'EEXIST' });
  await assert.rejects(disk.open(join(root, 'absent'), 'readwrite'), { code: 'ENOENT' });
  await disk.rename(path, `${path}.2`);
  assert.ok((await disk.list(root)).includes('names.2'));
  await disk.remove(`${path}.2`);
  await disk.remove(`${path}.2`);
  await disk.syncDirectory(root);
  assert.deepEqual(await disk.list(join(root, 'no', 'such')), []);
});

test('after a short write exactly the rest is left', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 12 }), fc.nat(200), (pieces, written) => {
      const whole = Buffer.concat(pieces);
      const rest = Buffer.concat(unwritten(pieces, Math.min(written, whole.length)));
      assert.deepEqual(rest, whole.subarray(Math.min(written, whole.length)));
    }),
  );
});
