/**
 * A compressed chunk behaves as a plain one for everything that the broker does with it, and is smaller where that pays, also over
 * a disk that encrypts; a damaged block reads as zeros and no other does; any damage that takes the whole file is named; the
 * layout is what docs/formats.md says.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FakeDisk } from '../../../test/kit/fake-disk.ts';
import { asyncProperty, assert as check, nat } from '../../../test/kit/properties.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import type { MillraceError } from '../../base/errors.ts';
import type { Disk } from '../disk.ts';
import { DataKeys } from '../encryption/data-keys.ts';
import { EncryptedDisk } from '../encryption/encrypted-disk.ts';
import { diskUnder, diskWith, encryptionOf } from '../open-disk.ts';
import { CompressingDisk } from './compressing-disk.ts';
import { encodeHeader, encodeRow, encodeTail } from './file-layout.ts';

const CHUNK = '/data/chunk/0000000001.chunk';
const BLOCK = 4_096;
const KEYS = [{ number: 1, prefix: '', key: new Uint8Array(32).fill(7) }];

/** Half of it shrinks, half does not, in stretches of a few blocks. */
function content(sizeBytes: number, seed = 1): Uint8Array {
  const random = new SeededRandom(seed);
  return Uint8Array.from({ length: sizeBytes }, (_, i) => ((i >> 15) % 2 === 0 ? (i >> 6) & 0xff : random.below(256)));
}

function setUp(encrypted = false): { raw: FakeDisk; disk: Disk } {
  const raw = new FakeDisk({ turns: () => 0 });
  const inner = encrypted ? new EncryptedDisk(raw, new DataKeys(KEYS)) : raw;
  return { raw, disk: new CompressingDisk(inner, 'zstd', BLOCK) };
}

async function write(disk: Disk, path: string, bytes: Uint8Array, step = 10_000): Promise<void> {
  const file = await disk.open(path, 'create');
  for (let at = 0; at < bytes.length; at += step) {
    await file.write([bytes.subarray(at, at + step / 2), bytes.subarray(at + step / 2, at + step)], at);
    await file.sync();
  }
  await file.close();
  await file.close();
}

async function readAt(disk: Disk, path: string, position: number, sizeBytes: number): Promise<Uint8Array> {
  const file = await disk.open(path, 'read');
  const into = new Uint8Array(sizeBytes).fill(0xaa);
  const count = await file.read(into, position);
  await file.close();
  return into.subarray(0, count);
}

async function flip(raw: FakeDisk, at: number, mask = 4): Promise<void> {
  const file = await raw.open(CHUNK, 'readwrite');
  const byte = new Uint8Array(1);
  await file.read(byte, at);
  await file.write([Uint8Array.of((byte[0] as number) ^ mask)], at);
  await file.close();
}

for (const encrypted of [false, true]) {
  test(`any part reads as it was written${encrypted ? ', encrypted' : ''}`, async () => {
    for (const sizeBytes of [1, BLOCK - 1, BLOCK, BLOCK + 1, 300_000]) {
      const { raw, disk } = setUp(encrypted);
      const bytes = content(sizeBytes);
      await write(disk, CHUNK, bytes);
      const file = await disk.open(CHUNK, 'read');
      assert.equal(await file.size(), sizeBytes);
      await file.close();
      await check(
        asyncProperty(nat(sizeBytes + 10), nat(200_000), async (position, count) => {
          const expected = bytes.subarray(Math.min(position, sizeBytes), Math.min(position + count, sizeBytes));
          assert.deepEqual(await readAt(disk, CHUNK, position, count), new Uint8Array(expected));
        }),
        { numRuns: 30 },
      );
      const storedBytes = raw.content().get(CHUNK)?.length ?? 0;
      if (sizeBytes > 200_000) assert.ok(storedBytes < sizeBytes * 0.7, `${storedBytes} bytes are stored`);
    }
  });
}

