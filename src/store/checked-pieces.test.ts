import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { CheckedPieces } from './checked-pieces.ts';
import type { Piece } from './read-plan.ts';

function piece(file: number, position: number, sizeBytes: number): Piece {
  return { file, position, sizeBytes, baseOffset: 0, endOffset: 1, maxTimestamp: 0 };
}

test('a piece counts as checked for ten minutes, and not where it has grown', () => {
  const clock = new ManualClock();
  const checked = new CheckedPieces(clock);
  checked.add(piece(1, 64, 1_000));
  assert.equal(checked.has(piece(1, 64, 1_000)), true);
  assert.equal(checked.has(piece(1, 64, 900)), true);
  assert.equal(checked.has(piece(1, 64, 1_001)), false);
  assert.equal(checked.has(piece(1, 128, 10)), false);
  assert.equal(checked.has(piece(-1, 64, 10)), false, 'a chunk of the same number');
  clock.advance(599_999);
  assert.equal(checked.has(piece(1, 64, 1_000)), true);
  clock.advance(1);
  assert.equal(checked.has(piece(1, 64, 1_000)), false);
});

test('it is bounded: the file that was checked in longest ago is forgotten first', () => {
  const checked = new CheckedPieces(new ManualClock());
  for (const file of [1, 2])
    for (let position = 0; position < 20_000; position++) checked.add(piece(file, position, 1));
  assert.equal(checked.has(piece(2, 19_999, 1)), true);
  assert.equal(checked.has(piece(1, 0, 1)), false);
});
