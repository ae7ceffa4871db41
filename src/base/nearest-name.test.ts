/** Proves which name is suggested for one that was mistyped, and that nothing is where nothing is near. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { nearestName, suggestion } from './nearest-name.ts';

const KNOWN = ['log.retention.ms', 'retention.bytes', 'num.partitions', 'journal.sync', 'journal.sync.interval.ms'];

test('whole levels, then letters', () => {
  for (const [typed, expected] of [
    ['retention.ms', 'log.retention.ms'],
    ['retention.byte', 'retention.bytes'],
    ['num.partition', 'num.partitions'],
    ['nun.partitions', 'num.partitions'],
    ['journal.syn', 'journal.sync'],
    ['log.retention', 'log.retention.ms'],
    ['color', undefined],
    ['', undefined],
    ['x'.repeat(1_000_000), undefined],
  ] as const)
    assert.equal(nearestName(typed, KNOWN), expected, typed.slice(0, 50));
  assert.equal(suggestion('num.partition', KNOWN), ' Did you mean `num.partitions`?');
  assert.equal(suggestion('color', KNOWN), '');
  assert.equal(nearestName('x', []), undefined);
});

test('one letter more, less or another is found', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KNOWN), fc.nat(), fc.constantFrom('', 'q', 'qz'), (name, seed, instead) => {
      const at = seed % name.length;
      assert.equal(nearestName(name.slice(0, at) + instead + name.slice(at + 1), [...KNOWN, 'other']), name);
    }),
  );
});
