/** Proves: names fold to one dotted form, Kafka's limits hold, refusals say what and where. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { foldTopicName, MAX_TOPIC_NAME_LENGTH, topicLevels, topicPath, tryFoldTopicName } from './topic-name.ts';

test('both separators name the same topic', () => {
  for (const name of ['food/eggs', 'food.eggs']) assert.equal(foldTopicName(name), 'food.eggs');
  assert.equal(foldTopicName('a/b.c/d'), 'a.b.c.d');
  assert.equal(foldTopicName('__consumer_offsets'), '__consumer_offsets');
  assert.equal(foldTopicName('-'), '-');
  assert.equal(topicPath('food.eggs'), 'food/eggs');
  assert.deepEqual(topicLevels('food.eggs'), ['food', 'eggs']);
});

test('the longest name passes, one more character does not', () => {
  assert.equal(foldTopicName('x'.repeat(MAX_TOPIC_NAME_LENGTH)).length, 249);
  assert.throws(() => foldTopicName('x'.repeat(250)), { code: 'MODEL_TOPIC_NAME_INVALID', message: /250 characters/ });
});

test('refusals name the character or the level', () => {
  const refused: [string, RegExp][] = [
    ['', /empty; give at least one/],
    ['.', /level at position 0/],
    ['..', /level at position 0/],
    ['/a', /level at position 0/],
    ['a/', /level at position 1 /],
    ['a//b', /level at position 1 /],
    ['a./b', /level at position 1 /],
    ['a b', /" " at position 1/],
    ['größe', /"ö" at position 2/],
    ['a\u{1f95a}', /"\u{1f95a}" at position 1/u],
    ['a\n', /"\\n" at position 1/],
    ['food/*', /"\*" at position 5/],
  ];
  for (const [name, message] of refused) {
    assert.throws(() => foldTopicName(name), { code: 'MODEL_TOPIC_NAME_INVALID', message }, JSON.stringify(name));
    assert.equal(tryFoldTopicName(name), undefined);
  }
});

test('an error repeats only the start of a huge name', () => {
  assert.throws(
    () => foldTopicName('x'.repeat(5_000_000)),
    (error: unknown) => error instanceof MillraceError && error.message.length < 250,
  );
});

test('any string: folding twice is folding once, or both ways of asking refuse', () => {
  const char = fc.constantFrom('a', 'B', '7', '_', '-', '.', '/', ' ', 'ä', '\0');
  fc.assert(
    fc.property(fc.string({ unit: char, maxLength: 12 }), (name) => {
      const folded = tryFoldTopicName(name);
      if (folded === undefined) return assert.throws(() => foldTopicName(name), { code: 'MODEL_TOPIC_NAME_INVALID' });
      assert.equal(foldTopicName(name), folded);
      assert.equal(foldTopicName(folded), folded);
      assert.equal(foldTopicName(topicPath(folded)), folded);
      assert.doesNotMatch(folded, /^\.|\.\.|\.$|\//);
    }),
  );
});
