/** Proves that keys land where other Kafka producers put them: published check values, and kafkajs on random keys. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { murmur2, partitionOfKey } from './murmur2.ts';

// The check values of Kafka's own test of this hash.
const CHECK_VALUES: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

test('the published check values', () => {
  for (const [text, hash] of CHECK_VALUES) assert.equal(murmur2(Buffer.from(text)), hash, text);
});

test('kafkajs hashes the same', () => {
  const theirs = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2.js') as (
    key: Buffer,
  ) => number;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (key) => {
      assert.equal(murmur2(key), theirs(Buffer.from(key)));
    }),
  );
});

test('a partition is in range for every key', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 10_000 }), (key, count) => {
      const partition = partitionOfKey(key, count);
      assert.ok(Number.isInteger(partition) && partition >= 0 && partition < count);
    }),
  );
});
