/** Memory of any size is zeros, and does for reading a file and writing it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mappedBytes, sharedBytes, takenBytes } from './mapped-bytes.ts';

test('it has the length that was asked for, and is zeros', () => {
  for (const sizeBytes of [0, 1, 131_071, 131_072, 131_073, 5_000_001]) {
    for (const bytes of [mappedBytes(sizeBytes), sharedBytes(sizeBytes)]) {
      assert.equal(bytes.length, sizeBytes);
      assert.ok(bytes.every((byte) => byte === 0));
    }
  }
});

test('what was taken is counted', () => {
  const before = takenBytes();
  mappedBytes(1_000);
  assert.equal(takenBytes() - before, 0, 'of the allocator');
  mappedBytes(1_000_000);
  assert.equal(takenBytes() - before, 1_000_000);
});

test('another thread sees what is shared, also of a length that is not whole pages', () => {
  for (const sizeBytes of [1_000, 1_000_000]) {
    const bytes = sharedBytes(sizeBytes);
    const seen = structuredClone(bytes);
    bytes[sizeBytes - 1] = 7;
    assert.deepEqual([seen.length, seen[sizeBytes - 1]], [sizeBytes, 7]);
  }
});

test('files are written from it and read into it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mapped-'));
  try {
    const bytes = mappedBytes(300_000).map((_, i) => i % 251);
    const source = mappedBytes(300_000);
    source.set(bytes);
    const file = await open(join(directory, 'f'), 'w+');
    await file.writev([source.subarray(0, 100_000), Buffer.from(source.buffer, 100_000, 200_000)]);
    const back = mappedBytes(300_000);
    assert.equal((await file.read(back, 0, back.length, 0)).bytesRead, 300_000);
    await file.close();
    assert.deepEqual(Buffer.compare(back, bytes), 0);
    assert.equal(Buffer.compare(readFileSync(join(directory, 'f')), bytes), 0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
