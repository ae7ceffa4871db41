/** The chunk format: golden bytes of a small pack, and that no damaged bit of header, directory, rows or trailer passes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  CHUNK_ENTRY_BYTES,
  CHUNK_HEADER_BYTES,
  CHUNK_TRAILER_BYTES,
  chunkFooterFault,
  chunkHeaderFault,
  decodeChunkEntry,
  decodeChunkTrailer,
  encodeChunkHeader,
  footerBytesOf,
  rowsPosition,
} from './chunk-file.ts';
import { ChunkIndex } from './chunk-index.ts';
import { decodeRow, INDEX_ROW_BYTES } from './index-file.ts';

const GOLDEN = Buffer.from(
  readFileSync(new URL('../../test/golden/chunk/version-1.hex', import.meta.url), 'utf8').replaceAll(/\s/g, ''),
  'hex',
);
const T0 = 1_700_000_000_000;

/** Partition 2 with two neighbours that become one frame, partition 7 with one batch; bodies are not batches here. */
function small(): Buffer {
  const index = new ChunkIndex(3);
  index.add(2, 5, 6, 3, T0);
  index.add(2, 6, 8, 2, T0 + 7);
  index.add(7, 100, 101, 4, -1);
  const body = Buffer.from('abcdefghi');
  return Buffer.concat([encodeChunkHeader(3), body, ...index.finish().footer]);
}

function footerOf(bytes: Uint8Array) {
  return decodeChunkTrailer(bytes.subarray(-CHUNK_TRAILER_BYTES), 3, bytes.length);
}

test('golden bytes, and what they say', () => {
  const bytes = small();
  assert.equal(bytes.toString('hex'), GOLDEN.toString('hex'));
  assert.equal(chunkHeaderFault(bytes, 3), undefined);
  const footer = footerOf(bytes);
  assert.ok(typeof footer !== 'string');
  assert.deepEqual([footer.directoryPosition, footer.partitionCount, footer.rowCount], [73, 2, 2]);
  const part = bytes.subarray(footer.directoryPosition, footer.directoryPosition + footerBytesOf(footer));
  assert.equal(chunkFooterFault(part, footer), undefined);
  const entries = [0, 1].map((i) => decodeChunkEntry(part, i * CHUNK_ENTRY_BYTES, 3));
  assert.deepEqual(entries, [
    {
      partition: 2,
      range: { file: -3, firstRow: 0, rowCount: 1, baseOffset: 5, endOffset: 8, maxTimestamp: T0 + 7, sizeBytes: 5 },
    },
    {
      partition: 7,
      range: { file: -3, firstRow: 1, rowCount: 1, baseOffset: 100, endOffset: 101, maxTimestamp: -1, sizeBytes: 4 },
    },
  ]);
  const rows = [0, 1].map((i) => decodeRow(bytes, rowsPosition(footer) + i * INDEX_ROW_BYTES));
  assert.deepEqual(rows, [
    { baseOffset: 5, position: 64, sizeBytes: 5, maxTimestamp: T0 + 7 },
    { baseOffset: 100, position: 69, sizeBytes: 4, maxTimestamp: -1 },
  ]);
});

function faultOf(changed: Uint8Array): string | undefined {
  const header = chunkHeaderFault(changed.subarray(0, CHUNK_HEADER_BYTES), 3);
  if (header !== undefined) return header;
  const footer = footerOf(changed);
  if (typeof footer === 'string') return footer;
  const from = footer.directoryPosition;
  return chunkFooterFault(changed.subarray(from, from + footerBytesOf(footer)), footer);
}

test('every flipped bit outside the frames is noticed, every cut, and a chunk of another number', () => {
  const bytes = small();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    if (bit >> 3 >= 64 && bit >> 3 < 73) continue;
    const flipped = Uint8Array.from(bytes);
    (flipped[bit >> 3] as number) ^= 1 << (bit & 7);
    assert.ok(faultOf(flipped) !== undefined, `bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++) assert.ok(faultOf(bytes.subarray(0, length)) !== undefined);
  assert.match(chunkHeaderFault(bytes, 4) ?? '', /names chunk 3/);
});
