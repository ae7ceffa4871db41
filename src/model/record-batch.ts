/**
 * RecordBatch v2: what every part of Millrace stores, sends and serves, byte for byte as the producer made it.
 *
 * All numbers are big-endian. `position` is where a batch starts inside `bytes`; the accessors check nothing, so that they
 * cost a load and a shift: bytes from outside go through `validateBatch` or a `BatchCursor` first. 64-bit fields that do
 * not fit a double read as NaN, which every range check refuses.
 *
 * | position | size | type | name | in CRC | meaning |
 * |---|---|---|---|---|---|
 * | 0 | 8 | i64 | baseOffset | no | offset of the first record; the broker assigns it in place |
 * | 8 | 4 | i32 | batchLength | no | bytes after this field |
 * | 12 | 4 | i32 | partitionLeaderEpoch | no | the broker assigns it in place |
 * | 16 | 1 | i8 | magic | no | 2 |
 * | 17 | 4 | u32 | crc | - | CRC-32C of byte 21 to the end |
 * | 21 | 2 | u16 | attributes | yes | bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon |
 * | 23 | 4 | i32 | lastOffsetDelta | yes | offset of the last record minus baseOffset, kept when compaction drops records |
 * | 27 | 8 | i64 | baseTimestamp | yes | milliseconds since 1970; record timestamps are deltas to it |
 * | 35 | 8 | i64 | maxTimestamp | yes | largest timestamp; with log append time, that of every record |
 * | 43 | 8 | i64 | producerId | yes | -1: not idempotent |
 * | 51 | 2 | i16 | producerEpoch | yes | -1: none |
 * | 53 | 4 | i32 | baseSequence | yes | -1: none |
 * | 57 | 4 | i32 | recordCount | yes | records that follow |
 * | 61 | .. | - | records | yes | see record-codec.ts; one compressed blob where a codec is set |
 *
 * Source: KIP-98, KIP-32 (log append time); attribute bits are on disk and on the wire, never renumber.
 */
import {
  readInt16,
  readInt32,
  readInt64,
  readUint16,
  readUint32,
  writeInt64,
  writeUint16,
  writeUint32,
} from '../base/bytes.ts';
import { crc32cRange } from '../base/crc32c.ts';
import { type ErrorCode, MillraceError } from '../base/errors.ts';

/** baseOffset and batchLength: the bytes of a batch that its own length field does not count. */
export const LOG_OVERHEAD_BYTES = 12;
/** Bytes before the first record; also the smallest possible batch. */
export const BATCH_HEADER_BYTES = 61;
export const BATCH_MAGIC = 2;
/** Kafka's default of max.message.bytes: 1 MiB of records and the 12 bytes before the batch length. Inclusive. */
export const DEFAULT_MAX_BATCH_BYTES = 1024 * 1024 + LOG_OVERHEAD_BYTES;
/** One byte each of length, attributes, timestamp delta, offset delta, key length, value length, header count. */
export const MIN_RECORD_BYTES = 7;

export const BASE_OFFSET_POSITION = 0;
export const BATCH_LENGTH_POSITION = 8;
export const LEADER_EPOCH_POSITION = 12;
export const MAGIC_POSITION = 16;
export const CRC_POSITION = 17;
export const ATTRIBUTES_POSITION = 21;
export const LAST_OFFSET_DELTA_POSITION = 23;
export const BASE_TIMESTAMP_POSITION = 27;
export const MAX_TIMESTAMP_POSITION = 35;
export const PRODUCER_ID_POSITION = 43;
export const PRODUCER_EPOCH_POSITION = 51;
export const BASE_SEQUENCE_POSITION = 53;
export const RECORD_COUNT_POSITION = 57;

export const CODEC_MASK = 0b111;
export const TIMESTAMP_TYPE_BIT = 1 << 3;
export const TRANSACTIONAL_BIT = 1 << 4;
export const CONTROL_BIT = 1 << 5;
export const DELETE_HORIZON_BIT = 1 << 6;

