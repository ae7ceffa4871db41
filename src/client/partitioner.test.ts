/** Proves where records go: with Kafka's own clients for keys, in turn without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPartitioner } from './partitioner.ts';
import { encodeUtf8 } from './utf8.ts';

const input = (key: string | null, partitionCount = 4) => ({
  topic: 't',
  key: key === null ? null : encodeUtf8(key),
  partitionCount,
});

test('keys go where the Java client puts them', () => {
  // murmur2 values of Kafka's own test (UtilsTest), made positive and taken modulo the partitions.
  const published: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
  ];
  const partitioner = createPartitioner('key-hash');
  for (const [key, hash] of published) assert.equal(partitioner.choose(input(key, 7)), (hash & 0x7fff_ffff) % 7);
});

test('records without a key stay together until the batch closes', () => {
  const partitioner = createPartitioner('key-hash');
  const chosen = [1, 2, 3].map(() => partitioner.choose(input(null)));
  partitioner.batchClosed('t');
  assert.deepEqual([...chosen, partitioner.choose(input(null))], [0, 0, 0, 1]);
});

test('round robin takes every partition in turn, keys or not', () => {
  const partitioner = createPartitioner('round-robin');
  assert.deepEqual(
    ['a', null, 'a', 'b', null].map((key) => partitioner.choose(input(key))),
    [0, 1, 2, 3, 0],
  );
});

test('a custom one is checked', () => {
  assert.equal(createPartitioner(({ partitionCount }) => partitionCount - 1).choose(input('x')), 3);
  assert.throws(() => createPartitioner(() => 4).choose(input('x')), {
    code: 'CLIENT_OPTION_INVALID',
    message: /0 to 3/,
  });
});
