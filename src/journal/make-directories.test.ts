/** Directories are made with all above them, what is there is left alone, and what cannot be is refused and not tried for ever. */
import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TempDirectory } from '../../test/kit/temp-directory.ts';
import { makeDirectories } from './make-directories.ts';

test('directories are made with those above them, also a second time', async () => {
  using directory = new TempDirectory();
  const path = join(directory.path, 'a', 'b', 'c');
  await makeDirectories(path);
  await makeDirectories(path);
  await makeDirectories(`${path}/`);
  assert.ok(statSync(path).isDirectory());
  assert.equal(statSync(path).mode & 0o027, 0, 'nobody but the owner writes, and others do not read');
});

test('a file in the way is refused by name', async () => {
  using directory = new TempDirectory();
  const file = join(directory.path, 'file');
  writeFileSync(file, '');
  await assert.rejects(makeDirectories(file), { code: 'EEXIST', path: file });
  await assert.rejects(makeDirectories(join(file, 'below')), { code: 'ENOTDIR' });
});

test('a file system that takes no directories is refused', { skip: process.platform !== 'linux' }, async () => {
  await assert.rejects(makeDirectories('/proc/millrace/data'), { code: 'ENOENT' });
});
