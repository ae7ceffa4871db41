/**
 * Proves for the primitive types: round trips over the whole range, published examples of the encodings, and that
 * lengths and counts are refused before anything is read or allocated for them.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MAX_ELEMENTS, Reader, ZERO_UUID } from './reader.ts';
import { uvarintSize, Writer } from './writer.ts';

/** Writes with one method, reads with its counterpart, from a buffer that has to grow on the way. */
function roundTrip<T>(write: (writer: Writer) => void, read: (reader: Reader) => T): T {
  const writer = new Writer(1);
  write(writer);
  const reader = new Reader(writer.written());
  const value = read(reader);
  assert.equal(reader.remaining, 0);
  return value;
}

function encoded(write: (writer: Writer) => void): string {
  const writer = new Writer(1);
  write(writer);
  return writer.written().toString('hex');
}

const readerOf = (hex: string): Reader => new Reader(Buffer.from(hex, 'hex'));

function check<T>(values: fc.Arbitrary<T>, write: (w: Writer, v: T) => void, read: (r: Reader) => T): void {
  fc.assert(
    fc.property(values, (v) =>
      assert.deepEqual(
        roundTrip((w) => write(w, v), read),
        v,
      ),
    ),
  );
}

describe('numbers', () => {
  it('round trip', () => {
    check(
      fc.integer({ min: -0x80, max: 0x7f }),
      (w, v) => w.int8(v),
      (r) => r.int8(),
    );
    check(
      fc.integer({ min: 0, max: 0xff }),
      (w, v) => w.int8(v),
      (r) => r.uint8(),
    );
    check(
      fc.integer({ min: -0x8000, max: 0x7fff }),
      (w, v) => w.int16(v),
      (r) => r.int16(),
    );
    check(
      fc.integer({ min: 0, max: 0xffff }),
      (w, v) => w.int16(v),
      (r) => r.uint16(),
    );
    check(
      fc.integer(),
      (w, v) => w.int32(v),
      (r) => r.int32(),
    );
    check(
      fc.nat({ max: 0xffff_ffff }),
      (w, v) => w.int32(v),
      (r) => r.uint32(),
    );
    check(
      fc.maxSafeInteger(),
      (w, v) => w.int64(v),
      (r) => r.int64(),
    );
    check(
      fc.nat({ max: 0xffff_ffff }),
      (w, v) => w.uvarint(v),
      (r) => r.uvarint(),
    );
    check(
      fc.integer(),
      (w, v) => w.varint(v),
      (r) => r.varint(),
    );
    check(
      fc.boolean(),
      (w, v) => w.boolean(v),
      (r) => r.boolean(),
    );
  });

  it('varints are those of the Protocol Buffers guide', () => {
    assert.equal(
      encoded((w) => w.uvarint(150)),
      '9601',
    );
    assert.deepEqual(
      [0, -1, 1, -2, 0x7fff_ffff, -0x8000_0000].map((v) => encoded((w) => w.varint(v))),
      ['00', '01', '02', '03', 'feffffff0f', 'ffffffff0f'],
    );
    for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 21 - 1, 2 ** 21, 2 ** 28 - 1, 2 ** 28, 2 ** 32 - 1]) {
      assert.equal(uvarintSize(value), encoded((w) => w.uvarint(value)).length / 2);
    }
  });

  it('a varint past 32 bits is malformed, a cut one truncated', () => {
    assert.equal(readerOf('ffffffff0f').uvarint(), 0xffff_ffff);
    assert.throws(() => readerOf('ffffffff10').uvarint(), { code: 'WIRE_MALFORMED' });
    assert.throws(() => readerOf('ffffffffff01').uvarint(), { code: 'WIRE_MALFORMED' });
    assert.throws(() => readerOf('ffff').uvarint(), { code: 'WIRE_TRUNCATED' });
  });

  it('an int64 past 2^53 reads as NaN, which is not written again', () => {
    assert.throws(() => new Writer().int64(Number.NaN), { code: 'WIRE_MALFORMED' });
    assert.ok(Number.isNaN(readerOf('7fffffffffffffff').int64()));
    assert.equal(readerOf('ffffffffffffffff').int64(), -1);
  });
});

