/**
 * Checks batches that come from the disk before anybody sees them: 32 bits of CRC for what the producer covered, and for
 * the 21 bytes before it what they must be. Bytes that rotted are never served.
 */
import {
  BATCH_HEADER_BYTES,
  baseOffset,
  batchSizeBytes,
  computeCrc,
  crc,
  lastOffset,
  leaderEpoch,
  magic,
} from '../model/record-batch.ts';

/**
 * @param firstOffset of the first batch; the others continue it.
 * @returns length of the sound batches at the front: all of `bytes`, or up to the damage.
 */
export function soundBytes(bytes: Uint8Array, firstOffset: number): number {
  let offset = firstOffset;
  let at = 0;
  while (bytes.length - at >= BATCH_HEADER_BYTES) {
    const size = batchSizeBytes(bytes, at);
    if (size < BATCH_HEADER_BYTES || size > bytes.length - at) break;
    if (baseOffset(bytes, at) !== offset || leaderEpoch(bytes, at) !== 0 || magic(bytes, at) !== 2) break;
    if (crc(bytes, at) !== computeCrc(bytes, at, size)) break;
    offset = lastOffset(bytes, at) + 1;
    at += size;
  }
  return at;
}
