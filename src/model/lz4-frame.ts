/**
 * Reads LZ4 frames, as Kafka batches hold one. Little-endian, other than everything else here.
 *
 * | part | size | meaning |
 * |---|---|---|
 * | magic | 4 | 0x184d2204 |
 * | FLG | 1 | bits 7-6 version 01; 5 blocks independent; 4 block checksums; 3 content size; 2 content checksum; 0 dictionary |
 * | BD | 1 | bits 6-4 largest block: 4 64 KiB, 5 256 KiB, 6 1 MiB, 7 4 MiB |
 * | content size | 0 or 8 | u64 |
 * | HC | 1 | checksum of the descriptor |
 * | block | 4 + n (+ 4) | u32 size n, bit 31 set: stored; then the block; then its checksum |
 * | end mark | 4 | 0 |
 * | content checksum | 0 or 4 | |
 *
 * A block is a run of sequences: token (literal count, match length - 4, four bits each, 15 goes on in bytes that add up
 * until one is below 255), literals, u16 distance. The last sequence ends after its literals.
 *
 * Why not the decoder of the WebAssembly package that encodes: it has no output limit, and a damaged frame makes it trap
 * without freeing what it took, so a hostile producer could fill its memory for good. The xxHash checksums are skipped:
 * the batch's CRC-32C covers the same bytes, and many producers leave them out.
 *
 * Source: LZ4 frame format 1.6.4, LZ4 block format.
 */
import { asBuffer } from '../base/bytes.ts';
import { ExpandingOutput, malformed } from './expanding-output.ts';

const MAGIC = 0x184d2204;
const END_MARK_BYTES = 4;
const CHECKSUM_BYTES = 4;
const STORED_BIT = 0x8000_0000;
const MIN_MATCH = 4;
/** LZ4 of text is rarely better than this; a wrong guess costs one growth. */
const EXPECTED_RATIO = 4;

const FLAG_INDEPENDENT = 1 << 5;
const FLAG_BLOCK_CHECKSUM = 1 << 4;
const FLAG_CONTENT_SIZE = 1 << 3;
const FLAG_CONTENT_CHECKSUM = 1 << 2;
const FLAG_DICTIONARY = 1;

function fail(what: string, position: number): never {
  throw malformed('lz4', what, position);
}

/**
 * @returns the content, owned by the caller.
 * @throws MODEL_RECORD_INVALID for anything but one whole frame, MODEL_DECOMPRESSED_TOO_LARGE.
 */
export function readLz4Frame(bytes: Uint8Array, maxOutputBytes: number): Uint8Array {
  const source = asBuffer(bytes);
  if (source.length < 7 || source.readUInt32LE(0) !== MAGIC) fail('no frame starts', 0);
  const flags = source[4] as number;
  if (flags >>> 6 !== 1) fail(`frame version ${flags >>> 6}`, 4);
  if ((flags & FLAG_DICTIONARY) !== 0) fail('a frame that needs a dictionary', 4);
  const blockCode = ((source[5] as number) >>> 4) & 7;
  if (blockCode < 4) fail(`block size code ${blockCode}`, 5);
  const maxBlockBytes = 1 << (8 + 2 * blockCode);
  const checksumBytes = (flags & FLAG_BLOCK_CHECKSUM) === 0 ? 0 : CHECKSUM_BYTES;

  const output = new ExpandingOutput(source.length * EXPECTED_RATIO, maxOutputBytes);
  let position = (flags & FLAG_CONTENT_SIZE) === 0 ? 7 : 15;
  for (;;) {
    if (position + END_MARK_BYTES > source.length) fail('the frame is cut off', source.length);
    const field = source.readUInt32LE(position);
    position += 4;
    if (field === 0) break;
    const stored = field >= STORED_BIT;
    const size = stored ? field - STORED_BIT : field;
    if (size > maxBlockBytes) fail(`a block of ${size} bytes where ${maxBlockBytes} are allowed`, position - 4);
    if (position + size + checksumBytes > source.length) fail('the frame is cut off', source.length);
    if (stored) output.literals(source, position, size);
    else
      readBlock(source, position, size, output, (flags & FLAG_INDEPENDENT) === 0 ? 0 : output.sizeBytes, maxBlockBytes);
    position += size + checksumBytes;
  }
  const endPosition = position + ((flags & FLAG_CONTENT_CHECKSUM) === 0 ? 0 : CHECKSUM_BYTES);
  if (endPosition !== source.length) fail(`${source.length - endPosition} bytes behind the frame`, endPosition);
  return output.finish();
}

/** @param floor first byte of the output that this block may refer to. */
function readBlock(
  source: Buffer,
  start: number,
  size: number,
  output: ExpandingOutput,
  floor: number,
  maxBlockBytes: number,
): void {
  const end = start + size;
  const outputEnd = output.sizeBytes + maxBlockBytes;
  let at = start;
  while (at < end) {
    const token = source[at++] as number;
    let literals = token >>> 4;
    if (literals === 15) {
      let byte = 255;
      for (; byte === 255 && at < end; literals += byte) byte = source[at++] as number;
    }
    if (at + literals > end) fail('literals beyond the block', at);
    if (output.sizeBytes + literals > outputEnd) fail('a block longer than the frame allows', at);
    output.literals(source, at, literals);
    at += literals;
    if (at === end) return;
    if (at + 2 > end) fail('half a distance', at);
    const distance = (source[at] as number) | ((source[at + 1] as number) << 8);
    at += 2;
    let length = (token & 15) + MIN_MATCH;
    if ((token & 15) === 15) {
      let byte = 255;
      for (; byte === 255 && at < end; length += byte) byte = source[at++] as number;
    }
    if (output.sizeBytes + length > outputEnd) fail('a block longer than the frame allows', at);
    if (!output.copyBack(distance, length, floor)) fail(`a match ${distance} bytes back`, at);
  }
  fail('a block that does not end with literals', end);
}