describe('strings and bytes', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 });

  it('strings round trip in all four forms', () => {
    fc.assert(
      fc.property(text, fc.boolean(), (value, isNull) => {
        assert.equal(
          roundTrip(
            (w) => w.string(value),
            (r) => r.string(),
          ),
          value,
        );
        assert.equal(
          roundTrip(
            (w) => w.compactString(value),
            (r) => r.compactString(),
          ),
          value,
        );
        const nullable = isNull ? null : value;
        assert.equal(
          roundTrip(
            (w) => w.nullableString(nullable),
            (r) => r.nullableString(),
          ),
          nullable,
        );
        assert.equal(
          roundTrip(
            (w) => w.compactNullableString(nullable),
            (r) => r.compactNullableString(),
          ),
          nullable,
        );
      }),
    );
  });

  it('bytes round trip in all four forms', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
        const expected = Buffer.from(value);
        assert.deepEqual(
          Buffer.from(
            roundTrip(
              (w) => w.bytes(value),
              (r) => r.bytes(),
            ),
          ),
          expected,
        );
        assert.deepEqual(
          Buffer.from(
            roundTrip(
              (w) => w.compactBytes(value),
              (r) => r.compactBytes(),
            ),
          ),
          expected,
        );
        assert.deepEqual(
          Buffer.from(
            roundTrip(
              (w) => w.nullableBytes(value),
              (r) => r.nullableBytes(),
            ) ?? [],
          ),
          expected,
        );
        const compact = roundTrip(
          (w) => w.compactNullableBytes(value),
          (r) => r.compactNullableBytes(),
        );
        assert.deepEqual(Buffer.from(compact ?? []), expected);
      }),
    );
    assert.equal(
      roundTrip(
        (w) => w.nullableBytes(null),
        (r) => r.nullableBytes(),
      ),
      null,
    );
    assert.equal(
      roundTrip(
        (w) => w.compactNullableBytes(null),
        (r) => r.compactNullableBytes(),
      ),
      null,
    );
  });

  it('compact lengths widen where characters take more than a byte', () => {
    for (const count of [41, 42, 43, 62, 63, 64, 125, 126, 127, 128, 5460, 5461, 5462, 8191, 8192, 16_382, 16_383]) {
      for (const char of ['a', 'é', '€', '😀']) {
        const value = char.repeat(count);
        const hex = encoded((w) => w.compactString(value));
        const size = Buffer.byteLength(value);
        assert.equal(hex.length / 2, size + uvarintSize(size + 1));
        assert.equal(readerOf(hex).compactString(), value);
      }
    }
  });

  it('byte fields are views over the input, not copies', () => {
    const source = Buffer.from('00000002aabb', 'hex');
    const view = new Reader(source).bytes();
    source[4] = 0x11;
    assert.equal(view[0], 0x11);
  });

  it('bytes that are not UTF-8 read as replacement characters, lone surrogates write as such', () => {
    assert.equal(readerOf('0002ff61').string(), '�a');
    assert.equal(
      encoded((w) => w.compactString('\ud800')),
      '04efbfbd',
    );
  });

  it('a string too long for its int16 is refused, not cut', () => {
    assert.throws(() => new Writer().string('x'.repeat(32_768)), { code: 'WIRE_MALFORMED' });
  });

  it('null and negative lengths where a value is due are malformed', () => {
    assert.throws(() => readerOf('ffff').string(), { code: 'WIRE_MALFORMED', message: /is null where/ });
    assert.throws(() => readerOf('fffe').nullableString(), { code: 'WIRE_MALFORMED', message: /negative length -2/ });
    assert.throws(() => readerOf('80000000').nullableBytes(), { code: 'WIRE_MALFORMED' });
    assert.throws(() => readerOf('ffffffff').bytes(), { code: 'WIRE_MALFORMED' });
    assert.throws(() => readerOf('00').compactString(), { code: 'WIRE_MALFORMED' });
    assert.throws(() => readerOf('00').compactBytes(), { code: 'WIRE_MALFORMED' });
  });

  it('lengths beyond the end are truncated, and nothing moves', () => {
    for (const hex of ['000361', '7fff']) {
      const reader = readerOf(hex);
      assert.throws(() => reader.string(), { code: 'WIRE_TRUNCATED' });
      assert.equal(reader.position, 2);
    }
    assert.throws(() => readerOf('7fffffff00').bytes(), { code: 'WIRE_TRUNCATED' });
    assert.throws(() => readerOf('ffffffff0f00').compactBytes(), { code: 'WIRE_TRUNCATED' });
  });

  it('a range inside a larger buffer ends where it says', () => {
    const reader = new Reader(Buffer.from('0003616263ffff', 'hex'), 0, 4);
    assert.throws(() => reader.string(), { code: 'WIRE_TRUNCATED' });
  });
});

