/**
 * Proves: the readers and writers equal DataView for every value, 64-bit values that fit no double read as NaN, and decimal
 * digits are those of String.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import {
  asBuffer,
  MAX_DECIMAL_BYTES,
  readInt16,
  readInt32,
  readInt64,
  readUint16,
  readUint32,
  writeDecimal,
  writeInt64,
  writeUint16,
  writeUint32,
} from './bytes.ts';

const PAD = 3;

test('any eight bytes read as DataView reads them, at an odd position', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (eight) => {
      const bytes = new Uint8Array(PAD + 8);
      bytes.set(eight, PAD);
      const view = new DataView(bytes.buffer);
      assert.equal(readInt16(bytes, PAD), view.getInt16(PAD));
      assert.equal(readUint16(bytes, PAD), view.getUint16(PAD));
      assert.equal(readInt32(bytes, PAD), view.getInt32(PAD));
      assert.equal(readUint32(bytes, PAD), view.getUint32(PAD));
      const long = Number(view.getBigInt64(PAD));
      assert.equal(readInt64(bytes, PAD), Number.isSafeInteger(long) ? long : Number.NaN);
    }),
  );
});

test('writers are the inverse and touch nothing beside', () => {
  const bytes = new Uint8Array(PAD + 8 + PAD);
  const view = new DataView(bytes.buffer);
  const safe = fc.oneof(
    fc.maxSafeInteger(),
    fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), 2 ** 32 - 1, -(2 ** 32) - 1, 2 ** 53 - 1, -(2 ** 53) + 1),
  );
  fc.assert(
    fc.property(safe, (value) => {
      bytes.fill(0xaa);
      writeInt64(bytes, PAD, value);
      assert.equal(view.getBigInt64(PAD), BigInt(value));
      assert.equal(readInt64(bytes, PAD), value);
      assert.deepEqual([bytes[PAD - 1], bytes[PAD + 8]], [0xaa, 0xaa]);
    }),
  );
  fc.assert(
    fc.property(fc.integer(), (value) => {
      writeUint32(bytes, PAD, value);
      assert.equal(readInt32(bytes, PAD), value);
      assert.equal(readUint32(bytes, PAD), value >>> 0);
      writeUint16(bytes, PAD, value);
      assert.equal(readUint16(bytes, PAD), value & 0xffff);
    }),
  );
});

test('the ends of 64 bits are no numbers', () => {
  const bytes = new Uint8Array(8);
  for (const value of [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, -(2n ** 53n)]) {
    new DataView(bytes.buffer).setBigInt64(0, value);
    assert.equal(readInt64(bytes, 0), Number.NaN, String(value));
  }
});

test('asBuffer shares memory and keeps the window', () => {
  const bytes = Uint8Array.from([0, 1, 2, 3]).subarray(1, 3);
  const buffer = asBuffer(bytes);
  buffer[0] = 9;
  assert.deepEqual([bytes[0], buffer.length], [9, 2]);
  assert.equal(asBuffer(buffer), buffer);
});

test('numbers come out as String would have them, where they are to be', () => {
  const bytes = Buffer.alloc(3 + MAX_DECIMAL_BYTES);
  const numbers = [0, 99_999_999, 100_000_000, 100_000_001, 1_764_126_000_000, 2 ** 53 - 1];
  for (let power = 1; power < 2 ** 53; power *= 10) numbers.push(power, power - 1);
  for (const number of numbers) {
    const end = writeDecimal(bytes, 3, number);
    assert.equal(bytes.toString('latin1', 3, end), String(number));
  }
  assert.deepEqual([...bytes.subarray(0, 3)], [0, 0, 0]);
});
