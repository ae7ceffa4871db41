/** Proves that a chunk comes back from its object byte for byte, block by block, and that damage anywhere is noticed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import {
  decodeTierTail,
  encodeTieredChunk,
  openTierBlock,
  TIER_BLOCK_BYTES,
  type TierBlock,
  tierTailBytes,
} from './tiered-chunk.ts';

function noise(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = seed;
  for (let i = 0; i < sizeBytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function blocksOf(object: Uint8Array, rawBytes: number): readonly TierBlock[] | string {
  const tail = object.subarray(object.length - tierTailBytes(rawBytes));
  return decodeTierTail(tail, 7, rawBytes, object.length);
}

/** The chunk, or what is wrong with its object. */
/** The object, put together. */
function encoded(...of: Parameters<typeof encodeTieredChunk>): Buffer {
  const { pieces, tail, storedBytes } = encodeTieredChunk(...of);
  const object = Buffer.concat(pieces);
  assert.deepEqual([object.length, tail], [storedBytes, pieces.at(-1)]);
  return object;
}

function open(object: Uint8Array, rawBytes: number): Buffer | string {
  const blocks = blocksOf(object, rawBytes);
  if (typeof blocks === 'string') return blocks;
  const pieces: Uint8Array[] = [];
  for (const block of blocks) {
    const raw = openTierBlock(object.subarray(block.position, block.position + block.storedBytes), block);
    if (typeof raw === 'string') return raw;
    pieces.push(raw);
  }
  return Buffer.concat(pieces);
}

test('any size and content comes back; what does not shrink is kept as it is', () => {
  for (const size of [1, 64, TIER_BLOCK_BYTES - 1, TIER_BLOCK_BYTES, TIER_BLOCK_BYTES + 1, 5 * TIER_BLOCK_BYTES + 77]) {
    const text = Buffer.alloc(size, 'the same words again ');
    const packed = encoded(7, text);
    assert.ok(size < 1000 || packed.length < size / 10);
    assert.deepEqual(open(packed, size), text);
    assert.deepEqual(open(encoded(7, text, { level: 'fast' }), size), text);
    const random = noise(size, size);
    const kept = encoded(7, random);
    assert.equal(kept.length, 64 + size + tierTailBytes(size));
    assert.deepEqual(open(kept, size), Buffer.from(random));
  }
});

test('an object says whether its batches were checked, and is otherwise the same', () => {
  const raw = noise(TIER_BLOCK_BYTES + 5, 9);
  const plain = encoded(7, raw);
  const checked = encoded(7, raw, { isChecked: true });
  for (const [object, isChecked] of [
    [plain, false],
    [checked, true],
  ] as const) {
    const blocks = blocksOf(object, raw.length) as readonly TierBlock[];
    assert.deepEqual(
      blocks.map((block) => block.isChecked),
      [isChecked, isChecked],
    );
    assert.deepEqual(open(object, raw.length), Buffer.from(raw));
  }
  const differing = [...plain.keys()].filter((at) => plain[at] !== checked[at]);
  const trailer = plain.length - 64;
  assert.deepEqual(new Set(differing.filter((at) => at % trailer < 60)), new Set([5, trailer + 5]));
  // Nobody says so of batches that were not: the trailer's checksum covers it.
  plain[trailer + 5] = 1;
  assert.equal(blocksOf(plain, raw.length), 'the checksum of its trailer is wrong');
});

test('content that changes its kind is compressed again where it shrinks', () => {
  const raw = Buffer.concat([noise(6 * TIER_BLOCK_BYTES, 1), Buffer.alloc(12 * TIER_BLOCK_BYTES, 'words ')]);
  const object = encoded(7, raw);
  assert.ok(object.length < 9 * TIER_BLOCK_BYTES, `${object.length}`);
  assert.deepEqual(open(object, raw.length), raw);
});

function faultOf(tail: Uint8Array, chunk: number, rawBytes: number, storedBytes: number): string {
  const found = decodeTierTail(tail, chunk, rawBytes, storedBytes);
  return typeof found === 'string' ? found : 'sound';
}

test('the name and the lengths must be right', () => {
  const object = encoded(7, noise(1000, 3));
  const tail = object.subarray(object.length - tierTailBytes(1000));
  assert.match(faultOf(tail, 8, 1000, object.length), /it is chunk 7/);
  assert.match(faultOf(tail, 7, 999, object.length), /1000 bytes/);
  assert.match(faultOf(tail, 7, 1000, object.length + 1), /asks for/);
});

test('a changed byte anywhere but in the header is noticed, or changes nothing', () => {
  const raw = Buffer.concat([Buffer.alloc(TIER_BLOCK_BYTES, 'abc '), noise(5000, 9)]);
  const object = encoded(7, raw);
  const [compressed] = blocksOf(object, raw.length);
  assert.ok(typeof compressed === 'object');
  fc.assert(
    fc.property(fc.integer({ min: 64, max: object.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = Uint8Array.from(object);
      damaged[at] = (damaged[at] as number) ^ change;
      const found = open(damaged, raw.length);
      if (typeof found === 'string') return;
      assert.ok(found.equals(raw));
      // Another frame of zstd can mean the same: a bit of its head means nothing (RFC 8878, 3.1.1.1.1.3), and sequences
      // have several codes. In what is stored as it is every byte matters.
      assert.ok(at < compressed.position + compressed.storedBytes, `byte ${at} does not matter`);
    }),
    // Byte 130: once taken for damage that nobody noticed.
    {
      numRuns: 300,
      examples: [
        [64 + 4, 16],
        [130, 192],
      ],
    },
  );
});
