/**
 * An encrypted disk behaves as a plain one for everything that the broker does with files; nothing of their content stands in
 * them; what is changed in a file that is written once is not read; a stream that is cut never uses a key stream twice.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { asyncProperty, assert as check, nat } from '../../../test/kit/properties.ts';
import type { MillraceError } from '../../base/errors.ts';
import { DataKeys } from './data-keys.ts';
import { EncryptedDisk } from './encrypted-disk.ts';
import { HEAD_BYTES, MAX_SPANS } from './file-head.ts';

const JOURNAL = '/data/journal/0000000001.journal';
const CHUNK = '/data/chunk/0000000001.chunk';

function setUp(): { raw: FakeDisk; disk: EncryptedDisk } {
  const raw = new FakeDisk({ turns: () => 0 });
  return { raw, disk: new EncryptedDisk(raw, keys([1])) };
}

function keys(numbers: readonly number[]): DataKeys {
  return new DataKeys(numbers.map((number) => ({ number, prefix: '', key: new Uint8Array(32).fill(number) })));
}

function content(sizeBytes: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff);
}

async function write(disk: EncryptedDisk, path: string, bytes: Uint8Array, step: number): Promise<void> {
  const file = await disk.open(path, 'create');
  for (let at = 0; at < bytes.length; at += step) {
    await file.write([bytes.subarray(at, at + step / 2), bytes.subarray(at + step / 2, at + step)], at);
    await file.sync();
  }
  await file.close();
}

async function readAt(disk: EncryptedDisk, path: string, position: number, sizeBytes: number): Promise<Uint8Array> {
  const file = await disk.open(path, 'read');
  const into = new Uint8Array(sizeBytes);
  const count = await file.read(into, position);
  await file.close();
  return into.subarray(0, count);
}

for (const path of [JOURNAL, CHUNK]) {
  test(`any part of ${path} reads as it was written, and stands nowhere in the clear`, async () => {
    for (const sizeBytes of [1, 8, 4_095, 65_535, 65_536, 65_537, 300_000]) {
      const { raw, disk } = setUp();
      const bytes = content(sizeBytes);
      await write(disk, path, bytes, 10_000);
      const file = await disk.open(path, 'read');
      assert.equal(await file.size(), sizeBytes);
      await file.close();
      await check(
        asyncProperty(nat(sizeBytes + 10), nat(200_000), async (position, count) => {
          const expected = bytes.subarray(Math.min(position, sizeBytes), Math.min(position + count, sizeBytes));
          assert.deepEqual(await readAt(disk, path, position, count), new Uint8Array(expected));
        }),
        { numRuns: 40 },
      );
      const stored = Buffer.from(raw.content().get(path) ?? new Uint8Array(0));
      if (sizeBytes > 100) assert.equal(stored.indexOf(bytes.subarray(0, 32)), -1);
    }
  });
}

test('a changed bit in a file that is written once makes its block zeros, and no other', async () => {
  const { raw, disk } = setUp();
  const bytes = content(200_000).map((byte) => byte | 1);
  await write(disk, CHUNK, bytes, 50_000);
  const file = await raw.open(CHUNK, 'readwrite');
  const at = HEAD_BYTES + 65_552 + 1_000;
  const byte = new Uint8Array(1);
  await file.read(byte, at);
  await file.write([Uint8Array.of((byte[0] as number) ^ 4)], at);
  await file.close();
  const found = await readAt(disk, CHUNK, 0, 200_000);
  assert.deepEqual(found.subarray(0, 65_536), bytes.subarray(0, 65_536));
  assert.ok(found.subarray(65_536, 131_072).every((each) => each === 0));
  assert.deepEqual(found.subarray(131_072), bytes.subarray(131_072));
});

test('either copy of the head is enough; without both the file is refused by name, and never taken for empty', async () => {
  for (const path of [JOURNAL, CHUNK]) {
    const { raw, disk } = setUp();
    await write(disk, path, content(5_000), 5_000);
    const damage = async (at: number): Promise<void> => {
      const file = await raw.open(path, 'readwrite');
      await file.write([new Uint8Array(8).fill(0x5a)], at);
      await file.close();
    };
    await damage(24);
    assert.deepEqual(await readAt(disk, path, 0, 5_000), content(5_000));
    await damage(2_048 + 24);
    for (const mode of ['read', 'readwrite'] as const) {
      await assert.rejects(disk.open(path, mode), (error: MillraceError) => {
        assert.equal(error.code, 'STORE_CORRUPT');
        return error.message.includes(path);
      });
    }
  }
});

test('what is written where a stream was cut gets another key, for handles that are open too', async () => {
  const { raw, disk } = setUp();
  await write(disk, JOURNAL, content(1_000), 1_000);
  const before = Buffer.from(raw.content().get(JOURNAL) ?? []);
  const reader = await disk.open(JOURNAL, 'read');
  const file = await disk.open(JOURNAL, 'readwrite');
  await file.truncate(504);
  file.writeSync([content(1_000).subarray(504)], 504);
  await file.sync();
  const after = Buffer.from(raw.content().get(JOURNAL) ?? []);
  assert.deepEqual(after.subarray(HEAD_BYTES, HEAD_BYTES + 504), before.subarray(HEAD_BYTES, HEAD_BYTES + 504));
  assert.notDeepEqual(after.subarray(HEAD_BYTES + 504), before.subarray(HEAD_BYTES + 504));
  const into = new Uint8Array(1_000);
  await reader.read(into, 0);
  assert.deepEqual(into, content(1_000));
  // Written again over themselves, as recovery does: the same bytes.
  await file.write([content(1_000).subarray(400, 600)], 400);
  assert.deepEqual(Buffer.from(raw.content().get(JOURNAL) ?? []), after);
  for (let cut = 2; cut < MAX_SPANS; cut++) {
    await file.truncate(600 - cut);
    file.writeSync([content(1_000).subarray(600 - cut)], 600 - cut);
  }
  await assert.rejects(file.truncate(10), /cannot be cut again/);
  await file.close();
  await reader.close();
  assert.deepEqual(await readAt(disk, JOURNAL, 0, 1_000), content(1_000));
});

test('files of before are read and appended to as they are; an empty one that stands ready becomes encrypted', async () => {
  const { raw, disk } = setUp();
  const plain = await raw.open(JOURNAL, 'create');
  await plain.write([content(100)], 0);
  await plain.close();
  const file = await disk.open(JOURNAL, 'readwrite');
  await file.write([content(100, 2)], 100);
  assert.equal(await file.size(), 200);
  await file.close();
  assert.equal(await disk.dataKeyOf(JOURNAL), undefined);
  const next = '/data/journal/0000000002.journal';
  await (await raw.open(next, 'create')).close();
  const ready = await disk.open(next, 'readwrite');
  ready.writeSync([content(50)], 0);
  await ready.close();
  assert.equal(await disk.dataKeyOf(next), 1);
  assert.deepEqual(await readAt(disk, next, 0, 50), content(50));
});

test('a file whose key is gone has its length, and is not read: the number of the key is said', async () => {
  const { raw, disk } = setUp();
  await write(disk, CHUNK, content(100), 100);
  const other = new EncryptedDisk(raw, keys([2]));
  await assert.rejects(readAt(other, CHUNK, 0, 10), { code: 'STORE_KEY_MISSING', message: /data key 1/ });
  const file = await other.open(CHUNK, 'read');
  assert.equal(await file.size(), 100);
  await file.close();
});

// Keys went by the name alone: a file of the tier's cache that was made anew was decrypted with those of the one before.
test('a file that has the name of one that is still open has keys of its own', async () => {
  const { raw, disk } = setUp();
  const path = '/data/cache/0000000001.chunk';
  const other = new EncryptedDisk(raw, keys([1]));
  await write(other, path, content(1_000), 1_000);
  const before = await disk.open(path, 'read');
  await other.remove(path);
  await write(other, path, content(1_000, 2), 1_000);
  assert.deepEqual(await readAt(disk, path, 0, 1_000), content(1_000, 2));
  await before.close();
  assert.deepEqual(await readAt(disk, path, 0, 1_000), content(1_000, 2));
});

test('a journal file that is used again under another name gets another key', async () => {
  const { raw, disk } = setUp();
  const next = '/data/journal/0000000002.journal';
  await write(disk, JOURNAL, content(1_000), 1_000);
  const before = Buffer.from(raw.content().get(JOURNAL) ?? []);
  await disk.rename(JOURNAL, next);
  const file = await disk.open(next, 'readwrite');
  file.writeSync([content(500)], 0);
  await file.close();
  const after = Buffer.from(raw.content().get(next) ?? []);
  assert.notDeepEqual(after.subarray(HEAD_BYTES, HEAD_BYTES + 500), before.subarray(HEAD_BYTES, HEAD_BYTES + 500));
  assert.deepEqual(await readAt(disk, next, 0, 500), content(500));
  assert.notDeepEqual(await readAt(disk, next, 500, 500), content(1_000).subarray(500), 'what stood there is gone');
});
