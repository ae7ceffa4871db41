/**
 * Proves: each codec round trips, reads what other implementations write (frozen bytes under test/golden/compression, made
 * as its README says), and on damaged or hostile input gives a MillraceError and takes no more memory than its limit.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { compressionsAlgorithms } from '@platformatic/kafka';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { codecName, compress, decompress } from './compression.ts';
import { CODEC, type CodecName } from './record-batch.ts';

const GOLDEN = new URL('../../test/golden/compression/', import.meta.url);
const CODECS = Object.keys(CODEC) as CodecName[];
const COMPRESSING = CODECS.filter((name) => name !== 'none');
const MIB = 1024 * 1024;

/** What the fixtures hold. */
function plainText(): Buffer {
  const lines = Array.from(
    { length: 3000 },
    (_, i) => `event ${i >> 4} at ${(i * i) % 97} km, magnitude ${(i % 70) / 10}\n`,
  );
  return Buffer.from(lines.join(''));
}

/** Random bytes, repetition, and text that matches itself at many distances. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(40_000)).map(([piece, times]) => {
    return new Uint8Array(Buffer.alloc(Math.min(piece.length * times, 150_000), piece));
  }),
  fc.array(fc.constantFrom('earthquake ', '{"mag":', '4.5', ',', '\n', 'x'), { maxLength: 3000 }).map((words) => {
    return new TextEncoder().encode(words.join(''));
  }),
);

function outcome(codec: number, bytes: Uint8Array, limit: number): Uint8Array | string {
  try {
    return decompress(codec, bytes, limit);
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
}

for (const name of CODECS) {
  test(`${name}: any content round trips; a limit of its size is enough, one byte less is not`, () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const packed = compress(CODEC[name], bytes);
        assert.deepEqual(Buffer.from(decompress(CODEC[name], packed, bytes.length)), Buffer.from(bytes));
        if (bytes.length < 2) return;
        assert.equal(outcome(CODEC[name], packed, bytes.length - 1), 'MODEL_DECOMPRESSED_TOO_LARGE');
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: @platformatic/kafka reads ours and we read theirs`, () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const theirs = compressionsAlgorithms[name];
        const buffer = Buffer.from(bytes);
        assert.deepEqual(Buffer.from(decompress(CODEC[name], theirs.compressSync(buffer), MIB)), buffer);
        assert.deepEqual(Buffer.from(theirs.decompressSync(Buffer.from(compress(CODEC[name], bytes)))), buffer);
      }),
      { numRuns: 30 },
    );
  });
}

test('frozen bytes of other implementations', () => {
  const plain = plainText();
  const files = readdirSync(GOLDEN).filter((file) => COMPRESSING.some((name) => file.endsWith(`.${name}`)));
  assert.ok(files.length >= 10, `only ${files.length} fixtures`);
  for (const file of files) {
    const codec = CODEC[file.slice(file.lastIndexOf('.') + 1) as CodecName];
    const packed = readFileSync(new URL(file, GOLDEN));
    assert.ok(Buffer.from(decompress(codec, packed, MIB)).equals(plain), file);
    assert.equal(outcome(codec, packed, plain.length - 1), 'MODEL_DECOMPRESSED_TOO_LARGE', file);
  }
});

test('nothing compresses to something every codec reads, also after larger work', () => {
  // The encoder of LZ4 threw for empty input once its WebAssembly memory had grown.
  for (const name of CODECS) {
    for (const size of [0, 8 * MIB, 0]) {
      const packed = compress(CODEC[name], Buffer.alloc(size, 'grow '));
      assert.equal(decompress(CODEC[name], packed).length, size, name);
    }
  }
  const theirs = compressionsAlgorithms.lz4.decompressSync(Buffer.from(compress(CODEC.lz4, new Uint8Array())));
  assert.equal(theirs.length, 0);
});

test('unknown codec bits', () => {
  for (const codec of [5, 6, 7]) assert.throws(() => codecName(codec), { code: 'MODEL_CODEC_UNSUPPORTED' });
});

test('cut at every byte: an error, but a xerial stream cut before its first chunk is an empty one', () => {
  const plain = Buffer.from('abcabcabcabc-'.repeat(20));
  for (const name of COMPRESSING) {
    const packed = compress(CODEC[name], plain);
    for (let end = 0; end < packed.length; end++) {
      const got = outcome(CODEC[name], packed.subarray(0, end), MIB);
      // Nothing in the stream says how many chunks follow; the batch's record count notices.
      if (typeof got === 'string') assert.equal(got, 'MODEL_RECORD_INVALID', `${name} cut at ${end}`);
      else assert.ok(name === 'snappy' && got.length === 0, `${name} cut at ${end} gave ${got.length} bytes`);
    }
  }
});

test('damaged anywhere: some content within the limit or a MillraceError', () => {
  const plain = Buffer.from(Array.from({ length: 400 }, (_, i) => `record ${i * i} `).join(''));
  for (const name of COMPRESSING) {
    const packed = compress(CODEC[name], plain);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const damaged = Buffer.from(packed);
          for (const [at, byte] of changes) damaged[at] = byte;
          const got = outcome(CODEC[name], damaged, 10_000);
          if (typeof got !== 'string') assert.ok(got.length <= 10_000);
        },
      ),
      { numRuns: 400 },
    );
  }
});

test('random bytes: a MillraceError or content within the limit', () => {
  fc.assert(
    fc.property(fc.constantFrom(...COMPRESSING), fc.uint8Array({ maxLength: 200 }), (name, bytes) => {
      const got = outcome(CODEC[name], bytes, 10_000);
      if (typeof got !== 'string') assert.ok(got.length <= 10_000);
    }),
    { numRuns: 2000 },
  );
});

test('bombs: 256 MiB behind a small blob are refused at the limit, with memory to match', { timeout: 60_000 }, () => {
  const zeros = Buffer.alloc(256 * MIB);
  const bombs: [CodecName, Uint8Array][] = [
    ['gzip', zlib.gzipSync(zeros, { level: 1 })],
    ['zstd', zlib.zstdCompressSync(zeros)],
    ['lz4', compress(CODEC.lz4, zeros.subarray(0, 64 * MIB))],
    ['snappy', compress(CODEC.snappy, zeros.subarray(0, 64 * MIB))],
  ];
  const before = process.memoryUsage().arrayBuffers;
  for (const [name, bomb] of bombs) {
    assert.equal(outcome(CODEC[name], bomb, MIB), 'MODEL_DECOMPRESSED_TOO_LARGE', name);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 16 * MIB, 'memory grew beyond a few times the limit');
});

test('snappy: a length of 2 GiB in six bytes is not believed', () => {
  const before = process.memoryUsage().arrayBuffers;
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07, 0x00]);
  assert.equal(outcome(CODEC.snappy, claim, MIB), 'MODEL_DECOMPRESSED_TOO_LARGE');
  assert.equal(outcome(CODEC.snappy, claim, 2 ** 31), 'MODEL_RECORD_INVALID', 'even without a limit to speak of');
  assert.ok(process.memoryUsage().arrayBuffers - before < MIB);
});

function readSnappyHex(hex: string): string {
  const got = outcome(CODEC.snappy, Buffer.from(hex.replaceAll(' ', ''), 'hex'), 1000);
  return typeof got === 'string' ? got : Buffer.from(got).toString('latin1');
}

test('snappy elements that no encoder in reach writes: long literals, all three copies, chunk limits', () => {
  assert.equal(readSnappyHex('00'), '');
  assert.equal(readSnappyHex('03 08 616263'), 'abc');
  assert.equal(readSnappyHex('03 f002 616263'), 'abc', 'literal length in one extra byte');
  assert.equal(readSnappyHex('03 fc02000000 616263'), 'abc', 'literal length in four extra bytes');
  assert.equal(readSnappyHex('08 08 616263 05 03'), 'abcabcab', 'copy with 11 bits, overlapping');
  assert.equal(readSnappyHex('08 08 616263 12 0300'), 'abcabcab', 'copy with 16 bits');
  assert.equal(readSnappyHex('08 08 616263 13 03000000'), 'abcabcab', 'copy with 32 bits');
  for (const bad of [
    '08 08 616263 05 04',
    '08 08 616263 05 00',
    '07 08 616263 05 03',
    '09 08 616263 05 03',
    '03 08 6162',
    '03 f0',
    '08 08 616263 12 03',
    '08 08 616263 13 ffffffff',
    '8080808080 00',
    '',
  ]) {
    assert.equal(readSnappyHex(bad), 'MODEL_RECORD_INVALID', bad);
  }
  const chunk = '82534e4150505900 00000001 00000001';
  assert.equal(readSnappyHex(`${chunk} 00000005 03 08 616263`), 'abc');
  assert.equal(
    readSnappyHex(`${chunk} 00000005 03 08 616263 ${chunk} 00000005 03 08 646566`),
    'abcdef',
    'joined streams',
  );
  for (const bad of [
    '00000006 03 08 616263',
    'ffffffff 03 08 616263',
    '0000',
    '00000005 03 08 616263 00000003 04 01 03',
  ]) {
    assert.equal(readSnappyHex(`${chunk} ${bad}`), 'MODEL_RECORD_INVALID', bad);
  }
});

function readLz4Hex(hex: string): string {
  try {
    return Buffer.from(decompress(CODEC.lz4, Buffer.from(hex.replaceAll(' ', ''), 'hex'), 1000)).toString('latin1');
  } catch (error) {
    assert.ok(error instanceof MillraceError);
    return error.message;
  }
}

test('lz4 frames by hand: headers and blocks that are refused, and why', () => {
  const frame = '04224d18 60 40 82';
  assert.equal(readLz4Hex(`${frame} 04000000 30616263 00000000`), 'abc');
  assert.equal(readLz4Hex(`${frame} 03000080 616263 00000000`), 'abc', 'stored');
  assert.equal(readLz4Hex(`${frame} 07000000 31 616263 0300 00 00000000`), 'abcabcab', 'overlapping match');
  assert.equal(readLz4Hex(`04224d18 70 40 82 03000080 616263 99999999 00000000`), 'abc', 'block checksum is skipped');
  assert.equal(
    readLz4Hex(`04224d18 40 40 82 03000080 616263 04000000 00 0300 00 00000000`),
    'abcabca',
    'linked blocks',
  );
  const refused: [string, RegExp][] = [
    ['05224d18 60 40 82 00000000', /no frame starts/],
    ['04224d18 a0 40 82 00000000', /frame version 2/],
    ['04224d18 61 40 82 00000000', /dictionary/],
    ['04224d18 60 30 82 00000000', /block size code 3/],
    [`${frame} 04000000 30616263`, /cut off/],
    [`${frame} 04000000 306162`, /cut off/],
    [`${frame} 01000100 30`, /a block of 65537 bytes where 65536/],
    [`${frame} 04000000 40616263 00000000`, /literals beyond/],
    [`${frame} 05000000 3061626303 00000000`, /half a distance/],
    [`${frame} 07000000 31 616263 0400 00 00000000`, /4 bytes back/],
    [`${frame} 07000000 31 616263 0000 00 00000000`, /0 bytes back/],
    [`${frame} 06000000 31 616263 0300 00000000`, /does not end with literals/],
    [`${frame} 03000080 616263 04000000 00 0300 00 00000000`, /3 bytes back/],
    [`${frame} 03000080 616263 00000000 00`, /1 bytes behind the frame/],
  ];
  for (const [hex, why] of refused) assert.match(readLz4Hex(hex), why);
});