/** Values of the codec bits. */
export const CODEC = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type CodecName = keyof typeof CODEC;
export const MAX_CODEC = CODEC.zstd;

export type TimestampType = 'create' | 'log-append';

/** Whole batch with header, in bytes. Only meaningful where at least 12 bytes stand at `position`. */
export function batchSizeBytes(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + BATCH_LENGTH_POSITION) + LOG_OVERHEAD_BYTES;
}

export function baseOffset(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + BASE_OFFSET_POSITION);
}

export function leaderEpoch(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + LEADER_EPOCH_POSITION);
}

export function magic(bytes: Uint8Array, position: number): number {
  return bytes[position + MAGIC_POSITION] as number;
}

/** The checksum that the batch carries; `computeCrc` is what it should be. */
export function crc(bytes: Uint8Array, position: number): number {
  return readUint32(bytes, position + CRC_POSITION);
}

export function attributes(bytes: Uint8Array, position: number): number {
  return readUint16(bytes, position + ATTRIBUTES_POSITION);
}

/** 0 to 7; only 0 to `MAX_CODEC` have a meaning. */
export function codec(bytes: Uint8Array, position: number): number {
  return (bytes[position + ATTRIBUTES_POSITION + 1] as number) & CODEC_MASK;
}

export function timestampType(bytes: Uint8Array, position: number): TimestampType {
  return isLogAppendTime(bytes, position) ? 'log-append' : 'create';
}

export function isLogAppendTime(bytes: Uint8Array, position: number): boolean {
  return ((bytes[position + ATTRIBUTES_POSITION + 1] as number) & TIMESTAMP_TYPE_BIT) !== 0;
}

export function isTransactional(bytes: Uint8Array, position: number): boolean {
  return ((bytes[position + ATTRIBUTES_POSITION + 1] as number) & TRANSACTIONAL_BIT) !== 0;
}

/** A batch of the broker's own: the end of a transaction, not data. */
export function isControl(bytes: Uint8Array, position: number): boolean {
  return ((bytes[position + ATTRIBUTES_POSITION + 1] as number) & CONTROL_BIT) !== 0;
}

/** Offset of the last record minus `baseOffset`; also the last sequence minus `baseSequence`. Inclusive. */
export function lastOffsetDelta(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + LAST_OFFSET_DELTA_POSITION);
}

/** Offset of the last record, inclusive. */
export function lastOffset(bytes: Uint8Array, position: number): number {
  return baseOffset(bytes, position) + lastOffsetDelta(bytes, position);
}

export function baseTimestamp(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + BASE_TIMESTAMP_POSITION);
}

export function maxTimestamp(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + MAX_TIMESTAMP_POSITION);
}

/** The offset behind the last of whole batches that stand back to back; `otherwise` where there are none. */
export function endOfBatches(bytes: Uint8Array, otherwise: number): number {
  let end = otherwise;
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) end = lastOffset(bytes, at) + 1;
  return end;
}

/** -1: the producer is not idempotent. */
export function producerId(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + PRODUCER_ID_POSITION);
}

export function producerEpoch(bytes: Uint8Array, position: number): number {
  return readInt16(bytes, position + PRODUCER_EPOCH_POSITION);
}

export function baseSequence(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + BASE_SEQUENCE_POSITION);
}

export function recordCount(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + RECORD_COUNT_POSITION);
}

/** CRC-32C of the batch as it stands. `sizeBytes` is that of the whole batch. */
export function computeCrc(bytes: Uint8Array, position: number, sizeBytes: number): number {
  return crc32cRange(bytes, position + ATTRIBUTES_POSITION, position + sizeBytes);
}

/** Gives the batch its place in the partition. Both fields lie outside the checksum: no copy, no CRC. */
export function stampBatch(bytes: Uint8Array, position: number, firstOffset: number, epoch: number): void {
  writeInt64(bytes, position + BASE_OFFSET_POSITION, firstOffset);
  writeUint32(bytes, position + LEADER_EPOCH_POSITION, epoch);
}