describe('uuids', () => {
  it('are 32 hex digits', () => {
    const id = '0123456789abcdef0123456789abcdef';
    assert.equal(
      roundTrip(
        (w) => w.uuid(id),
        (r) => r.uuid(),
      ),
      id,
    );
    assert.equal(
      roundTrip(
        (w) => w.uuid(ZERO_UUID),
        (r) => r.uuid(),
      ),
      ZERO_UUID,
    );
    for (const bad of ['', 'x'.repeat(32), '01234567-89ab-cdef-0123-456789abcdef', `${id}00`]) {
      assert.throws(() => new Writer().uuid(bad), { code: 'WIRE_MALFORMED' });
    }
  });
});

describe('arrays', () => {
  it('null, empty, full', () => {
    assert.equal(readerOf('ffffffff').arrayLength(1), -1);
    assert.equal(readerOf('00').compactArrayLength(1), -1);
    assert.equal(readerOf('00000000').arrayLength(9), 0);
    assert.equal(readerOf('020000').compactArrayLength(2), 1);
    assert.equal(
      encoded((w) => w.arrayLength(-1)),
      'ffffffff',
    );
    assert.equal(
      encoded((w) => w.compactArrayLength(-1)),
      '00',
    );
  });

  it('counts that cannot fit into what is left are refused', () => {
    assert.throws(() => readerOf('000000030000').arrayLength(1), {
      code: 'WIRE_TRUNCATED',
      message: /announces 3 elements/,
    });
    assert.throws(() => readerOf('000000020000').arrayLength(2), { code: 'WIRE_TRUNCATED' });
    assert.throws(() => readerOf('7fffffff').arrayLength(1), { code: 'WIRE_TRUNCATED' });
    assert.throws(() => readerOf('ffffffff0f').compactArrayLength(1), { code: 'WIRE_TRUNCATED' });
    assert.throws(() => readerOf('fffffffe').arrayLength(1), {
      code: 'WIRE_MALFORMED',
      message: /negative element count/,
    });
  });

  it('all arrays of a message share one budget of elements, renewed by reset', () => {
    const bytes = Buffer.alloc(MAX_ELEMENTS + 8);
    bytes.writeInt32BE(MAX_ELEMENTS, 0);
    const reader = new Reader(bytes);
    assert.equal(reader.arrayLength(1), MAX_ELEMENTS);
    reader.position = 0;
    assert.throws(() => reader.arrayLength(1), { code: 'WIRE_MALFORMED', message: /array elements/ });
    assert.equal(reader.reset(bytes).arrayLength(1), MAX_ELEMENTS);
  });
});

describe('tags', () => {
  it('are skipped whole', () => {
    const reader = readerOf('0200020102030100ff');
    reader.skipTags();
    assert.equal(reader.position, 8);
    assert.throws(() => readerOf('ffffffff0f').skipTags(), { code: 'WIRE_TRUNCATED' });
    assert.throws(() => readerOf('0100ffffffff0f').skipTags(), { code: 'WIRE_TRUNCATED' });
  });

  it('sizes are put in front of what was written', () => {
    for (const size of [0, 1, 127, 128, 20_000]) {
      const hex = encoded((w) => {
        w.int8(0x7a);
        const start = w.position;
        w.raw(Buffer.alloc(size, 0x62));
        w.prefixSize(start);
      });
      const reader = readerOf(hex);
      assert.equal(reader.int8(), 0x7a);
      assert.equal(reader.uvarint(), size);
      assert.deepEqual(Buffer.from(reader.view(size)), Buffer.alloc(size, 0x62));
    }
  });
});

describe('the writer', () => {
  it('stops at its limit instead of growing', () => {
    const writer = new Writer(4, 10);
    writer.raw(Buffer.alloc(10));
    assert.throws(() => writer.int8(1), { code: 'WIRE_FRAME_TOO_LARGE' });
    assert.equal(writer.position, 10);
  });

  it('detaches what was written', () => {
    const writer = new Writer(4);
    writer.int32(1);
    const taken = writer.detach(4);
    writer.int32(2);
    assert.equal(taken.readInt32BE(0), 1);
    assert.equal(writer.position, 4);
  });
});
