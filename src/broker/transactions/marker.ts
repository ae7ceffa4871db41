/**
 * The batch that ends a transaction in a partition: one control record that consumers read to tell committed data from
 * aborted, and never hand to their users. Layout as in model/record-batch.ts; 78 bytes, the record being:
 *
 * | position | size | name | value |
 * |---|---|---|---|
 * | 61 | 1 | length | varint 16 |
 * | 62 | 3 | attributes, timestamp delta, offset delta | 0 |
 * | 65 | 1 | key length | varint 4 |
 * | 66 | 2, 2 | key: version, type | 0, then 0 abort or 1 commit |
 * | 70 | 1 | value length | varint 6 |
 * | 71 | 2, 4 | value: version, coordinator epoch | 0, 0 |
 * | 77 | 1 | header count | 0 |
 *
 * Source: KIP-98, "Control records".
 */
import { writeInt64, writeUint16, writeUint32 } from '../../base/bytes.ts';
import {
  ATTRIBUTES_POSITION,
  BASE_SEQUENCE_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_POSITION,
  BATCH_MAGIC,
  CONTROL_BIT,
  CRC_POSITION,
  computeCrc,
  LOG_OVERHEAD_BYTES,
  MAGIC_POSITION,
  MAX_TIMESTAMP_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
  RECORD_COUNT_POSITION,
  TRANSACTIONAL_BIT,
} from '../../model/record-batch.ts';

const RECORD_BYTES = 17;
const MARKER_BYTES = BATCH_HEADER_BYTES + RECORD_BYTES;
const TYPE_POSITION = BATCH_HEADER_BYTES + 7;

/** Zig-zag varints of 16, 4 and 6, and zeros. */
const RECORD = Uint8Array.from([32, 0, 0, 0, 8, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0]);

/** A marker without its offset: `stampBatch` gives it its place, as often as there are partitions. */
export function encodeMarker(producerId: number, producerEpoch: number, committed: boolean, now: number): Uint8Array {
  const bytes = new Uint8Array(MARKER_BYTES);
  writeUint32(bytes, BATCH_LENGTH_POSITION, MARKER_BYTES - LOG_OVERHEAD_BYTES);
  bytes[MAGIC_POSITION] = BATCH_MAGIC;
  writeUint16(bytes, ATTRIBUTES_POSITION, TRANSACTIONAL_BIT | CONTROL_BIT);
  writeInt64(bytes, BASE_TIMESTAMP_POSITION, now);
  writeInt64(bytes, MAX_TIMESTAMP_POSITION, now);
  writeInt64(bytes, PRODUCER_ID_POSITION, producerId);
  writeUint16(bytes, PRODUCER_EPOCH_POSITION, producerEpoch);
  writeUint32(bytes, BASE_SEQUENCE_POSITION, 0xffff_ffff);
  writeUint32(bytes, RECORD_COUNT_POSITION, 1);
  bytes.set(RECORD, BATCH_HEADER_BYTES);
  writeUint16(bytes, TYPE_POSITION, committed ? 1 : 0);
  writeUint32(bytes, CRC_POSITION, computeCrc(bytes, 0, MARKER_BYTES));
  return bytes;
}

/** For tools and tests: what a control batch says. */
export function markerCommits(bytes: Uint8Array, position: number): boolean {
  return bytes[position + TYPE_POSITION + 1] === 1;
}
