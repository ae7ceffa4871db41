/** Proves what lines of input become: text stays text, bytes stay bytes, JSON values keep every digit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LineFormat, lineConverter } from './record-lines.ts';

const PLAIN: LineFormat = { ndjson: false, key: undefined, keySeparator: undefined, headers: [], timestamp: undefined };

function convert(format: Partial<LineFormat>, line: string | Buffer): unknown {
  return JSON.parse(lineConverter({ ...PLAIN, ...format }, 'input')(Buffer.from(line), 1));
}

test('a line is a value', () => {
  assert.deepEqual(convert({}, '{"a": 1}'), { valueText: '{"a": 1}' });
  assert.deepEqual(convert({}, ''), { valueText: '' });
  assert.deepEqual(convert({}, Buffer.from([0xff, 0x00])), { valueBase64: '/wA=' });
});

test('keys, headers and timestamps are added', () => {
  const format = { key: 'k', headers: [['h', 'a=b']] as const, timestamp: 5 };
  assert.deepEqual(convert(format, 'v'), {
    key: 'k',
    valueText: 'v',
    headers: [{ name: 'h', value: 'a=b' }],
    timestamp: 5,
  });
});

test('a separator splits at its first occurrence; without it there is no key', () => {
  assert.deepEqual(convert({ keySeparator: '::' }, 'k::v::w'), { key: 'k', valueText: 'v::w' });
  assert.deepEqual(convert({ keySeparator: '::' }, 'v'), { valueText: 'v' });
  assert.deepEqual(convert({ keySeparator: ':' }, Buffer.from([0xff, 0x3a, 0x61])), {
    keyBase64: '/w==',
    valueText: 'a',
  });
});

test('objects go out as they came, but for strings, which mean their text', () => {
  const convertObject = lineConverter({ ...PLAIN, ndjson: true }, 'input');
  const exact = '{"key":"k","value":{"id": 12345678901234567890, "x":1.0}}';
  assert.equal(convertObject(Buffer.from(exact), 1), exact);
  assert.deepEqual(JSON.parse(convertObject(Buffer.from('{"value":"text","partition":1}'), 1)), {
    partition: 1,
    valueText: 'text',
  });
  assert.equal(convertObject(Buffer.from('{"value":null}'), 1), '{"value":null}');
});

test('a line that is no object is refused with its number', () => {
  const convertObject = lineConverter({ ...PLAIN, ndjson: true }, 'orders.json');
  for (const line of ['{', '[]', '17', 'null']) {
    assert.throws(() => convertObject(Buffer.from(line), 7), {
      code: 'MODEL_RECORD_INVALID',
      message: /^Line 7 of orders\.json/,
    });
  }
});
