/** How much may wait to be sealed: as ever without an object store, in proportion to the disk with one. How much a round takes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_BROKER_SETTINGS } from '../settings.ts';
import { backlogBytes, dueBytes, maxRoundBytes, urgentBytes } from './seal-amounts.ts';

const GIB = 1024 ** 3;

function amounts(tierStore: string, tierLocalBytes: number): number[] {
  const settings = { ...DEFAULT_BROKER_SETTINGS, tierStore, tierLocalBytes };
  return [dueBytes(settings), backlogBytes(settings), urgentBytes(settings), maxRoundBytes(settings)].map(
    (bytes) => bytes / GIB,
  );
}

test('with a store that takes what the disk does not keep, less waits', () => {
  assert.deepEqual(amounts('', 8 * GIB), [0.5, 8, 16, 2]);
  assert.deepEqual(amounts('dir:///a', 16 * GIB), [0.5, 2, 4, 2]);
  assert.deepEqual(amounts('dir:///a', 2 * GIB), [0.25, 0.25, 0.5, 0.25]);
  assert.deepEqual(amounts('dir:///a', 0), [0.0625, 0.0625, 0.125, 0.0625]);
  assert.deepEqual(amounts('dir:///a', 1_000 * GIB), [0.5, 8, 16, 2]);
});
