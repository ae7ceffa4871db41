/** Proves that collections come by what was dropped and only where they are allowed, and that V8's frees what is young. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MinorCollections } from './minor-collections.ts';

const MIB = 1024 * 1024;

test('one for every 8 MiB that were dropped', () => {
  let [begun, count] = [0, 0];
  const collections = new MinorCollections(() => {
    begun += 1;
    return () => (count += 1);
  });
  collections.dropped(100 * MIB);
  assert.deepEqual([begun, count], [0, 0], 'a program that does not allow it is left alone');
  collections.allow();
  collections.dropped(1);
  assert.deepEqual([begun, count], [1, 1]);
  for (let i = 0; i < 80; i++) collections.dropped(MIB / 2);
  assert.deepEqual([begun, count], [1, 6]);
});

test('V8 gives young memory back, and shows its collector to nobody else', () => {
  const collections = new MinorCollections();
  collections.allow();
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  for (let i = 0; i < 2_000; i++) {
    Buffer.allocUnsafeSlow(64 * 1024);
    collections.dropped(64 * 1024);
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
  }
  assert.ok(peak < 48 * MIB, `${peak} of 125 MiB were held at once`);
  assert.equal(Reflect.get(globalThis, 'gc'), undefined);
});
