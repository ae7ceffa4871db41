/** Proves the rules of topic patterns, against a table and against a slow matcher, and that no pattern is slow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { TopicPattern } from './topic-pattern.ts';

const CASES: readonly (readonly [pattern: string, matching: readonly string[], others: readonly string[]])[] = [
  ['food', ['food'], ['foods', 'foo', 'food.eggs', 'Food']],
  ['food/*', ['food.eggs', 'food.e'], ['food', 'food.eggs.fried', 'drinks.food']],
  ['/food/*', ['food.eggs'], ['food']],
  ['food.*', ['food.eggs'], ['food.a.b']],
  ['food/**', ['food', 'food.eggs', 'food.eggs.fried'], ['foods', 'drinks.food']],
  ['**/eggs', ['eggs', 'food.eggs', 'a.b.eggs'], ['eggs.fried', 'myeggs']],
  ['a/**/z', ['a.z', 'a.b.z', 'a.b.c.z', 'a.z.z'], ['a', 'z', 'a.z.b']],
  ['**', ['a', 'a.b.c'], []],
  ['/**/*', ['a', 'a.b.c'], []],
  ['*', ['a', 'abc'], ['a.b']],
  ['e*s', ['es', 'eggs', 'esss'], ['eggz', 's']],
  ['*gg*', ['eggs', 'gg'], ['g', 'e.gg']],
  ['eg?s', ['eggs', 'eg1s'], ['egs', 'egggs']],
  ['eg[gx]s', ['eggs', 'egxs'], ['egys']],
  ['v[0-9]', ['v0', 'v9'], ['va', 'v10']],
  ['v[!0-9]', ['va'], ['v0', 'v']],
  ['a[b-]c', ['abc', 'a-c'], ['acc']],
  ['**/x*/**', ['x', 'xy', 'a.x.b', 'xa.b.c'], ['a', 'a.b']],
];

test('patterns match as the table says', () => {
  for (const [text, matching, others] of CASES) {
    const pattern = new TopicPattern(text);
    for (const name of matching) assert.equal(pattern.matches(name), true, `${text} matches ${name}`);
    for (const name of others) assert.equal(pattern.matches(name), false, `${text} does not match ${name}`);
  }
});

test('what is no pattern is refused with its place', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /level at position 0 is empty/],
    ['/', /level at position 1 is empty/],
    ['a//b', /level at position 2 is empty/],
    ['a/', /level at position 2 is empty/],
    ['/***', /"\*\*" at position 1 must be a whole level/],
    ['/**foo', /must be a whole level/],
    ['/foo**', /must be a whole level/],
    ['a[bc', /"\[" at position 1 is not closed/],
    ['a[b/c]', /is not closed in its level/],
    ['a[]', /is not closed|names no character/],
    ['a[!]', /names no character/],
    ['a[z-a]', /runs backwards/],
    ['a b', /character " " at position 1/],
    ['x'.repeat(500), /500 characters/],
  ];
  for (const [text, message] of refused) {
    assert.throws(
      () => new TopicPattern(text),
      (error) =>
        error instanceof MillraceError && error.code === 'MODEL_TOPIC_PATTERN_INVALID' && message.test(error.message),
      text,
    );
  }
});

/** The rules read off the definition, exponential and obvious. */
function slowly(levels: readonly string[], names: readonly string[]): boolean {
  const [level, ...rest] = levels;
  if (level === undefined) return names.length === 0;
  if (level === '**') return slowly(rest, names) || (names.length > 0 && slowly(levels, names.slice(1)));
  const [name, ...others] = names;
  return name !== undefined && slowlyLevel(level, name) && slowly(rest, others);
}

function slowlyLevel(level: string, name: string): boolean {
  if (level === '') return name === '';
  if (level.startsWith('*'))
    return slowlyLevel(level.slice(1), name) || (name !== '' && slowlyLevel(level, name.slice(1)));
  return name !== '' && (level[0] === '?' || level[0] === name[0]) && slowlyLevel(level.slice(1), name.slice(1));
}

function levelOf(alphabet: readonly string[]): fc.Arbitrary<string> {
  return fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 4 }).map((letters) => letters.join(''));
}

test('patterns match as the definition reads', () => {
  const level = levelOf(['a', 'b', '*', '?']).filter((text) => !text.includes('**'));
  const levels = fc.array(fc.oneof(fc.constant('**'), level), { minLength: 1, maxLength: 4 });
  const name = fc.array(levelOf(['a', 'b']), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(levels, name, (pattern, names) => {
      assert.equal(new TopicPattern(pattern.join('/')).matches(names.join('.')), slowly(pattern, names));
    }),
    { numRuns: 2000 },
  );
});

test('patterns that make backtracking matchers hang are answered', { timeout: 60_000 }, () => {
  const name = `${'a'.repeat(120)}.${'a'.repeat(120)}`;
  for (const text of [`${'*a'.repeat(120)}b`, `${'**/'.repeat(80)}b`, `**/${'*a'.repeat(100)}/b`]) {
    const pattern = new TopicPattern(text);
    for (let i = 0; i < 100; i++) assert.equal(pattern.matches(name), false);
  }
});
