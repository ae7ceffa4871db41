/**
 * Proves: varints equal an independent bigint implementation for every safe integer tried, sizes are exact, and whatever
 * is cut, too long or out of range reads as NaN.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { VarintReader, varintSize, writeVarint } from './varint.ts';

/** The definition, literally. */
function reference(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const edges = [0, 6, 7, 13, 14, 20, 21, 27, 28, 29, 30, 31, 32, 34, 35, 41, 48, 52].flatMap((bits) =>
  [-1, 0, 1].flatMap((near) => [2 ** bits + near, -(2 ** bits) + near]),
);
const anySafe = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.integer({ min: -200, max: 200 }),
  fc.constantFrom(...edges, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);

test('known bytes', () => {
  const known: [number, string][] = [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [300, 'd804'],
    [2 ** 31 - 1, 'feffffff0f'],
    [-(2 ** 31), 'ffffffff0f'],
  ];
  for (const [value, hex] of known) {
    const bytes = Buffer.alloc(10);
    assert.equal(bytes.subarray(0, writeVarint(bytes, 0, value)).toString('hex'), hex, String(value));
    assert.equal(new VarintReader(Buffer.from(hex, 'hex')).varint(), value);
  }
});

function agrees(value: number): void {
  const bytes = new Uint8Array(12);
  const end = writeVarint(bytes, 1, value);
  assert.deepEqual(bytes.subarray(1, end), reference(value));
  assert.equal(end - 1, varintSize(value));
  const reader = new VarintReader(bytes, 1);
  assert.equal(reader.varlong(), value);
  assert.equal(reader.position, end);
  const isInt32 = (value | 0) === value;
  assert.equal(new VarintReader(bytes, 1).varint(), isInt32 ? value : Number.NaN);
}

test('every edge and any safe integer: bytes, size and value agree with the definition', () => {
  for (const value of edges) agrees(value);
  fc.assert(fc.property(anySafe, agrees));
});

test('cut short at any byte reads as NaN', () => {
  fc.assert(
    fc.property(anySafe, (value) => {
      const bytes = reference(value);
      for (let end = 0; end < bytes.length; end++) {
        assert.equal(new VarintReader(bytes, 0, end).varlong(), Number.NaN);
        assert.equal(new VarintReader(bytes, 0, end).varint(), Number.NaN);
      }
    }),
  );
});

function read(hex: string): VarintReader {
  return new VarintReader(Buffer.from(hex, 'hex'));
}

test('beyond the safe integers, beyond 32 bits and overlong forms', () => {
  assert.equal(read('feffffffffffffffff01').varlong(), Number.NaN, '2^63 - 1');
  assert.equal(read('ffffffffffffffffff01').varlong(), Number.NaN, '-2^63');
  assert.equal(read('ffffffffffffffffffffff01').varlong(), Number.NaN, 'eleven bytes and more');
  assert.equal(read('8080808010').varint(), Number.NaN, '2^31 in the zig-zag form');
  assert.equal(read('808080808000').varint(), Number.NaN, 'six bytes');
  assert.equal(read('828000').varint(), 1, 'padding within the five bytes is accepted, as Kafka does');
});