test('one open file serves many reads, in order, backwards and at the same time', async () => {
  const { disk } = setUp();
  const bytes = content(200_000, 3);
  await write(disk, CHUNK, bytes);
  const file = await disk.open(CHUNK, 'read');
  const places = [...Array(100).keys()].map((i) => (i * 7_919) % 199_000);
  for (const order of [places, places.toSorted((a, b) => a - b), places.toSorted((a, b) => b - a)]) {
    const read = order.map(async (position) => {
      const into = new Uint8Array(1_000);
      assert.equal(await file.read(into, position), 1_000);
      assert.deepEqual(into, Uint8Array.from(bytes.subarray(position, position + 1_000)));
    });
    await Promise.all(read);
  }
  await file.close();
});

test('blocks of the size that brokers write: what was read is not touched when memory is given back', async () => {
  const raw = new FakeDisk({ turns: () => 0 });
  const disk = new CompressingDisk(raw, 'zstd');
  const bytes = Uint8Array.from({ length: 700_000 }, (_, i) => (i >> 5) & 0xff);
  await write(disk, CHUNK, bytes, 100_000);
  const file = await disk.open(CHUNK, 'read');
  const reads = Array.from({ length: 12 }, async (_, i) => {
    const into = new Uint8Array(i % 3 === 0 ? 700_000 : 150_000);
    const position = i % 3 === 0 ? 0 : i * 40_000;
    const count = await file.read(into, position);
    assert.equal(count, Math.min(into.length, 700_000 - position));
    assert.ok(Buffer.from(into.subarray(0, count)).equals(bytes.subarray(position, position + count)));
  });
  await Promise.all(reads);
  await file.close();
});

test('what does not shrink is stored as it is, with a few bytes more', async () => {
  const { raw, disk } = setUp();
  const random = new SeededRandom(5);
  const bytes = Uint8Array.from({ length: 40 * BLOCK }, () => random.below(256));
  await write(disk, CHUNK, bytes);
  assert.equal(raw.content().get(CHUNK)?.length, bytes.length + 128 + 40 * 12);
  assert.deepEqual(await readAt(disk, CHUNK, 0, bytes.length), bytes);
});

test('only chunks are compressed, and not their cache; what is there is read in either form, whatever the setting', async () => {
  const { raw, disk } = setUp();
  const bytes = new Uint8Array(50_000);
  const others = ['/data/cache/0000000001.chunk', '/data/journal/0000000001.journal', '/data/chunk/notes'];
  for (const path of others) {
    await write(disk, path, bytes);
    assert.equal(raw.content().get(path)?.length, bytes.length);
  }
  const plain = '/data/chunk/0000000002.chunk.tmp';
  const off = new CompressingDisk(raw, 'none');
  await write(off, plain, bytes);
  assert.equal(raw.content().get(plain)?.length, bytes.length);
  await disk.rename(plain, '/data/chunk/0000000002.chunk');
  assert.deepEqual(await readAt(disk, '/data/chunk/0000000002.chunk', 10, 100), new Uint8Array(100));
  await write(disk, CHUNK, bytes);
  assert.deepEqual(await readAt(off, CHUNK, 10, 100), new Uint8Array(100));
});

test('a changed bit in a block makes it zeros, and no other', async () => {
  const { raw, disk } = setUp();
  const bytes = Uint8Array.from({ length: 5 * BLOCK }, (_, i) => 1 + (i >> 8));
  await write(disk, CHUNK, bytes);
  await flip(raw, 64 + 2);
  const found = await readAt(disk, CHUNK, 0, bytes.length);
  assert.ok(found.subarray(0, BLOCK).every((byte) => byte === 0));
  assert.deepEqual(found.subarray(BLOCK), bytes.subarray(BLOCK));
});

test('each changed bit anywhere is seen: other bytes are never given for what was written', async () => {
  const { raw, disk } = setUp();
  const bytes = content(20_000, 9);
  await write(disk, CHUNK, bytes);
  const stored = raw.content().get(CHUNK) as Uint8Array;
  const random = new SeededRandom(11);
  for (let i = 0; i < 400; i++) {
    const at = i < 128 ? (i < 64 ? i : stored.length - 1 - (i - 64)) : random.below(stored.length);
    const mask = 1 << random.below(8);
    await flip(raw, at, mask);
    let seen: boolean;
    try {
      seen = !Buffer.from(await readAt(disk, CHUNK, 0, bytes.length)).equals(bytes);
    } catch (error) {
      assert.equal((error as MillraceError).code, 'STORE_CORRUPT');
      assert.ok((error as MillraceError).message.includes(CHUNK));
      seen = true;
    }
    assert.ok(seen, `bit ${mask} of byte ${at}`);
    await flip(raw, at, mask);
  }
  assert.deepEqual(await readAt(disk, CHUNK, 0, bytes.length), bytes);
});

