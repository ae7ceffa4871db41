/**
 * Writes what compaction keeps as batches that follow each other without a gap, as all batches of a partition do: where
 * records are gone, the next batch begins earlier and its records have larger deltas. So whoever reads at an offset that is
 * gone gets the batch with the next record, and no reader steps through nothing.
 *
 * ```
 *   before   [0 1 2][3 4][5 6 7]          offsets of records; 1, 3, 4, 5 are superseded
 *   after    [0 . 2 . . . 6 7]            one batch, base offset 0, deltas 0 2 6 7
 * ```
 *
 * Records of neighbouring batches are packed together while they have one codec, one type of timestamp and one delete
 * horizon. Producer id, epoch and sequence go, and so does the transactional mark: only decided records come here, and the
 * producers' state is folded from the journal. Control batches stay by themselves.
 */
import { writeInt64, writeUint16, writeUint32 } from '../../base/bytes.ts';
import { varintSize, writeVarint } from '../../base/varint.ts';
import { compress } from '../../model/compression.ts';
import {
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  BASE_SEQUENCE_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_POSITION,
  BATCH_MAGIC,
  CODEC,
  CONTROL_BIT,
  CRC_POSITION,
  computeCrc,
  DELETE_HORIZON_BIT,
  LAST_OFFSET_DELTA_POSITION,
  LEADER_EPOCH_POSITION,
  LOG_OVERHEAD_BYTES,
  MAGIC_POSITION,
  MAX_TIMESTAMP_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
  RECORD_COUNT_POSITION,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from '../../model/record-batch.ts';
import type { RecordCursor } from '../../model/record-codec.ts';

/** Records of a packed batch before compression: enough to compress well, little enough for a reader of one record. */
const TARGET_BYTES = 64 * 1024;
const MAX_OFFSET_DELTA = 0x7fff_ffff;
/** Length, timestamp delta and offset delta at their longest, and the attributes. */
const MAX_RECORD_OVERHEAD_BYTES = 5 + 1 + 10 + 5;

/** Takes whole batches in order of offsets; `bytes` are borrowed for the call. `endOffset` is exclusive. */
export type EmitBatch = (bytes: Uint8Array, baseOffset: number, endOffset: number, maxTimestamp: number) => void;

/** What records of one batch have in common. */
export interface PackShape {
  readonly codec: number;
  /** The broker's time, of all records of the batch; undefined: they have their producer's. */
  readonly appendTime: number | undefined;
  /** When tombstones of the batch go, ms since 1970; undefined: it has none. */
  readonly deleteHorizon: number | undefined;
  /** Of a marker: its producer. */
  readonly control?: { readonly producerId: number; readonly producerEpoch: number } | undefined;
}

export class BatchPacker {
  readonly #emit: EmitBatch;
  #bytes = Buffer.allocUnsafeSlow(TARGET_BYTES * 2);
  #end = BATCH_HEADER_BYTES;
  #count = 0;
  #shape: PackShape | undefined;
  #baseTimestamp = 0;
  #maxTimestamp = -1;
  #lastOffset = -1;
  /** Where the next batch begins. */
  #next: number;

  /** @param baseOffset where the first batch begins. */
  constructor(baseOffset: number, emit: EmitBatch) {
    this.#next = baseOffset;
    this.#emit = emit;
  }

  get nextOffset(): number {
    return this.#next;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Appends the cursor's record. */
  add(record: RecordCursor, shape: PackShape): void {
    const { offset, timestamp, body } = record;
    const fits = this.#count > 0 && this.#end + body.length <= TARGET_BYTES && mixes(this.#shape as PackShape, shape);
    if (!(fits && offset - this.#next <= MAX_OFFSET_DELTA)) {
      this.flush();
      if (offset - this.#next > MAX_OFFSET_DELTA) this.#fill(offset);
      this.#baseTimestamp = shape.deleteHorizon ?? timestamp;
      this.#maxTimestamp = timestamp;
      this.#shape = shape;
    }
    this.#write(body, timestamp - this.#baseTimestamp, offset - this.#next);
    this.#maxTimestamp = Math.max(this.#maxTimestamp, timestamp);
    this.#lastOffset = offset;
    this.#count += 1;
  }

  /** @param endOffset of the batch, exclusive; records up to there are gone. Default: behind its last record. */
  flush(endOffset = this.#lastOffset + 1): void {
    if (this.#count === 0) return;
    const shape = this.#shape as PackShape;
    const stored = this.#bytes.subarray(BATCH_HEADER_BYTES, this.#end);
    const records = shape.control === undefined ? compress(shape.codec, stored) : stored;
    const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
    batch.set(records, BATCH_HEADER_BYTES);
    this.#writeHeader(batch, shape, endOffset);
    this.#emit(batch, this.#next, endOffset, this.#maxTimestamp);
    this.#next = endOffset;
    this.#end = BATCH_HEADER_BYTES;
    this.#count = 0;
  }

  /** A batch that stays as it is, and begins where the one before ends. */
  verbatim(batch: Uint8Array, baseOffset: number, endOffset: number, maxTimestamp: number): void {
    this.flush(baseOffset);
    if (baseOffset > this.#next) this.#fill(baseOffset);
    this.#emit(batch, baseOffset, endOffset, maxTimestamp);
    this.#next = endOffset;
  }

  /** Empty batches up to an offset, for gaps that nothing behind them can take in. */
  #fill(endOffset: number): void {
    while (this.#next < endOffset) {
      const end = Math.min(endOffset, this.#next + MAX_OFFSET_DELTA);
      const batch = Buffer.alloc(BATCH_HEADER_BYTES);
      this.#baseTimestamp = -1;
      this.#maxTimestamp = -1;
      this.#writeHeader(batch, { codec: CODEC.none, appendTime: undefined, deleteHorizon: undefined }, end);
      this.#emit(batch, this.#next, end, -1);
      this.#next = end;
    }
  }

  #write(body: Uint8Array, timestampDelta: number, offsetDelta: number): void {
    const size = 1 + varintSize(timestampDelta) + varintSize(offsetDelta) + body.length;
    this.#reserve(size + MAX_RECORD_OVERHEAD_BYTES);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#end, size);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, timestampDelta);
    at = writeVarint(bytes, at, offsetDelta);
    bytes.set(body, at);
    this.#end = at + body.length;
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#end + size));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }

  #writeHeader(batch: Buffer, shape: PackShape, endOffset: number): void {
    const { control } = shape;
    writeInt64(batch, BASE_OFFSET_POSITION, this.#next);
    writeUint32(batch, BATCH_LENGTH_POSITION, batch.length - LOG_OVERHEAD_BYTES);
    writeUint32(batch, LEADER_EPOCH_POSITION, 0);
    batch[MAGIC_POSITION] = BATCH_MAGIC;
    writeUint16(batch, ATTRIBUTES_POSITION, attributesOf(shape));
    writeUint32(batch, LAST_OFFSET_DELTA_POSITION, endOffset - 1 - this.#next);
    writeInt64(batch, BASE_TIMESTAMP_POSITION, this.#baseTimestamp);
    writeInt64(batch, MAX_TIMESTAMP_POSITION, this.#maxTimestamp);
    writeInt64(batch, PRODUCER_ID_POSITION, control?.producerId ?? -1);
    writeUint16(batch, PRODUCER_EPOCH_POSITION, control?.producerEpoch ?? 0xffff);
    writeUint32(batch, BASE_SEQUENCE_POSITION, 0xffff_ffff);
    writeUint32(batch, RECORD_COUNT_POSITION, this.#count);
    writeUint32(batch, CRC_POSITION, computeCrc(batch, 0, batch.length));
  }
}

function mixes(one: PackShape, other: PackShape): boolean {
  return (
    one.codec === other.codec &&
    one.appendTime === other.appendTime &&
    one.control === undefined &&
    other.control === undefined &&
    // A horizon is the base of the timestamps: what needs one begins a batch.
    (other.deleteHorizon === undefined || one.deleteHorizon === other.deleteHorizon)
  );
}

function attributesOf({ codec, appendTime, deleteHorizon, control }: PackShape): number {
  if (control !== undefined) return CONTROL_BIT | TRANSACTIONAL_BIT;
  return (
    codec | (appendTime === undefined ? 0 : TIMESTAMP_TYPE_BIT) | (deleteHorizon === undefined ? 0 : DELETE_HORIZON_BIT)
  );
}
