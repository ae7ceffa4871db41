/** Proves: published CRC-32C check values, and that the chosen and the portable implementation agree, also in pieces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { crc32c, crc32cPortable, crc32cRange } from './crc32c.ts';

/** RFC 3720, B.4. */
const published: [string, Uint8Array, number][] = [
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 ascending', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['32 descending', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ['123456789', new TextEncoder().encode('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(), 0],
];

for (const [name, bytes, expected] of published) {
  test(`check value of ${name}`, () => {
    assert.equal(crc32c(bytes), expected);
    assert.equal(crc32cPortable(bytes), expected);
  });
}

test('any bytes, cut anywhere: both implementations give the same, in one piece and in two', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      const whole = crc32c(bytes);
      assert.equal(crc32cPortable(bytes), whole);
      const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
      assert.equal(crc32c(second, crc32c(first)), whole);
      assert.equal(crc32cPortable(second, crc32cPortable(first)), whole);
      assert.equal(crc32cRange(bytes, first.length, bytes.length, crc32cRange(bytes, 0, first.length)), whole);
    }),
  );
});
