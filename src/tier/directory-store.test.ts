/** Proves that a directory is an object store, and that it says what it cannot do. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryObjectStore } from '../../test/kit/memory-object-store.ts';
import { objectStoreContract } from '../../test/kit/object-store-contract.ts';
import { TempDirectory } from '../../test/kit/temp-directory.ts';
import { systemClock } from '../base/clock.ts';
import { DirectoryStore } from './directory-store.ts';
import { openStore } from './open-store.ts';

test('a directory', async (t) => {
  using directory = new TempDirectory();
  await objectStoreContract(t, async () => openStore(`dir://${directory.path}/objects`, systemClock, {}));
  const left = readdirSync(directory.path, { recursive: true }).filter((name) => String(name).includes('.tmp-'));
  assert.deepEqual(left, []);
});

test('the memory of tests', async (t) => {
  await objectStoreContract(t, async () => new MemoryObjectStore());
});

test('a file where a directory should be is refused with the key', async () => {
  using directory = new TempDirectory();
  writeFileSync(join(directory.path, 'a'), '');
  const store = new DirectoryStore(directory.path, systemClock);
  await assert.rejects(store.put('a/b', new Uint8Array(1)), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'TIER_UNAVAILABLE');
    assert.match(error.message, /object 'a\/b'/);
    return true;
  });
});

// Objects were missing, which is damage; new ones went to the disk below, and local files with them.
test('a share that goes away is a store that is down, until it is back', async () => {
  using directory = new TempDirectory();
  const [mounted, away] = [join(directory.path, 'share'), join(directory.path, 'away')];
  const store = new DirectoryStore(mounted, systemClock);
  await store.put('cluster/chunk/1', new Uint8Array([7]));
  renameSync(mounted, away);
  mkdirSync(mounted);
  const gone = { code: 'TIER_UNAVAILABLE', message: /cluster was there and is gone/ };
  await assert.rejects(store.get('cluster/chunk/1'), gone);
  await assert.rejects(store.put('cluster/chunk/2', new Uint8Array(1)), gone);
  assert.deepEqual(readdirSync(mounted), []);
  rmdirSync(mounted);
  renameSync(away, mounted);
  assert.deepEqual(await store.get('cluster/chunk/1'), new Uint8Array([7]));
  assert.equal(await store.get('cluster/chunk/2'), undefined);
  assert.equal(await store.put('cluster/chunk/2', new Uint8Array(1)), 'stored');
});

test('what a put left that was killed is removed by a list, an hour later', async () => {
  using directory = new TempDirectory();
  const store = new DirectoryStore(directory.path, systemClock);
  await store.put('chunk/1', new Uint8Array(3));
  const names = ['.tmp-old', '.tmp-of-now', '1'];
  for (const name of names) writeFileSync(join(directory.path, 'chunk', name), 'x');
  const twoHoursAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
  for (const name of ['.tmp-old', '1']) utimesSync(join(directory.path, 'chunk', name), twoHoursAgo, twoHoursAgo);
  const keys = [];
  for await (const { key } of store.list('other/')) keys.push(key);
  assert.equal(readdirSync(join(directory.path, 'chunk')).length, 3, 'what others have is left alone');
  for await (const { key } of store.list('chunk/')) keys.push(key);
  assert.deepEqual(keys, ['chunk/1']);
  assert.deepEqual(readdirSync(join(directory.path, 'chunk')).sort(), ['.tmp-of-now', '1']);
});

// Node's recursive mkdir tried for ever there.
test('a place that takes no directories is refused', { skip: process.platform !== 'linux' }, async () => {
  const store = new DirectoryStore('/proc/millrace/objects', systemClock);
  await assert.rejects(store.put('a/b', new Uint8Array(1)), { code: 'TIER_UNAVAILABLE' });
});

test('a file system in memory is near, others need not be', { skip: process.platform !== 'linux' }, async () => {
  assert.equal(await isNear('/dev/shm'), true);
  assert.equal(await isNear('/proc'), false);
  using directory = new TempDirectory();
  const store = new DirectoryStore(join(directory.path, 'later'), systemClock);
  assert.equal(await store.isNear(), false);
  await store.put('a', new Uint8Array(1));
  assert.equal(await store.isNear(), await isNear(directory.path), 'it is asked again once it is there');
});

async function isNear(path: string): Promise<boolean> {
  return await new DirectoryStore(path, systemClock).isNear();
}
