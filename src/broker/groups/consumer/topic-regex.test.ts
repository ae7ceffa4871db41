/**
 * Proves: patterns match whole names as JavaScript's expressions do where both have the syntax (random patterns and
 * names), what cannot be supported is refused with its place, and no pattern takes long, to parse or to match.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../../test/kit/properties.ts';
import { RegexError } from './regex-program.ts';
import { TopicRegex } from './topic-regex.ts';

function matches(pattern: string, ...names: string[]): string[] {
  const parsed = TopicRegex.parse(pattern);
  return names.filter((name) => parsed.test(name));
}

test('whole names, in every kind of syntax', () => {
  assert.deepEqual(matches('orders', 'orders', 'orders2', 'my-orders', ''), ['orders']);
  assert.deepEqual(matches('^orders.*', 'orders', 'orders2', 'my-orders'), ['orders', 'orders2']);
  assert.deepEqual(matches('.*', 'a', ''), ['a', '']);
  assert.deepEqual(matches('', 'a', ''), ['']);
  assert.deepEqual(matches('a|b|', 'a', 'b', '', 'ab'), ['a', 'b', '']);
  assert.deepEqual(matches('(a|b)+c?', 'ab', 'abc', 'c', 'abcc'), ['ab', 'abc']);
  assert.deepEqual(matches('[a-c_.-]+', 'a.b-c_', 'd'), ['a.b-c_']);
  assert.deepEqual(matches('[^a-c]', 'a', 'd'), ['d']);
  assert.deepEqual(matches('[]a]+', 'a]', 'b'), ['a]']);
  assert.deepEqual(matches('\\d+\\w\\s\\D\\W\\S', '12x y-z', '1'), ['12x y-z']);
  assert.deepEqual(matches('[[:alpha:]]+[[:^digit:]]', 'ab-', 'ab1'), ['ab-']);
  assert.deepEqual(matches('a\\.b', 'a.b', 'axb'), ['a.b']);
  assert.deepEqual(matches('\\x61\\x{62}', 'ab'), ['ab']);
  assert.deepEqual(matches('\\Qa.b\\E+', 'a.b', 'a.bb', 'axb'), ['a.b', 'a.bb']);
  assert.deepEqual(matches('\\Q\\Ea\\Qb', 'ab'), ['ab']);
  assert.deepEqual(matches('\\Qa.b\\Ec', 'a.bc', 'axbc'), ['a.bc']);
  assert.deepEqual(matches('x{2}y{1,}z{0,2}', 'xxyyzz', 'xyz', 'xxyzzz'), ['xxyyzz']);
  assert.deepEqual(matches('x{,2}', 'x{,2}', 'xx'), ['x{,2}']);
  assert.deepEqual(matches('(?i)Or(?-i)D', 'orD', 'ORD', 'ord'), ['orD', 'ORD']);
  assert.deepEqual(matches('(?i:[a-b])c', 'Ac', 'AC'), ['Ac']);
  assert.deepEqual(matches('(?P<n>a)(?<m>b)(?:c)', 'abc'), ['abc']);
  assert.deepEqual(matches('\\Aa+?\\z', 'aa'), ['aa']);
  assert.deepEqual(matches('a$b|^c', 'a', 'ab', 'c'), ['c']);
  assert.deepEqual(matches('(^a|b$)*', 'a', 'b', 'ab', ''), ['a', 'b', 'ab', '']);
  assert.deepEqual(matches('.', '\n', 'x'), ['x']);
  assert.deepEqual(matches('(?s).', '\n'), ['\n']);
  assert.deepEqual(matches('[\\d-x]+', '1-x'), ['1-x']);
});

test('what is refused', () => {
  const cases = ['(', ')', '[', '[a', '*', 'a**', 'a++', '(?=a)', '(?!a)', '(?<=a)', '(?m)a', '\\1', '\\b', '\\pL'];
  cases.push('\\p{Greek}', 'a{2,1}', 'a{1001}', '[b-a]', '[[:nope:]]', '\\', '\\x', '\\xg0', '(?P=n)', '(?', '\\C');
  cases.push('(a{1000}){1000}', '('.repeat(101), 'a'.repeat(4_097), '😀', '[😀]', '\\x{1F600}', '[\\d-z-a]');
  for (const pattern of cases) assert.throws(() => TopicRegex.parse(pattern), RegexError, pattern.slice(0, 30));
});

test('patterns that make others run for ever take no time here', { timeout: 60_000 }, () => {
  for (const pattern of ['(a+)+b', '(a*)*b', '(a|a)*b', '(a|aa)+$b', '((a?){50}){10}b', '(.*a){20}']) {
    assert.equal(TopicRegex.parse(pattern).test(`${'a'.repeat(240)}!`), false, pattern);
  }
  // As many states as the subset construction can be made to have: the bound holds and the answer is right.
  const pattern = TopicRegex.parse('[ab]*a[ab]{15}');
  for (let i = 0; i < 3_000; i++) {
    const name = (i * 7_919).toString(2).padStart(40, '1').replaceAll('0', 'b').replaceAll('1', 'a');
    assert.equal(pattern.test(name), name.at(-16) === 'a', name);
  }
});

test('agrees with the platform on whole matches', () => {
  const atom = fc.constantFrom('a', 'b', 'c', '.', '\\.', '[ab]', '[^a]', '\\d', '\\w', '-');
  const { pattern } = fc.letrec<{ pattern: string; part: string }>((tie) => ({
    pattern: fc
      .array(fc.array(tie('part'), { maxLength: 3 }), { minLength: 1, maxLength: 2 })
      .map((options) => options.map((parts) => parts.join('')).join('|')),
    part: fc
      .tuple(
        fc.oneof(
          { maxDepth: 3 },
          atom,
          tie('pattern').map((inner) => `(${inner})`),
        ),
        fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,2}', '*?'),
      )
      .map(([body, suffix]) => body + suffix),
  }));
  const names = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', '1', '-'), maxLength: 6 }), {
    maxLength: 10,
  });
  fc.assert(
    fc.property(pattern, names, (text, candidates) => {
      const ours = TopicRegex.parse(text);
      const theirs = new RegExp(`^(?:${text})$`);
      for (const name of candidates) assert.equal(ours.test(name), theirs.test(name), `${text} on ${name}`);
    }),
    { numRuns: 500 },
  );
});

test('nothing but RegexError comes out of any text', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'ab(){}[]|*+?.\\^$-:,19QExdPi<>='.split('')), maxLength: 30 }),
      (text) => {
        try {
          TopicRegex.parse(text).test('ab1');
        } catch (error) {
          assert.ok(error instanceof RegexError, `${text}: ${String(error)}`);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
