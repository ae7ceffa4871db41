/**
 * Snappy as Kafka batches hold it, in two shapes: Java writes "xerial" framing, librdkafka and others one raw block.
 *
 * Xerial, big-endian:
 *
 * | part | size | meaning |
 * |---|---|---|
 * | magic | 8 | 82 53 4e 41 50 50 59 00, "\x82SNAPPY\0" |
 * | version, compatible version | 4 + 4 | 1 and 1 |
 * | chunk | 4 + n | i32 size n of the raw block behind it; repeated |
 *
 * A raw block is the varint of its content's length, then elements, whose low two bits are 0 literals, 1 copy of 4 to 11
 * bytes with 11 bits of distance, 2 copy with 16 bits, 3 copy with 32 bits; little-endian. A raw block cannot be taken
 * for xerial: read as one, the magic would start with a copy from nothing.
 *
 * Why not the decoder of the WebAssembly package that encodes: it trusts the length in the header (six bytes that claim
 * 2 GiB leave 2 GiB behind) and a damaged block makes it trap without freeing what it took.
 *
 * Source: google/snappy format_description.txt; xerial/snappy-java SnappyOutputStream.
 */

import { asBuffer } from '../base/bytes.ts';
import { decompressedTooLarge, ExpandingOutput, malformed } from './expanding-output.ts';
import { wasmCodecs } from './wasm-codecs.ts';

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;
const XERIAL_VERSION = 1;
/** What Java's SnappyOutputStream uses. */
const XERIAL_CHUNK_BYTES = 32 * 1024;
/** A copy of 64 bytes takes 3: no block expands more than this, whatever its header says. */
const MAX_RATIO = 22;
const EXPECTED_RATIO = 4;

function fail(what: string, position: number): never {
  throw malformed('snappy', what, position);
}

/** Both shapes. @returns the content, owned by the caller. @throws MODEL_RECORD_INVALID, MODEL_DECOMPRESSED_TOO_LARGE. */
export function readSnappy(bytes: Uint8Array, maxOutputBytes: number): Uint8Array {
  const source = asBuffer(bytes);
  const output = new ExpandingOutput(source.length * EXPECTED_RATIO, maxOutputBytes);
  if (!isXerialAt(source, 0)) {
    readRawBlock(source, 0, source.length, output, maxOutputBytes);
    return output.finish();
  }
  let position = XERIAL_HEADER_BYTES;
  while (position < source.length) {
    // Streams that were joined repeat the header where a chunk would start.
    if (isXerialAt(source, position)) {
      position += XERIAL_HEADER_BYTES;
      continue;
    }
    if (position + 4 > source.length) fail('half a chunk size', position);
    const size = source.readInt32BE(position);
    position += 4;
    if (size < 0 || size > source.length - position) fail(`a chunk of ${size} bytes`, position - 4);
    readRawBlock(source, position, position + size, output, maxOutputBytes);
    position += size;
  }
  return output.finish();
}

function isXerialAt(source: Buffer, position: number): boolean {
  return (
    source.length >= position + XERIAL_HEADER_BYTES &&
    XERIAL_MAGIC.compare(source, position, position + XERIAL_MAGIC.length) === 0
  );
}

function readRawBlock(
  source: Buffer,
  start: number,
  end: number,
  output: ExpandingOutput,
  maxOutputBytes: number,
): void {
  let at = start;
  let size = 0;
  for (let scale = 1; ; scale *= 128) {
    if (at >= end || at - start === 5) fail('no length', start);
    const byte = source[at++] as number;
    size += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  const floor = output.sizeBytes;
  if (floor + size > maxOutputBytes) throw decompressedTooLarge(maxOutputBytes);
  if (size > (end - start) * MAX_RATIO) fail(`${end - start} bytes that claim to hold ${size}`, start);
  const outputEnd = floor + size;
  while (at < end) {
    const tag = source[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const lengthBytes = length - 60;
        if (at + lengthBytes > end) fail('half a literal length', at);
        length = source.readUIntLE(at, lengthBytes) + 1;
        at += lengthBytes;
      }
      if (at + length > end) fail('literals beyond the block', at);
      if (output.sizeBytes + length > outputEnd) fail('more content than the length says', at);
      output.literals(source, at, length);
      at += length;
      continue;
    }
    const distanceBytes = kind === 3 ? 4 : kind;
    if (at + distanceBytes > end) fail('half a copy', at);
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    let distance = source[at] as number;
    if (kind === 1) distance |= (tag >>> 5) << 8;
    else if (kind === 2) distance |= (source[at + 1] as number) << 8;
    else distance = source.readUInt32LE(at);
    at += distanceBytes;
    if (output.sizeBytes + length > outputEnd) fail('more content than the length says', at);
    if (!output.copyBack(distance, length, floor)) fail(`a copy from ${distance} bytes back`, at);
  }
  if (output.sizeBytes !== outputEnd) fail('less content than the length says', end);
}

/** Xerial framing, as Java writes and every client reads. */
export function writeSnappy(bytes: Uint8Array): Uint8Array {
  const source = asBuffer(bytes);
  const header = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(XERIAL_VERSION, 8);
  header.writeInt32BE(XERIAL_VERSION, 12);
  const parts: Buffer[] = [header];
  const { snappyCompress } = wasmCodecs();
  for (let start = 0; start < source.length; start += XERIAL_CHUNK_BYTES) {
    const block = snappyCompress(source.subarray(start, start + XERIAL_CHUNK_BYTES));
    const size = Buffer.allocUnsafe(4);
    size.writeInt32BE(block.length);
    parts.push(size, block);
  }
  return Buffer.concat(parts);
}
