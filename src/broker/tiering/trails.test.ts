/** Proves who reads in order: from the first block, from where a reader was, several at once, and a bounded number of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Trails } from './trails.ts';

test('the first block is the first in order, once; elsewhere a reader shows itself with its second read', () => {
  const trails = new Trails();
  assert.equal(trails.find(5), undefined);
  trails.goOn(undefined, { lastBlock: 6, aheadBlocks: 0 });
  for (const block of [5, 8]) assert.equal(trails.find(block), undefined);
  for (const block of [6, 7]) assert.equal(trails.find(block)?.lastBlock, 6);
  trails.goOn(trails.find(0), { lastBlock: 1, aheadBlocks: 4 });
  assert.equal(trails.find(0), undefined);
  assert.equal(trails.find(2)?.aheadBlocks, 4);
  assert.equal(trails.find(7)?.lastBlock, 6, 'the other is where it was');
  assert.deepEqual(
    [2, 1].map((block) => trails.countBefore(block)),
    [1, 0],
    'in order',
  );
});

test('who is expected at the first block goes on as far ahead as before', () => {
  const trails = new Trails();
  trails.expect(48);
  trails.expect(16);
  const first = trails.find(0);
  assert.equal(first?.aheadBlocks, 48);
  trails.goOn(first, { lastBlock: 0, aheadBlocks: 48 });
  trails.expect(8);
  assert.equal(trails.find(0)?.aheadBlocks, 48, 'the one that is there, or the next');
});

test('of many readers the ones heard of longest ago are forgotten', () => {
  const trails = new Trails();
  for (let i = 1; i <= 4; i++) trails.goOn(trails.find(10 * i), { lastBlock: 10 * i, aheadBlocks: 4 });
  trails.goOn(trails.find(11), { lastBlock: 11, aheadBlocks: 8 });
  trails.goOn(undefined, { lastBlock: 50, aheadBlocks: 0 });
  assert.deepEqual(
    [0, 12, 21, 31, 41, 51].map((block) => trails.find(block)?.lastBlock),
    [undefined, 11, undefined, 30, 40, 50],
  );
});
