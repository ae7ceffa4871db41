/** Proves what record objects may say, that their values are kept as sent, and how each wrong one is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import type { MillraceError } from '../../base/errors.ts';
import { bodyText, jsonRecords, ndjsonRecords, type ProducedRecord, type ValueFormat } from './record-input.ts';

function json(text: string, format: ValueFormat = 'json'): ProducedRecord[] {
  return [...jsonRecords(text, format)];
}

function ndjson(text: string): ProducedRecord[] {
  return [...ndjsonRecords(text, 'json')];
}

function refused(run: () => unknown): MillraceError {
  try {
    run();
  } catch (error) {
    return error as MillraceError;
  }
  return assert.fail('nothing was refused');
}

test('a value is stored as the text that was sent', () => {
  for (const value of ['1.0', '12345678901234567890', '{"b" : 1, "a":[ ]}', '"\\u00e9"', 'true', '[]']) {
    assert.equal(json(`{"value": ${value} }`)[0]?.value, value);
  }
  fc.assert(
    fc.property(fc.json(), (value) =>
      assert.equal(json(`{"value":${value}}`)[0]?.value, value === 'null' ? null : value),
    ),
  );
});

test('all members', () => {
  const [record] = json(
    '{"topic":"t","offset":3,"partition":2,"timestamp":"1970-01-01T00:00:01Z","keyBase64":"AP8","valueText":"\\u00e9","headers":[{"name":"n","valueBase64":"/w=="},{"name":"n"},{"value":"x","name":""}]}',
  );
  assert.deepEqual(record, {
    partition: 2,
    timestamp: 1000,
    key: Buffer.from([0, 255]),
    value: 'é',
    headers: [
      { key: 'n', value: Buffer.from([255]) },
      { key: 'n', value: null },
      { key: '', value: 'x' },
    ],
  });
});

test('headers as an object keep their order', () => {
  assert.deepEqual(json('{"value":1,"headers":{"b":"1","a":null}}')[0]?.headers, [
    { key: 'b', value: '1' },
    { key: 'a', value: null },
  ]);
});

test('null is a tombstone, and every other null too', () => {
  assert.deepEqual(json('{"value":null,"key":null,"partition":null}')[0], {
    partition: undefined,
    timestamp: undefined,
    key: null,
    value: null,
    headers: [],
  });
});

test('format=text takes the string itself', () => {
  assert.equal(json('{"value":"a\\nb"}', 'text')[0]?.value, 'a\nb');
  assert.match(refused(() => json('{"value":1}', 'text')).message, /value is 1; expected a string or null/);
});

test('arrays and lines keep the order of their records', () => {
  assert.deepEqual(
    json('[{"value":1},{"value":2}]').map((record) => record.value),
    ['1', '2'],
  );
  assert.deepEqual(json('[]'), []);
  assert.deepEqual(
    ndjson('{"value":1}\n\n  \r\n{"value":"\\n"}\r\n{"value":3}').map((record) => record.value),
    ['1', '"\\n"', '3'],
  );
  assert.deepEqual(ndjson(''), []);
});

const REFUSALS: readonly (readonly [string, RegExp])[] = [
  ['1', /the record is 1; expected an object/],
  ['[1]', /records\[0\] is 1/],
  ['{}', /the record has no value/],
  ['{"value":1,"value":2}', /gives its value twice, the second time as value/],
  ['{"value":1,"valueText":"x"}', /gives its value twice, the second time as valueText/],
  ['{"value":1,"vlaue":2}', /unknown member "vlaue"; known: value, valueText/],
  ['{"value":1,"__proto__":2}', /unknown member "__proto__"/],
  ['{"value":1,"key":7}', /key is 7; expected a string or null/],
  ['{"valueBase64":"a"}', /valueBase64 is not base64: "a"/],
  ['{"valueBase64":"AA A"}', /not base64/],
  ['{"value":1,"partition":-1}', /partition is -1; expected a partition number from 0/],
  ['{"value":1,"partition":3000000000}', /partition is 3000000000/],
  ['{"value":1,"partition":1.5}', /partition is 1.5/],
  ['{"value":1,"timestamp":1e3}', /timestamp is 1e3; expected milliseconds/],
  ['{"value":1,"timestamp":99999999999999999999}', /timestamp is 9999/],
  ['{"value":1,"timestamp":"2026-11-20T10:00:00"}', /with a zone/],
  ['{"value":1,"headers":3}', /headers is 3; expected/],
  ['{"value":1,"headers":[3]}', /headers\[0\] is 3/],
  ['{"value":1,"headers":[{"value":"x"}]}', /headers\[0\] has no name/],
  ['{"value":1,"headers":[{"name":"n","value":"x","valueBase64":""}]}', /headers\[0\] gives its value twice/],
  ['{"value":1,"headers":{"n":[]}}', /headers.n is \[\]/],
  ['{"valueText":"\\ud800"}', /half of a surrogate pair/],
  ['{"value":1,"key":"\\udc00x"}', /half of a surrogate pair/],
];

for (const [text, message] of REFUSALS) {
  test(`refuses ${text}`, () => {
    const error = refused(() => json(text));
    assert.equal(error.code, 'HTTP_REQUEST_INVALID');
    assert.match(error.message, message);
  });
}

test('bad JSON is refused with its place in the whole body', () => {
  assert.deepEqual(refused(() => ndjson('{"value":1}\n{"value":}\n')).details, { line: 2, column: 10, position: 21 });
  assert.equal(refused(() => ndjson('{"value":1} x')).code, 'HTTP_JSON_INVALID');
  assert.equal(refused(() => json('{"value":1}{')).code, 'HTTP_JSON_INVALID');
  assert.equal(refused(() => ndjson('{"value":"a\nb"}')).code, 'HTTP_JSON_INVALID');
  assert.match(refused(() => ndjson('{"value":1}\n5')).message, /line 2 is 5/);
  assert.equal(refused(() => bodyText(Buffer.from([0x22, 0xff, 0x22]))).code, 'HTTP_JSON_INVALID');
});

test('whatever comes in, only our errors come out', () => {
  const soup = fc.array(
    fc.constantFrom('{', '}', '[', ']', '"value"', '"key"', '"headers"', ':', ',', '1', 'null', '"\\ud800"', '"', '\n'),
  );
  fc.assert(
    fc.property(soup, (parts) => {
      for (const read of [json, ndjson]) {
        try {
          read(parts.join(''));
        } catch (error) {
          assert.match((error as MillraceError).code, /^HTTP_(JSON|REQUEST)_INVALID$/);
        }
      }
    }),
    { numRuns: 2000 },
  );
});
