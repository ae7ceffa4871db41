/**
 * ReadWindow against the file itself: steps of random size, also larger than its blocks, always see the file's bytes;
 * a failed read ahead is told to who needs it and to nobody else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../test/kit/seeded-random.ts';
import type { DiskFile } from './disk.ts';
import { ReadWindow } from './read-window.ts';

const MIB = 1024 * 1024;

/** Every eight bytes hold their own position. */
function positions(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 8 <= sizeBytes; at += 8) bytes.writeDoubleBE(at, at);
  return bytes;
}

function fileOf(bytes: Buffer, failFrom = Number.POSITIVE_INFINITY): DiskFile {
  return {
    read: async (into, position) => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (position >= failFrom) throw Object.assign(new Error('broken sector'), { code: 'EIO' });
      return bytes.copy(into, 0, position);
    },
  } as DiskFile;
}

async function walk(
  window: ReadWindow,
  file: DiskFile,
  content: Buffer,
  start: number,
  random: SeededRandom,
): Promise<void> {
  window.begin(file, content.length, start);
  for (let from = start; from < content.length; ) {
    const size = random.pick([64, 1000, 70_000, MIB, 3 * MIB, 5 * MIB, 11 * MIB]);
    const needed = Math.min(size, content.length - from);
    if (from + needed > window.end) await window.fill(from, needed);
    assert.ok(from + needed <= window.end);
    const seen = window.bytes.subarray(from - window.at, from - window.at + needed);
    assert.ok(content.subarray(from, from + needed).equals(seen), `wrong bytes at ${from}, ${needed} long`);
    from += needed;
    // Leaves something unconsumed, as a commit header that is read before its body.
    if (random.chance(0.3) && from < content.length) from -= Math.min(64, needed - 1);
    if (random.chance(0.1)) from = Math.min(content.length, from + random.below(9 * MIB));
  }
  await window.settle();
}

test('steps of any size see the bytes of the file, one file after the other', { timeout: 60_000 }, async () => {
  const random = new SeededRandom(5);
  const window = new ReadWindow();
  for (const sizeBytes of [64, 100_000, 8 * MIB, 20 * MIB + 24, 33 * MIB]) {
    const content = positions(sizeBytes);
    for (let round = 0; round < 4; round++) await walk(window, fileOf(content), content, round * 8, random);
  }
});

test('a failed read is told when its bytes are needed', { timeout: 60_000 }, async () => {
  const content = positions(30 * MIB);
  const window = new ReadWindow();
  window.begin(fileOf(content, 9 * MIB), content.length, 0);
  await window.fill(0, 64);
  await window.settle();
  const random = new SeededRandom(6);
  await assert.rejects(walk(window, fileOf(content, 9 * MIB), content, 0, random), {
    code: 'EIO',
    message: /broken sector/,
  });
  await window.settle();
  await walk(window, fileOf(content), content, 0, random);
});

test('a file that became shorter is told', { timeout: 60_000 }, async () => {
  const content = positions(10 * MIB);
  const window = new ReadWindow();
  window.begin(fileOf(content.subarray(0, 6 * MIB)), content.length, 0);
  await assert.rejects(window.fill(0, 64), { code: 'EIO', message: /shorter/ });
});
