/**
 * What a row of kind `batches` promises about its body: RecordBatch v2 batches back to back, offsets continuing from
 * the row's base offset, leader epoch 0. Checked before staging (without the CRC, which the broker checked on arrival)
 * and after reading (with it).
 *
 * The journal reads these few header fields by itself: model's batch reader serves requests and their errors, this one
 * serves recovery, where the answer is a text with a place. Source: Kafka RecordBatch v2 (KIP-98).
 *
 * | position | size | type | name |
 * |---|---|---|---|
 * | 0 | 8 | i64 | baseOffset |
 * | 8 | 4 | i32 | batchLength, bytes after this field |
 * | 12 | 4 | i32 | partitionLeaderEpoch |
 * | 16 | 1 | i8 | magic |
 * | 17 | 4 | u32 | crc, CRC-32C of byte 21 to the end |
 * | 23 | 4 | i32 | lastOffsetDelta |
 */
import { readInt32, readInt64, readUint32 } from '../base/bytes.ts';
import { crc32cRange } from '../base/crc32c.ts';
import { hex } from './file-header.ts';

const BATCH_HEADER_BYTES = 61;

/** Bytes before and including `batchLength`. */
const LENGTH_END = 12;
const CRC_START = 21;

/**
 * @param start position of the first batch in `bytes`; `end` exclusive.
 * @returns what is wrong, positions relative to `start`; undefined when all holds.
 */
export function checkBatchRun(
  bytes: Uint8Array,
  start: number,
  end: number,
  baseOffset: number,
  offsetCount: number,
  withCrc: boolean,
): string | undefined {
  let at = start;
  let offset = baseOffset;
  while (at < end) {
    if (end - at < BATCH_HEADER_BYTES) return `${end - at} bytes at ${at - start} are too few for a batch`;
    const batchEnd = at + LENGTH_END + readInt32(bytes, at + 8);
    if (batchEnd > end || batchEnd < at + BATCH_HEADER_BYTES) return `batch length out of range at ${at - start}`;
    const base = readInt64(bytes, at);
    if (base !== offset) return `batch at ${at - start} has base offset ${base} instead of ${offset}`;
    if (readInt32(bytes, at + 12) !== 0) return `leader epoch not 0 at ${at - start}`;
    if (bytes[at + 16] !== 2) return `batch magic ${bytes[at + 16]} instead of 2 at ${at - start}`;
    const lastOffsetDelta = readInt32(bytes, at + 23);
    if (lastOffsetDelta < 0) return `negative lastOffsetDelta at ${at - start}`;
    if (withCrc) {
      const stored = readUint32(bytes, at + 17);
      const computed = crc32cRange(bytes, at + CRC_START, batchEnd);
      if (stored !== computed) return `batch CRC ${hex(stored)}, computed ${hex(computed)} at ${at - start}`;
    }
    offset += lastOffsetDelta + 1;
    at = batchEnd;
  }
  if (at === start) return 'a run without a batch';
  if (offset !== baseOffset + offsetCount)
    return `batches cover ${offset - baseOffset} offsets, the row says ${offsetCount}`;
  return undefined;
}
