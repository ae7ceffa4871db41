/** Proves that codecs bring values back, that schemas of three libraries check and transform, and that errors say where. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import * as fc from '../../test/kit/properties.ts';
import { decodePart, encodePart, json, nullable, raw, string } from './codec.ts';
import { msgpack } from './msgpack/index.ts';
import { encodeUtf8 } from './utf8.ts';

/** Readers of MessagePack refuse the key `__proto__`, which could change what every object inherits; tested below. */
const anyJson = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"__proto__":'));

test('property: JSON, MessagePack, text and bytes come back as they were', () => {
  fc.assert(
    fc.property(anyJson, fc.string({ unit: 'binary' }), fc.uint8Array(), (value, text, bytes) => {
      assert.deepEqual(json<unknown>().decode(json<unknown>().encode(value)), JSON.parse(JSON.stringify(value)));
      // JSON text and small integers of MessagePack have no negative zero.
      assert.deepEqual(msgpack<unknown>().decode(msgpack<unknown>().encode(value)), JSON.parse(JSON.stringify(value)));
      assert.equal(string().decode(string().encode(text)), text);
      assert.equal(raw().decode(raw().encode(bytes)), bytes);
    }),
  );
});

test('MessagePack keeps what JSON cannot: bytes, dates and 64-bit integers', () => {
  const value = { bytes: Uint8Array.of(1, 2), at: new Date(1_700_000_000_000), big: 2n ** 63n - 1n, float: 1.5 };
  assert.deepEqual(msgpack<typeof value>().decode(msgpack<typeof value>().encode(value)), value);
});

const schemas = {
  zod: z.object({ id: z.string(), total: z.number() }),
  valibot: v.object({ id: v.string(), total: v.number() }),
  arktype: type({ id: 'string', total: 'number' }),
};

for (const [library, schema] of Object.entries(schemas)) {
  test(`${library}: values are checked both ways, and errors name the place`, () => {
    const codec = json(schema);
    const bytes = encodePart(codec, 'value', { id: 'a', total: 1 });
    assert.deepEqual(decodePart(codec, 'value', bytes), { id: 'a', total: 1 });
    assert.throws(() => encodePart(codec, 'value', { id: 'a', total: 'x' } as never), {
      code: 'CLIENT_ENCODE_FAILED',
      message: /^The value cannot be written as json: .*total/,
      details: { part: 'value' },
    });
    assert.throws(() => decodePart(codec, 'key', encodeUtf8('{"id":1,"total":1}')), {
      code: 'CLIENT_DECODE_FAILED',
      message: /^The key cannot be read as json: .*id/,
    });
    assert.deepEqual(decodePart(msgpack(schema), 'value', msgpack(schema).encode({ id: 'a', total: 1 })), {
      id: 'a',
      total: 1,
    });
  });
}

test('a schema that transforms: the input travels, the reader gets the output', () => {
  const codec = json(z.object({ at: z.iso.datetime().transform((text) => new Date(text)) }));
  const bytes = codec.encode({ at: '2026-01-02T03:04:05Z' });
  assert.equal(Buffer.from(bytes).toString(), '{"at":"2026-01-02T03:04:05Z"}');
  assert.equal(codec.decode(bytes).at.getTime(), Date.UTC(2026, 0, 2, 3, 4, 5));
});

test('what cannot be written or read is refused with its reason', () => {
  const asynchronous = z.string().refine(async () => true);
  const cases: [() => unknown, RegExp][] = [
    [() => decodePart(json(asynchronous), 'value', encodeUtf8('"x"')), /asynchronously/],
    [() => decodePart(json<unknown>(), 'value', encodeUtf8('{"cut')), /cannot be read as json/],
    [() => decodePart(string(), 'value', Uint8Array.of(0xff)), /cannot be read as string/],
    [() => decodePart(msgpack<unknown>(), 'value', Uint8Array.of(0xc1)), /cannot be read as msgpack/],
    [() => decodePart(msgpack(), 'value', msgpack().encode(JSON.parse('{"__proto__":1}'))), /__proto__ is not allowed/],
    [() => decodePart(string(), 'value', null), /tombstone.*nullable/],
    [() => encodePart(json<unknown>(), 'value', undefined), /undefined has no JSON form/],
    [() => encodePart(string(), 'key', 7 as never), /expected a string, got number/],
  ];
  for (const [run, message] of cases) assert.throws(run, { name: 'MillraceError', message });
});

test('text with half a character is refused, and not altered', () => {
  assert.throws(() => encodePart(string(), 'value', 'a\ud800'), { code: 'CLIENT_ENCODE_FAILED', message: /surrogate/ });
  assert.equal(decodePart(string(), 'value', encodePart(string(), 'value', '\ud83c\udf0d')), '🌍');
});

test('nullable lets tombstones through in both directions', () => {
  const codec = nullable(json<{ n: number }>());
  assert.equal(encodePart(codec, 'value', null), null);
  assert.equal(decodePart(codec, 'value', null), null);
  assert.deepEqual(decodePart(codec, 'value', encodePart(codec, 'value', { n: 1 })), { n: 1 });
});
