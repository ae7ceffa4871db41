/**
 * Proves that the scan takes exactly the texts that JSON.parse takes (but for depth), gives back values character by
 * character, and stays linear and flat on hostile text.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { MillraceError } from '../../base/errors.ts';
import { JsonScan } from './json-scan.ts';

function scans(text: string): boolean {
  try {
    const scan = new JsonScan(text);
    const value = scan.value();
    scan.finish();
    assert.equal(value, text.replaceAll(/^[\t\n\r ]+|[\t\n\r ]+$/g, ''));
    return true;
  } catch (error) {
    if (error instanceof MillraceError) {
      assert.equal(error.code, 'HTTP_JSON_INVALID');
      return false;
    }
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test('every JSON text passes, with any white space', () => {
  const spaced = fc
    .tuple(fc.json(), fc.nat(4))
    .map(([text, indent]) => ` \n${JSON.stringify(JSON.parse(text), null, indent)}\t\r`);
  fc.assert(fc.property(spaced, (text) => assert.ok(scans(text), text)));
});

test('agrees with JSON.parse on text that is nearly JSON', () => {
  const alphabet = [
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '\\',
    'u',
    '0',
    '1',
    '-',
    '.',
    'e',
    'E',
    '+',
    'true',
    'null',
    'fals',
    ' ',
    '\n',
    'é',
    '\u0001',
    '/',
  ];
  const soup = fc.array(fc.constantFrom(...alphabet), { maxLength: 14 }).map((parts) => parts.join(''));
  const damaged = fc.tuple(fc.json(), fc.nat(), fc.constantFrom(...alphabet, '')).map(([text, at, put]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + put + text.slice(place + 1);
  });
  fc.assert(
    fc.property(fc.oneof(soup, damaged), (text) => assert.equal(scans(text), parses(text), text)),
    { numRuns: 5000 },
  );
});

test('text keeps what parsing would change', () => {
  for (const text of ['12345678901234567890', '1.0', '-0', '1e400', '{"b":1,"a":2,"b":3}', '"\\u00e9\\/"']) {
    assert.equal(new JsonScan(text).value(), text);
  }
});

test('object and array visit each member and element once', () => {
  const scan = new JsonScan(' { "a" : [1, {"x":[]}, "t"] , "\\u0062" : null } ');
  const seen: string[] = [];
  scan.object((name) => {
    if (name === 'a') for (const _ of scan.elements()) seen.push(scan.value());
    else seen.push(`${name}=${scan.value()}`);
  });
  scan.finish();
  assert.deepEqual(seen, ['1', '{"x":[]}', '"t"', 'b=null']);
});

test('a refusal names line and column', () => {
  const scan = new JsonScan('{"a": 1,\n "b": nope}');
  assert.throws(
    () => scan.value(),
    (error: MillraceError) => {
      assert.deepEqual(error.details, { line: 2, column: 7, position: 15 });
      assert.match(error.message, /line 2, column 7: expected a value, found "n"/);
      return true;
    },
  );
});

test('deep nesting is refused, deep text costs nothing', { timeout: 20_000 }, () => {
  assert.ok(scans(`${'['.repeat(512)}1${']'.repeat(512)}`));
  assert.ok(!scans('['.repeat(8_000_000)));
  assert.ok(!scans('{"a":'.repeat(2_000_000)));
});

test('long strings, closed or not, end in linear time', { timeout: 20_000 }, () => {
  const plain = 'x'.repeat(8_000_000);
  const escapes = '\\n'.repeat(4_000_000);
  assert.ok(scans(`"${plain}"`));
  assert.ok(scans(`"${escapes}"`));
  assert.ok(!scans(`"${plain}`));
  assert.ok(!scans(`"${escapes}`));
  assert.ok(!scans(`"${escapes}\\`));
});

test('a scan inside a text never looks beyond its end', () => {
  const text = '{"a":1}\n{"b":2}';
  const scan = new JsonScan(text, 0, 7);
  assert.equal(scan.value(), '{"a":1}');
  scan.finish();
  assert.throws(() => new JsonScan('12', 0, 1).finish());
  assert.equal(new JsonScan('12', 0, 1).value(), '1');
});
