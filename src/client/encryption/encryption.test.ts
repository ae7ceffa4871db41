/**
 * Proves that what is encrypted comes back with its key and no other, that any change is noticed, that keys rotate, and that
 * the bytes are what the table in index.ts says, read here with Web Crypto. The cipher itself against a published value.
 */
import assert from 'node:assert/strict';
import { createCipheriv, randomBytes, webcrypto } from 'node:crypto';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import { connect, json, nullable, raw, string } from '../../sdk/index.ts';
import { encrypted, KeyRing } from './index.ts';

const KEY = Buffer.alloc(32, 7);
const OTHER = Buffer.alloc(32, 8);

function ringOf(current = 'k1'): KeyRing {
  return new KeyRing({ current, keys: { k1: KEY, k2: OTHER } });
}

test('the cipher gives the published value (GCM specification, test case 14)', () => {
  const cipher = createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12));
  assert.equal(
    Buffer.concat([cipher.update(Buffer.alloc(16)), cipher.final()]).toString('hex'),
    'cea7403d4d606b6e074ec5d3baf39d18',
  );
  assert.equal(cipher.getAuthTag().toString('hex'), 'd0d1c8a799996bf0265b98b5d48ab919');
});

test('a decoder of its own, by the table, reads it', async () => {
  const bytes = Buffer.from(encrypted(string(), ringOf(), { context: 'here' }).encode('hello'));
  assert.equal(bytes.subarray(0, 4).toString('hex'), '01026b31');
  assert.equal(bytes.length, 4 + 12 + 5 + 16);
  const key = await webcrypto.subtle.importKey('raw', KEY, 'AES-GCM', false, ['decrypt']);
  const additionalData = Buffer.concat([bytes.subarray(0, 4), Buffer.from('here')]);
  const plain = await webcrypto.subtle.decrypt(
    { name: 'AES-GCM', iv: bytes.subarray(4, 16), additionalData },
    key,
    bytes.subarray(16),
  );
  assert.equal(Buffer.from(plain).toString(), 'hello');
});

test('round trip of any value, and no two encryptions are alike unless asked for', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.boolean(), (value, context, deterministic) => {
      const codec = encrypted(raw(), ringOf(), { context, deterministic });
      const [a, b] = [codec.encode(value), codec.encode(value)];
      assert.deepEqual(new Uint8Array(codec.decode(a)), value);
      assert.equal(Buffer.compare(a, b) === 0, deterministic);
    }),
  );
});

test('every changed byte, every cut and another context are noticed', () => {
  const codec = encrypted(string(), ringOf(), { context: 'a' });
  const bytes = codec.encode('some text');
  for (let i = 0; i < bytes.length; i++) {
    const changed = Uint8Array.from(bytes);
    changed[i] = (changed[i] ?? 0) ^ 1;
    assert.throws(() => codec.decode(changed), `byte ${i}`);
    assert.throws(() => codec.decode(bytes.subarray(0, i)), `cut at ${i}`);
  }
  assert.throws(() => encrypted(string(), ringOf(), { context: 'b' }).decode(bytes), /another key or context/);
  assert.throws(() => codec.decode(Buffer.from('{"not":"encrypted"}')), /not encrypted in a form/);
});

test('bytes of anybody are refused, never anything else', () => {
  const codec = encrypted(raw(), ringOf());
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, begins) => {
      const hostile = begins ? Buffer.concat([Buffer.from('01026b31', 'hex'), bytes]) : bytes;
      assert.throws(() => codec.decode(hostile), Error);
    }),
  );
});

test('rotation: old values stay readable until their key is removed', async () => {
  await using client = await connect('memory://');
  const ring = new KeyRing({ current: 'k1', keys: { k1: KEY } });
  const value = nullable(encrypted(json<{ n: number }>(), ring));
  const key = encrypted(string(), ring, { deterministic: true });
  await using producer = await client.producer({ topic: 't', key, value });
  await producer.send({ key: 'a', value: { n: 1 } });
  ring.add('k2', randomBytes(32));
  ring.use('k2');
  assert.equal(ring.current, 'k2');
  await producer.send({ key: 'a', value: { n: 2 } });
  await producer.send({ key: 'a', value: null });
  const read = async (): Promise<unknown[]> => {
    await using consumer = await client.consumer({
      topics: 't',
      from: 'earliest',
      until: 'end',
      key,
      value,
      onUndecodable: 'skip',
    });
    const rows: unknown[] = [];
    for await (const record of consumer) rows.push([record.key, record.value]);
    return rows;
  };
  assert.deepEqual(await read(), [
    ['a', { n: 1 }],
    ['a', { n: 2 }],
    ['a', null],
  ]);
  assert.throws(() => ring.remove('k2'), { code: 'CLIENT_OPTION_INVALID' });
  ring.remove('k1');
  assert.deepEqual(await read(), [
    ['a', { n: 2 }],
    ['a', null],
  ]);
  await using strict = await client.consumer({ topics: 't', from: 'earliest', key, value });
  await assert.rejects(strict.next(), (error: { code?: string; cause?: { code?: string } }) => {
    assert.equal(error.code, 'CLIENT_DECODE_FAILED');
    assert.equal(error.cause?.code, 'CLIENT_KEY_UNKNOWN');
    return true;
  });
  await using plain = await client.consumer({
    topics: 't',
    from: 'earliest',
    until: 'end',
    key: raw(),
    value: nullable(raw()),
  });
  for await (const record of plain)
    assert.ok(!Buffer.from(record.value ?? []).includes('"n"'), 'nothing readable is stored');
});

test('keys of another length, unknown ids and ids too long are refused', () => {
  assert.throws(() => new KeyRing({ current: 'a', keys: { a: Buffer.alloc(16) } }), {
    code: 'CLIENT_OPTION_INVALID',
    message: /16 bytes/,
  });
  assert.throws(() => new KeyRing({ current: 'b', keys: { a: KEY } }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => new KeyRing({ current: '', keys: { '': KEY } }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => ringOf().add('x'.repeat(256), KEY), { code: 'CLIENT_OPTION_INVALID' });
});
