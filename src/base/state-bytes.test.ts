/** State bytes come back as they went in; what is cut or wrong is refused with its place, and never allocated for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from './errors.ts';
import { PieceReader, StateReader, StateWriter } from './state-bytes.ts';

const value = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(65_535) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ kind: fc.constant('i32' as const), value: fc.integer() }),
  fc.record({ kind: fc.constant('i64' as const), value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant('varlong' as const), value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant('natural' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('bool' as const), value: fc.boolean() }),
  fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) }),
  fc.record({ kind: fc.constant('nullableString' as const), value: fc.option(fc.string()) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array() }),
);
type Value = typeof value extends fc.Arbitrary<infer T> ? T : never;

function write(values: readonly Value[]): Uint8Array {
  const writer = new StateWriter(1);
  for (const { kind, value: given } of values) {
    const method = kind === 'natural' ? 'varlong' : kind;
    (writer[method] as (given: unknown) => StateWriter).call(writer, given);
  }
  const bytes = writer.finish();
  assert.equal(writer.sizeBytes, bytes.length);
  return bytes;
}

function readAll(bytes: Uint8Array, values: readonly Value[]): void {
  const reader = new StateReader(bytes, 'the test');
  for (const one of values) {
    const read = reader[one.kind]();
    assert.deepEqual(
      read instanceof Uint8Array ? [...read] : read,
      one.value instanceof Uint8Array ? [...one.value] : one.value,
    );
  }
  assert.equal(reader.atEnd, true);
}

function isCorrupt(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'STORE_CORRUPT' && error.message.includes('the test');
}

test('whatever is written reads back, and no cut of it does', () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1 }), (values) => {
      const bytes = write(values);
      readAll(bytes, values);
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => readAll(bytes.subarray(0, length), values), isCorrupt);
      }
    }),
  );
});

test('what is longer than a piece is the same, lists that began in the piece before among it', () => {
  const writer = new StateWriter(1);
  const long = Buffer.alloc(700_000, 7);
  writer.list([1, 2, 3, 4], (one) => {
    writer.u32(one).list(['a', 'b'], (text) => writer.string(text).bytes(long));
  });
  const bytes = writer.finish();
  assert.ok(writer.pieces().length > 3);
  assert.deepEqual(Buffer.concat(writer.pieces()), Buffer.from(bytes));
  assert.equal(writer.sizeBytes, bytes.length);
  const reader = new StateReader(bytes, 'the test');
  const read = reader.list(() => [reader.u32(), reader.list(() => [reader.string(), reader.bytes().length])]);
  const pair = [
    ['a', long.length],
    ['b', long.length],
  ];
  assert.deepEqual(
    read,
    [1, 2, 3, 4].map((one) => [one, pair]),
  );
});

test('golden bytes', () => {
  const writer = new StateWriter().u8(1).u16(2).u32(3).i32(-1).i64(-2).bool(true).string('é').nullableString(null);
  writer.bytes(Uint8Array.of(9)).list([5, 6], (one) => writer.u8(one));
  const expected =
    '01' +
    '0002' +
    '00000003' +
    'ffffffff' +
    'fffffffffffffffe' +
    '01' +
    '00000002c3a9' +
    '00' +
    '0000000109' +
    '000000020506';
  assert.equal(Buffer.from(writer.finish()).toString('hex'), expected);
});

function* items(): Iterable<number> {
  yield* [1, 2, 3];
}

// A generator has neither length nor size: its list began with a count of 0.
test('lists of any iterable carry their count', () => {
  for (const list of [[1, 2, 3], new Set([1, 2, 3]), items()]) {
    const writer = new StateWriter(1);
    writer.list(list, (one) => writer.u32(one));
    const reader = new StateReader(writer.finish(), 'the test');
    assert.deepEqual(
      reader.list(() => reader.u32()),
      [1, 2, 3],
    );
  }
});

test('counts and lengths beyond the bytes are refused before anything of that size is made', () => {
  const huge = new StateWriter().u32(0xffff_ffff).u8(0).finish();
  assert.throws(() => new StateReader(huge, 'the test').list(() => 0), isCorrupt);
  assert.throws(() => new StateReader(huge, 'the test').bytes(), isCorrupt);
  assert.throws(() => new StateReader(huge, 'the test').string(), isCorrupt);
  assert.throws(() => new StateReader(Uint8Array.of(2), 'the test').bool(), isCorrupt);
});

test('bytes are copies: they outlive what they were read from', () => {
  const source = new StateWriter().bytes(Uint8Array.of(1, 2)).finish();
  const read = new StateReader(source, 'the test').bytes();
  source.fill(0);
  assert.deepEqual([...read], [1, 2]);
});

test('pieces are read in steps of any size', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), fc.array(fc.nat(40)), (pieces, steps) => {
      const whole = Buffer.concat(pieces);
      const reader = new PieceReader(pieces);
      let at = 0;
      for (const step of steps) {
        const part = new Uint8Array(Math.min(step, whole.length - at));
        reader.read(part);
        assert.deepEqual(Buffer.from(part), whole.subarray(at, at + part.length));
        at += part.length;
      }
    }),
  );
});

test('a whole number that is cut off, or below nothing, is refused', () => {
  const readers = [
    [Uint8Array.of(), 'varlong'],
    [Uint8Array.of(0x80), 'varlong'],
    [Uint8Array.of(1), 'natural'],
  ] as const;
  for (const [bytes, kind] of readers) {
    assert.throws(
      () => new StateReader(bytes, 'the test')[kind](),
      (error) => error instanceof MillraceError && error.code === 'STORE_CORRUPT',
    );
  }
  assert.equal(new StateReader(Uint8Array.of(1), 'the test').varlong(), -1);
});
