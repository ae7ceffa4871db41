/** The message ids of one produced batch, and the batch without those of its records that are stored already. */
import { writeInt64, writeUint16, writeUint32 } from '../../base/bytes.ts';
import type { ErrorCode } from '../../base/errors.ts';
import {
  ATTRIBUTES_POSITION,
  attributes,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_POSITION,
  CODEC_MASK,
  CRC_POSITION,
  computeCrc,
  isLogAppendTime,
  LOG_OVERHEAD_BYTES,
  lastOffsetDelta,
  MAX_TIMESTAMP_POSITION,
  RECORD_COUNT_POSITION,
} from '../../model/record-batch.ts';
import { RecordCursor } from '../../model/record-codec.ts';
import { idOf } from './message-id-table.ts';

/** Header that makes a record known; its value, whatever bytes they are, is the id. */
export const MESSAGE_ID_HEADER = 'message-id';
/** A UUID has 36; a longer one is a mistake that would cost memory. Inclusive. */
export const MAX_MESSAGE_ID_BYTES = 256;

const HEADER_NAME = Buffer.from(MESSAGE_ID_HEADER);

/** A record that goes into the log, unless its id turns out to be known. */
export interface IncomingRecord {
  readonly offsetDelta: number;
  /** Undefined: it has none, or an empty one, and is always stored. */
  readonly id: string | undefined;
  readonly timestamp: number;
  /** Place in `BatchIds.records`; the end is exclusive. */
  readonly start: number;
  readonly end: number;
}

/** What a batch brings. Not changed by anybody: building a commit may happen twice. */
export interface BatchIds {
  readonly incoming: readonly IncomingRecord[];
  /** Records of the batch, uncompressed. */
  readonly records: Uint8Array;
  /** By offset delta: where repeats that are out of the batch already stand; NaN for all others. Undefined: there are none. */
  readonly offsets: Float64Array | undefined;
}

/**
 * @param records as `Decompressor.open` gave them; borrowed as long as the result is used.
 * @returns or why the batch is refused: BROKER_MESSAGE_ID_INVALID for an id that is too long.
 * @throws MODEL_RECORD_INVALID.
 */
export function readBatchIds(batch: Uint8Array, records: Uint8Array): BatchIds | ErrorCode {
  const incoming: IncomingRecord[] = [];
  const cursor = new RecordCursor(batch, 0, records);
  for (let start = 0; cursor.next(); start = cursor.endPosition) {
    const header = cursor.headerCount === 0 ? undefined : cursor.lastHeader(HEADER_NAME);
    if (header != null && header.length > MAX_MESSAGE_ID_BYTES) return 'BROKER_MESSAGE_ID_INVALID';
    const id = header == null || header.length === 0 ? undefined : idOf(header);
    const { offsetDelta, timestamp, endPosition: end } = cursor;
    incoming.push({ offsetDelta, id, timestamp, start, end });
  }
  return { incoming, records, offsets: undefined };
}

/**
 * The batch with only these of its records, uncompressed. Offsets and sequences stay as they would have been: the last
 * offset delta is the original's, and repeats leave gaps, as compaction does (KIP-98).
 *
 * @param kept at least one, in order.
 * @returns owned bytes.
 */
export function batchOfRecords(batch: Uint8Array, records: Uint8Array, kept: readonly IncomingRecord[]): Uint8Array {
  const sizeBytes = kept.reduce((sum, { start, end }) => sum + end - start, BATCH_HEADER_BYTES);
  const result = new Uint8Array(sizeBytes);
  result.set(batch.subarray(0, BATCH_HEADER_BYTES));
  let at = BATCH_HEADER_BYTES;
  let latest = Number.NEGATIVE_INFINITY;
  for (const { start, end, timestamp } of kept) {
    result.set(records.subarray(start, end), at);
    at += end - start;
    latest = Math.max(latest, timestamp);
  }
  writeUint32(result, BATCH_LENGTH_POSITION, sizeBytes - LOG_OVERHEAD_BYTES);
  writeUint16(result, ATTRIBUTES_POSITION, attributes(batch, 0) & ~CODEC_MASK);
  if (!isLogAppendTime(batch, 0)) writeInt64(result, MAX_TIMESTAMP_POSITION, latest);
  writeUint32(result, RECORD_COUNT_POSITION, kept.length);
  writeUint32(result, CRC_POSITION, computeCrc(result, 0, sizeBytes));
  return result;
}

/** Offsets by delta for a batch that loses records, to be filled in. */
export function newOffsets(batch: Uint8Array, before: Float64Array | undefined): Float64Array {
  return before === undefined ? new Float64Array(lastOffsetDelta(batch, 0) + 1).fill(Number.NaN) : before.slice();
}
