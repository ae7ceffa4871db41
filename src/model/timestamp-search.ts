/** Finds a record by time inside one batch; the store finds the batch. */

import { baseOffset, isLogAppendTime, maxTimestamp } from './record-batch.ts';
import { RecordCursor } from './record-codec.ts';

export interface TimestampMatch {
  readonly offset: number;
  readonly timestamp: number;
}

/**
 * The first record, by offset, whose timestamp is at least `timestamp`.
 *
 * @param records what `openRecords` or the decompressor gave for this batch; not looked at where the header decides
 *   (`needsRecords`), so it may be empty then.
 * @param fromOffset records before it do not count: they were deleted, and their batch is still here for the others.
 * @returns undefined where no record is that late, also where the header's maxTimestamp promised one.
 * @throws MODEL_RECORD_INVALID.
 * Source: KIP-33 and KIP-79, ListOffsets by timestamp.
 */
export function findTimestamp(
  bytes: Uint8Array,
  position: number,
  records: Uint8Array,
  timestamp: number,
  fromOffset = 0,
): TimestampMatch | undefined {
  const latest = maxTimestamp(bytes, position);
  if (!(latest >= timestamp)) return undefined;
  if (isLogAppendTime(bytes, position)) {
    return { offset: Math.max(fromOffset, baseOffset(bytes, position)), timestamp: latest };
  }
  const cursor = new RecordCursor(bytes, position, records);
  while (cursor.next()) {
    if (cursor.timestamp >= timestamp && cursor.offset >= fromOffset)
      return { offset: cursor.offset, timestamp: cursor.timestamp };
  }
  return undefined;
}

/** False where `findTimestamp` answers from the header alone: there is nothing to decompress. */
export function needsRecords(bytes: Uint8Array, position: number, timestamp: number): boolean {
  return maxTimestamp(bytes, position) >= timestamp && !isLogAppendTime(bytes, position);
}

/**
 * The first of the records with the largest timestamp. Their own timestamps decide and not the header's `maxTimestamp`,
 * which is whatever the producer wrote there.
 *
 * @param records as for `findTimestamp`; may be empty with log append time.
 * @param fromOffset records before it do not count, as for `findTimestamp`; the batch's last record is not before it.
 * @throws MODEL_RECORD_INVALID. Source: KIP-734.
 */
export function findMaxTimestamp(
  bytes: Uint8Array,
  position: number,
  records: Uint8Array,
  fromOffset = 0,
): TimestampMatch | undefined {
  if (isLogAppendTime(bytes, position)) {
    return { offset: Math.max(fromOffset, baseOffset(bytes, position)), timestamp: maxTimestamp(bytes, position) };
  }
  let found: TimestampMatch | undefined;
  const cursor = new RecordCursor(bytes, position, records);
  while (cursor.next()) {
    if (cursor.offset >= fromOffset && (found === undefined || cursor.timestamp > found.timestamp)) {
      found = { offset: cursor.offset, timestamp: cursor.timestamp };
    }
  }
  return found;
}
