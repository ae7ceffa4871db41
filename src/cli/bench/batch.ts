/**
 * The one batch that a load generator sends again and again, encoded before the run: RecordBatch v2, no compression.
 *
 * | position | size | field | here |
 * |---|---|---|---|
 * | 0 | 8 | baseOffset | 0, the broker's to set |
 * | 8 | 4 | batchLength | bytes after this field |
 * | 12 | 4 | partitionLeaderEpoch | -1 |
 * | 16 | 1 | magic | 2 |
 * | 17 | 4 | crc | CRC-32C of byte 21 to the end |
 * | 21 | 2 | attributes | 0 |
 * | 23 | 4 | lastOffsetDelta | records - 1 |
 * | 27 | 16 | baseTimestamp, maxTimestamp | both the time of encoding, ms since 1970 |
 * | 43 | 14 | producerId, producerEpoch, baseSequence | -1: not idempotent |
 * | 57 | 4 | recordCount | records |
 * | 61 | | records | length, attributes 0, timestampDelta 0, offsetDelta, key null, value, no headers |
 *
 * All big-endian; varints zig-zag. Source: KIP-98, KIP-82.
 * The first eight bytes of the first value carry the send time (a big-endian double, ms of `performance.now()`), which
 * a consumer in the same process reads back: batch timestamps have whole milliseconds only.
 */
import { crc32c } from '../../base/crc32c.ts';

export const BATCH_HEADER_BYTES = 61;
/** Values hold at least the send time. */
export const MIN_RECORD_BYTES = 8;

/** A byte of a signed varint as Kafka writes it (zig-zag); `value` within 31 bits. */
function writeVarint(target: Buffer, position: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let at = position;
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

function varintBytes(value: number): number {
  return writeVarint(SCRATCH, 0, value);
}
const SCRATCH = Buffer.alloc(8);

/** Bytes of a record after its length: attributes, timestamp delta, offset delta, null key, value, no headers. */
function recordBodyBytes(offsetDelta: number, valueBytes: number): number {
  return 1 + 1 + varintBytes(offsetDelta) + 1 + varintBytes(valueBytes) + valueBytes + 1;
}

/**
 * @param recordCount records in the batch, from 1.
 * @param valueBytes bytes of each value, at least MIN_RECORD_BYTES.
 * @param timestampMs stamped as base and max timestamp.
 * @returns the whole batch with a valid CRC, owned by the caller.
 */
export function encodeBatch(recordCount: number, valueBytes: number, timestampMs: number): Buffer {
  let size = BATCH_HEADER_BYTES;
  for (let delta = 0; delta < recordCount; delta++) {
    const body = recordBodyBytes(delta, valueBytes);
    size += varintBytes(body) + body;
  }
  const batch = Buffer.alloc(size);
  let at = BATCH_HEADER_BYTES;
  for (let delta = 0; delta < recordCount; delta++) {
    at = writeVarint(batch, at, recordBodyBytes(delta, valueBytes));
    at += 2; // attributes and timestamp delta, both 0
    at = writeVarint(batch, at, delta);
    at = writeVarint(batch, at, -1); // null key
    at = writeVarint(batch, at, valueBytes);
    fillValue(batch, at, at + valueBytes, delta);
    at = writeVarint(batch, at + valueBytes, 0); // no headers
  }
  writeHeader(batch, recordCount, timestampMs);
  return batch;
}

/** Bytes that neither repeat within a record nor compress to nothing; the same in every run. */
function fillValue(batch: Buffer, start: number, end: number, seed: number): void {
  let state = (seed * 0x9e3779b9 + 1) >>> 0;
  for (let at = start; at < end; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    batch[at] = state >>> 24;
  }
}

function writeHeader(batch: Buffer, recordCount: number, timestampMs: number): void {
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(-1, 12);
  batch[16] = 2;
  batch.writeInt32BE(recordCount - 1, 23);
  batch.writeBigInt64BE(BigInt(timestampMs), 27);
  batch.writeBigInt64BE(BigInt(timestampMs), 35);
  batch.fill(0xff, 43, 57);
  batch.writeInt32BE(recordCount, 57);
  seal(batch, 0, batch.length);
}

function seal(bytes: Buffer, start: number, end: number): void {
  bytes.writeUInt32BE(crc32c(bytes.subarray(start + 21, end)), start + 17);
}

/** Where the first value begins in a batch of this shape, relative to the batch's first byte. */
export function firstValuePosition(valueBytes: number): number {
  const body = recordBodyBytes(0, valueBytes);
  return BATCH_HEADER_BYTES + varintBytes(body) + body - 1 - valueBytes;
}

/**
 * Writes the send time into the first value and renews the CRC.
 * @param start, end the batch within `bytes`, end exclusive.
 */
export function stampBatch(bytes: Buffer, start: number, end: number, valueBytes: number, millis: number): void {
  bytes.writeDoubleBE(millis, start + firstValuePosition(valueBytes));
  seal(bytes, start, end);
}