/** Sets log append time and `now` (milliseconds since 1970) as the time of every record, and the checksum anew. */
export function stampLogAppendTime(bytes: Uint8Array, position: number, now: number): void {
  writeUint16(bytes, position + ATTRIBUTES_POSITION, attributes(bytes, position) | TIMESTAMP_TYPE_BIT);
  writeInt64(bytes, position + MAX_TIMESTAMP_POSITION, now);
  writeUint32(bytes, position + CRC_POSITION, computeCrc(bytes, position, batchSizeBytes(bytes, position)));
}

type Words = (bytes: Uint8Array, maxBytes: number) => string;

/**
 * Why a produced batch is refused: code for the caller, words for people. The checks stand in `batchFault`, in the order
 * that decides which fault is named first.
 */
const FAULTS = {
  'too-short': [
    'MODEL_BATCH_CORRUPT',
    (b) => `${b.length} bytes are fewer than the ${BATCH_HEADER_BYTES} of a batch header`,
  ],
  length: [
    'MODEL_BATCH_CORRUPT',
    (b) =>
      `its length field says ${batchSizeBytes(b, 0)} bytes in all, but ${b.length} arrived (send one batch per partition)`,
  ],
  magic: [
    'MODEL_BATCH_UNSUPPORTED',
    (b) => `it has message format ${magic(b, 0)}; only format ${BATCH_MAGIC} (Kafka 0.11 and later) is accepted`,
  ],
  size: [
    'MODEL_BATCH_TOO_LARGE',
    (b, max) => `it has ${b.length} bytes, the limit is ${max}; send smaller batches or raise max.message.bytes`,
  ],
  crc: [
    'MODEL_BATCH_CORRUPT',
    (b) => `its checksum is ${hex(crc(b, 0))}, its bytes give ${hex(computeCrc(b, 0, b.length))}; send it again`,
  ],
  codec: [
    'MODEL_CODEC_UNSUPPORTED',
    (b) => `codec ${codec(b, 0)} is unknown; known are none, gzip, snappy, lz4, zstd (0 to 4)`,
  ],
  control: ['MODEL_BATCH_INVALID', () => 'it is a control batch, which only the broker may write'],
  'delete-horizon': [
    'MODEL_BATCH_INVALID',
    () => 'it carries a delete horizon (attribute bit 6), which only the broker may set',
  ],
  'timestamp-type': ['MODEL_BATCH_INVALID', () => 'it claims log append time, which only the broker may set'],
  count: [
    'MODEL_BATCH_INVALID',
    (b) =>
      `it declares ${recordCount(b, 0)} records but a last offset delta of ${lastOffsetDelta(b, 0)}; expected count - 1`,
  ],
  'count-bytes': [
    'MODEL_BATCH_INVALID',
    (b) =>
      `it declares ${recordCount(b, 0)} records in ${b.length - BATCH_HEADER_BYTES} bytes, fewer than ${MIN_RECORD_BYTES} each`,
  ],
  timestamp: ['MODEL_BATCH_INVALID', () => 'a timestamp in its header is beyond 2^53 milliseconds'],
  producer: [
    'MODEL_BATCH_INVALID',
    (b) =>
      `producer id ${producerId(b, 0)}, epoch ${producerEpoch(b, 0)}, sequence ${baseSequence(b, 0)} do not go together; ` +
      'an idempotent or transactional batch needs all three, any other has producer id -1',
  ],
} as const satisfies Record<string, readonly [ErrorCode, Words]>;

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

declare const built: unique symbol;

/**
 * A batch that `BatchBuilder` or its siblings made in this process, or that `checkedBatch` found good, and that nobody has
 * changed since, but for `stampBatch` and `stampLogAppendTime`: its length, format and checksum are known to be right. Only
 * those functions make it; never cast bytes that came from elsewhere.
 */
export type BuiltBatch = Uint8Array & { readonly [built]: true };

