/** Proves that memory of chunks is shared between threads, given out once at a time, and used again where it is large enough. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkMemory } from './chunk-memory.ts';

const MIB = 1024 * 1024;

test('memory is used again, by one chunk at a time', () => {
  const memory = new ChunkMemory();
  const [first, second] = [memory.take(30 * MIB), memory.take(29 * MIB)];
  assert.ok(first.buffer instanceof SharedArrayBuffer);
  assert.notEqual(first.buffer, second.buffer);
  assert.deepEqual([first.length, second.length], [30 * MIB, 29 * MIB]);
  memory.giveBack(second);
  assert.equal(memory.take(31 * MIB).buffer, second.buffer, 'chunks differ a little in size');
  memory.giveBack(first);
  assert.notEqual(memory.take(33 * MIB).buffer, first.buffer, 'too small');
});
