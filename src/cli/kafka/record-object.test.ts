/** Record objects say the same here as over HTTP: the HTTP listener's own reader is the other opinion. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { jsonRecords } from '../../listeners/http/record-input.ts';
import { parseRecordObject, type RecordObject } from './record-object.ts';

function bytes(field: Uint8Array | string | null): Buffer | null {
  return field === null ? null : Buffer.from(field);
}

function overHttp(json: string): RecordObject {
  const [record] = jsonRecords(json, 'json');
  assert.ok(record !== undefined);
  return { ...record, key: bytes(record.key), value: bytes(record.value) };
}

function text(field: Uint8Array | string | null | undefined): string | null {
  return field == null ? null : Buffer.from(field).toString('hex');
}

function plain(record: RecordObject): unknown {
  const headers = record.headers.map(({ key, value }) => [key, text(value)]);
  return { ...record, key: text(record.key), value: text(record.value), headers };
}

test('values keep their text, whatever stands around them', () => {
  for (const json of [
    '{"value":12345678901234567890.50}',
    ' { "key" : "k" , "value" : { "a" : [ 1.0 , "}]," , {} ] } , "partition" : 3 } ',
    '{"value":"a\\"b\\u00e9"}',
    '{"value":[],"headers":{"a":"b","c":null}}',
    '{"value":null,"headers":[{"name":"n","valueBase64":"/wA="},{"name":"n","value":"x"},{"name":"o"}]}',
    '{"valueBase64":"/wA=","keyBase64":"AA==","timestamp":5,"topic":"t","offset":9}',
    '{"value":true,"timestamp":"2026-01-01T00:00:00Z","key":null}',
    '{"\\u0076alue":1e5}',
  ]) {
    assert.deepEqual(plain(parseRecordObject(json)), plain(overHttp(json)), json);
  }
});

test('property: any JSON as value comes out as its text', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), fc.nat(3), (value, key, spaces) => {
      const json = JSON.stringify({ key, value, headers: { h: key } }, null, spaces);
      assert.deepEqual(plain(parseRecordObject(json)), plain(overHttp(json)));
    }),
    { numRuns: 300 },
  );
});

test('what is wrong is said', () => {
  for (const [json, message] of [
    ['{}', /no value/],
    ['{"value":1,"valueText":"x"}', /value twice/],
    ['{"value":1,"mistake":2}', /unknown member "mistake"/],
    ['{"value":1,"key":5}', /key that is no string/],
    ['{"value":1,"partition":-1}', /partition/],
    ['{"value":1,"timestamp":"soon"}', /timestamp/],
    ['{"value":1,"headers":{"a":1}}', /header that is no string/],
  ] as const) {
    assert.throws(() => parseRecordObject(json), { code: 'MODEL_RECORD_INVALID', message });
  }
});
