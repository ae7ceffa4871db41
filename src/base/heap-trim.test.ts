/** When the heap is collected, by a control that counts; and that the one of a thread does collect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeapTrim } from './heap-trim.ts';

const MIB = 1024 * 1024;

test('collected once it has grown by 12 MiB, and by an eighth of what stays', () => {
  let usedBytes = 20 * MIB;
  let collected = 0;
  let aliveBytes = 0;
  let mappedBefore = 0;
  const trim = new HeapTrim({
    usedBytes: () => usedBytes,
    usedSinceRelease: () => usedBytes + mappedBefore,
    collect: () => {
      collected += 1;
      usedBytes = aliveBytes;
    },
    release: () => {
      usedBytes = aliveBytes;
    },
  });
  const stepAt = (mib: number): number => {
    usedBytes = mib * MIB;
    trim.step();
    return collected;
  };
  assert.equal(stepAt(31), 0);
  aliveBytes = 200 * MIB;
  assert.equal(stepAt(210), 1);
  assert.equal(stepAt(224), 1, 'less than an eighth of 200');
  assert.equal(stepAt(225), 2);
  aliveBytes = 10 * MIB;
  trim.release();
  assert.equal(usedBytes, 10 * MIB);
  assert.equal(stepAt(21), 2);
  assert.equal(stepAt(22), 3, 'counted from what is alive now');
  usedBytes = 47 * MIB;
  trim.release();
  assert.equal(usedBytes, 47 * MIB, 'little is not worth it');
  mappedBefore = MIB;
  trim.release();
  assert.equal(usedBytes, 10 * MIB, 'what was mapped before the last collection may be garbage now');
});

test('the heap of a thread is collected, with buffers outside of it', () => {
  const trim = new HeapTrim();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let i = 0; i < 200; i++) {
    new Uint8Array(4 * MIB).fill(1);
    trim.step();
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  assert.ok(most < 400 * MIB, `${most} bytes of 800 MiB`);
});

test('what is released is no longer memory of the process', () => {
  const trim = new HeapTrim();
  let kept: object[] | undefined = Array.from({ length: 600_000 }, (_, i) => ({ i, text: `${i} of many` }));
  const before = process.memoryUsage();
  assert.equal(kept.length, 600_000);
  kept = undefined;
  trim.release();
  const { rss, heapTotal } = process.memoryUsage();
  assert.ok(before.heapTotal - heapTotal > 30 * MIB, `${before.heapTotal} to ${heapTotal}`);
  assert.ok(before.rss - rss > 20 * MIB, `${before.rss} to ${rss}`);
});
