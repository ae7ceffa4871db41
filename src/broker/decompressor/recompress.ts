/**
 * Stores a batch in another codec (`compression.type`): its records are opened and packed anew, its header stays but for
 * codec, length and checksum. Milliseconds of work, so it runs on a worker thread.
 */
import { writeUint16, writeUint32 } from '../../base/bytes.ts';
import { compress, decompress } from '../../model/compression.ts';
import {
  ATTRIBUTES_POSITION,
  attributes,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_POSITION,
  CODEC_MASK,
  CRC_POSITION,
  codec,
  computeCrc,
  LOG_OVERHEAD_BYTES,
} from '../../model/record-batch.ts';
import { findRecordFault } from '../../model/record-codec.ts';

export interface TargetCodec {
  /** Codec bits. */
  readonly codec: number;
  /** Of the codec's own scale; undefined: its default. */
  readonly level: number | undefined;
}

/**
 * @param batch exactly one valid batch.
 * @param maxOutputBytes largest size of the opened records, inclusive.
 * @returns owned bytes.
 * @throws MODEL_RECORD_INVALID (the compressed data or a record is damaged), MODEL_DECOMPRESSED_TOO_LARGE.
 */
export function recompress(batch: Uint8Array, target: TargetCodec, maxOutputBytes: number): Uint8Array {
  const opened = decompress(codec(batch, 0), batch.subarray(BATCH_HEADER_BYTES), maxOutputBytes);
  // Opened anyway, so checked to the last record, as Kafka does: what cannot be read would fail at every consumer.
  const fault = findRecordFault(batch, opened, false);
  if (fault !== undefined) throw fault;
  const records = compress(target.codec, opened, target.level);
  const result = new Uint8Array(BATCH_HEADER_BYTES + records.length);
  result.set(batch.subarray(0, BATCH_HEADER_BYTES));
  result.set(records, BATCH_HEADER_BYTES);
  writeUint32(result, BATCH_LENGTH_POSITION, result.length - LOG_OVERHEAD_BYTES);
  writeUint16(result, ATTRIBUTES_POSITION, (attributes(batch, 0) & ~CODEC_MASK) | target.codec);
  writeUint32(result, CRC_POSITION, computeCrc(result, 0, result.length));
  return result;
}
