/**
 * NodeDisk on a real file system: every byte of every piece arrives in place, also past IOV_MAX and after short writes.
 * Short writes cannot be provoked here: their arithmetic is tested by itself.
 */
import assert from 'node:assert/strict';
import { link, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
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

/** Several steps of removal, and a part of one. */
const LARGE_BYTES = 9 * 1024 * 1024 + 5000;

async function largeFile(name: string): Promise<string> {
  const path = join(root, name);
  await writeFile(path, new Uint8Array(LARGE_BYTES).fill(7));
  return path;
}

test('a file that is removed is gone for who has it open, large or small', async () => {
  const small = join(root, 'small');
  await writeFile(small, new Uint8Array(100).fill(7));
  for (const path of [await largeFile('large'), small]) {
    const file = await disk.open(path, 'read');
    const sizeBytes = await file.size();
    await disk.remove(path);
    await assert.rejects(file.size(), { code: 'ENOENT' }, path);
    await assert.rejects(file.read(new Uint8Array(1), sizeBytes), { code: 'ENOENT' }, path);
    assert.throws(() => file.readNow?.(new Uint8Array(1), sizeBytes), { code: 'ENOENT' }, path);
    await file.close();
  }
  assert.deepEqual(
    (await disk.list(root)).filter((name) => name === 'large' || name === 'small'),
    [],
  );
});

test('what a removed file had is free at once, though it is open', async () => {
  const path = await largeFile('freed');
  const file = await open(path, 'r');
  await disk.remove(path);
  assert.equal((await file.stat()).size, 0);
  await file.close();
});

// The bytes that a read gets beside a removal are those of the file, or none: it is cut between pages.
test('reads beside a removal get what stood there or hear that the file is gone', { timeout: 60_000 }, async () => {
  const path = await largeFile('read');
  const file = await disk.open(path, 'read');
  const removing = disk.remove(path);
  let gone = 0;
  for (let i = 0; gone < 20; i++) {
    const into = new Uint8Array(70_000);
    const position = (i * 1_234_567) % (LARGE_BYTES - into.length);
    try {
      assert.equal(await file.read(into, position), into.length);
      assert.ok(into.every((byte) => byte === 7));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      gone += 1;
    }
  }
  await removing;
  await file.close();
});

test('a copy of links keeps what a removed file had', async () => {
  const path = await largeFile('linked');
  await link(path, `${path}.copy`);
  await disk.remove(path);
  assert.ok((await readFile(`${path}.copy`)).equals(Buffer.alloc(LARGE_BYTES, 7)));
});

test('a file that was replaced is gone for who asks its length; one that is there ends where it ends', async () => {
  const path = join(root, 'replaced');
  await writeFile(path, 'old');
  const file = await disk.open(path, 'read');
  assert.equal(await file.read(new Uint8Array(9), 0), 3);
  await writeFile(`${path}.new`, 'newer');
  await disk.rename(`${path}.new`, path);
  const old = new Uint8Array(3);
  assert.equal(await file.read(old, 0), 3);
  assert.equal(Buffer.from(old).toString(), 'old');
  await assert.rejects(file.size(), { code: 'ENOENT' });
  await file.close();
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
