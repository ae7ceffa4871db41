/**
 * A stored batch as a producer without an identity would send it: so that records move from one log into another, where
 * their producers, transactions and times of arrival mean nothing.
 */
import { writeInt64, writeUint16, writeUint32 } from '../base/bytes.ts';
import { BatchBuilder } from './batch-builder.ts';
import {
  ATTRIBUTES_POSITION,
  attributes,
  BASE_SEQUENCE_POSITION,
  baseOffset,
  CRC_POSITION,
  computeCrc,
  DELETE_HORIZON_BIT,
  isLogAppendTime,
  lastOffsetDelta,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
  producerId,
  recordCount,
  TRANSACTIONAL_BIT,
} from './record-batch.ts';
import { readRecords } from './record-codec.ts';

const NO_PRODUCER = -1;

/**
 * @param batch one whole batch, no control batch; not changed.
 * @param fromOffset records before it are left out.
 * @returns batches with the same records in order: the same bytes where that is possible; with another header where only the
 *   producer must go; packed anew, uncompressed, where compaction has left gaps, records are left out or the broker's time was given to all.
 * @throws MODEL_RECORD_INVALID, MODEL_DECOMPRESSION_FAILED and the like.
 */
export function plainBatches(batch: Uint8Array, fromOffset = 0): Uint8Array[] {
  const isWhole = recordCount(batch, 0) === lastOffsetDelta(batch, 0) + 1 && baseOffset(batch, 0) >= fromOffset;
  if (!isWhole || isLogAppendTime(batch, 0) || (attributes(batch, 0) & DELETE_HORIZON_BIT) !== 0)
    return repacked(batch, fromOffset);
  if (producerId(batch, 0) === NO_PRODUCER) return [batch];
  const copy = Uint8Array.from(batch);
  writeUint16(copy, ATTRIBUTES_POSITION, attributes(copy, 0) & ~TRANSACTIONAL_BIT);
  writeInt64(copy, PRODUCER_ID_POSITION, NO_PRODUCER);
  writeUint16(copy, PRODUCER_EPOCH_POSITION, 0xffff);
  writeUint32(copy, BASE_SEQUENCE_POSITION, 0xffff_ffff);
  writeUint32(copy, CRC_POSITION, computeCrc(copy, 0, copy.length));
  return [copy];
}

function repacked(batch: Uint8Array, fromOffset: number): Uint8Array[] {
  const batches: Uint8Array[] = [];
  const builder = new BatchBuilder();
  for (const record of readRecords(batch)) {
    if (record.offset < fromOffset || builder.add(record)) continue;
    batches.push(builder.build());
    builder.add(record);
  }
  if (builder.recordCount > 0) batches.push(builder.build());
  return batches;
}