test('a file that is cut, or whose table lies under sound checksums, is refused by name', async () => {
  const { raw, disk } = setUp();
  await write(disk, CHUNK, content(20_000));
  const stored = raw.content().get(CHUNK) as Uint8Array;
  const opened = (bytes: Uint8Array): Promise<unknown> =>
    new CompressingDisk(new FakeDisk({ turns: () => 0 }, new Map([[CHUNK, bytes]])), 'none').open(CHUNK, 'read');
  for (const sizeBytes of [64, 65, 127, 128, stored.length - 64, stored.length - 1]) {
    await assert.rejects(opened(stored.subarray(0, sizeBytes)), { code: 'STORE_CORRUPT' });
  }
  const row = encodeRow({ stored: new Uint8Array(1), codec: 0 });
  const lies = [
    encodeTail(2 ** 50, BLOCK, []),
    encodeTail(2 ** 50, BLOCK, [row]),
    encodeTail(BLOCK, BLOCK * 2, [row]),
    encodeTail(1, BLOCK, [encodeRow({ stored: new Uint8Array(10_000_000), codec: 1 })]),
  ];
  for (const tail of lies) {
    const file = Buffer.concat([encodeHeader(BLOCK), Uint8Array.of(7), tail]);
    await assert.rejects(opened(file), { code: 'STORE_CORRUPT' });
  }
});

test('a disk that is full leaves no file that looks whole, and says so', async () => {
  const { raw, disk } = setUp();
  const file = await disk.open(CHUNK, 'create');
  await file.write([content(20_000)], 0);
  raw.faults = (point) => (point === 'write' ? { code: 'ENOSPC' } : undefined);
  await assert.rejects(file.close(), { code: 'ENOSPC' });
  await assert.rejects(disk.open(CHUNK, 'read'), { code: 'STORE_CORRUPT' });
});

test('under a prefix the disk compresses over the disk of the prefix, always the same one', () => {
  const disk = diskWith(new FakeDisk(), KEYS, 'zstd');
  assert.equal(diskUnder(disk, ''), disk);
  assert.equal(diskUnder(disk, 'food.'), diskUnder(disk, 'food.'));
  assert.notEqual(diskUnder(disk, 'food.'), disk);
  assert.ok(encryptionOf(diskUnder(disk, 'food.')) instanceof EncryptedDisk);
  assert.equal(encryptionOf(diskWith(new FakeDisk(), undefined)), undefined);
});

test('golden bytes: what they say, and the same ends around what zstd makes today', async () => {
  const hex = readFileSync(new URL('../../../test/golden/compressed/version-1.hex', import.meta.url), 'utf8');
  const golden = Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
  const disk = new CompressingDisk(new FakeDisk({ turns: () => 0 }, new Map([[CHUNK, golden]])), 'none');
  const expected = Buffer.concat([Buffer.alloc(1_024, 'abcd'), Buffer.from('not worth it')]);
  assert.deepEqual(Buffer.from(await readAt(disk, CHUNK, 0, 2_000)), expected);
  const raw = new FakeDisk({ turns: () => 0 });
  await write(new CompressingDisk(raw, 'zstd', 1_024), CHUNK, expected);
  const stored = Buffer.from(raw.content().get(CHUNK) as Uint8Array);
  assert.deepEqual(stored.subarray(0, 64), golden.subarray(0, 64));
  // Another version of zstd may pack the block in other bytes, which only its row and the table's checksum show.
  assert.deepEqual(stored.subarray(-76, -40), golden.subarray(-76, -40));
  assert.equal(stored.length, 64 + stored.readUInt32BE(stored.length - 88) + 12 + 24 + 64);
});