function batchFault(bytes: Uint8Array, maxBytes: number): keyof typeof FAULTS | undefined {
  if (bytes.length < BATCH_HEADER_BYTES) return 'too-short';
  // Magic before length: formats 0 and 1 have their magic at the same byte but count their length in another way.
  if (magic(bytes, 0) !== BATCH_MAGIC) return 'magic';
  if (batchSizeBytes(bytes, 0) !== bytes.length) return 'length';
  if (bytes.length > maxBytes) return 'size';
  if (crc(bytes, 0) !== computeCrc(bytes, 0, bytes.length)) return 'crc';
  return headerFault(bytes);
}

/** What a producer may say in its header; a wrong one here is not damage but a wrong producer. */
function headerFault(bytes: Uint8Array): keyof typeof FAULTS | undefined {
  const bits = attributes(bytes, 0);
  const codecBits = bits & CODEC_MASK;
  if (codecBits > MAX_CODEC) return 'codec';
  if ((bits & CONTROL_BIT) !== 0) return 'control';
  if ((bits & DELETE_HORIZON_BIT) !== 0) return 'delete-horizon';
  if ((bits & TIMESTAMP_TYPE_BIT) !== 0) return 'timestamp-type';
  const count = recordCount(bytes, 0);
  if (count <= 0 || lastOffsetDelta(bytes, 0) !== count - 1) return 'count';
  // A compressed blob may expand; its records are counted by whoever opens it, within limits.
  const recordBytes = bytes.length - BATCH_HEADER_BYTES;
  if (codecBits === CODEC.none ? count * MIN_RECORD_BYTES > recordBytes : recordBytes === 0) return 'count-bytes';
  if (Number.isNaN(baseTimestamp(bytes, 0)) || Number.isNaN(maxTimestamp(bytes, 0))) return 'timestamp';
  const id = producerId(bytes, 0);
  if (id === -1) return (bits & TRANSACTIONAL_BIT) === 0 ? undefined : 'producer';
  // `!(id >= 0)` and not `id < 0`, so that NaN, an id beyond 2^53, is refused too.
  return !(id >= 0) || producerEpoch(bytes, 0) < 0 || baseSequence(bytes, 0) < 0 ? 'producer' : undefined;
}

/**
 * Checks one produced batch, which must fill `bytes` exactly: length, format, size, checksum, and what its header claims.
 * The records themselves are not opened. Nothing is allocated for a good batch but one view for the checksum.
 *
 * @param maxBytes largest whole batch accepted (`max.message.bytes`), inclusive.
 * @returns undefined for a good batch, else MODEL_BATCH_CORRUPT (damaged: send again), MODEL_BATCH_UNSUPPORTED (old
 *   format), MODEL_BATCH_TOO_LARGE, MODEL_CODEC_UNSUPPORTED or MODEL_BATCH_INVALID. `batchError` says it in words.
 */
export function validateBatch(bytes: Uint8Array, maxBytes: number): ErrorCode | undefined {
  const fault = batchFault(bytes, maxBytes);
  return fault === undefined ? undefined : FAULTS[fault][0];
}

/** The same for a batch that was built here, without its checksum: that was most of the work. @returns as `validateBatch`. */
export function validateBuiltBatch(batch: BuiltBatch, maxBytes: number): ErrorCode | undefined {
  const fault = batch.length > maxBytes ? 'size' : headerFault(batch);
  return fault === undefined ? undefined : FAULTS[fault][0];
}

/** The same judgement with its reason; for the refusal's message, not for the hot path. */
export function batchError(bytes: Uint8Array, maxBytes: number): MillraceError | undefined {
  const fault = batchFault(bytes, maxBytes);
  if (fault === undefined) return undefined;
  const [code, words]: readonly [ErrorCode, Words] = FAULTS[fault];
  return new MillraceError(code, `The batch is refused: ${words(bytes, maxBytes)}.`, {
    details: { fault, sizeBytes: bytes.length, maxBytes },
  });
}

/** One batch that came from elsewhere, whose checksum need not be computed again. @throws what `batchError` gives. */
export function checkedBatch(bytes: Uint8Array, maxBytes: number): BuiltBatch {
  const error = batchError(bytes, maxBytes);
  if (error !== undefined) throw error;
  return bytes as BuiltBatch;
}
