/**
 * Makes record batches: byte tables in record-batch.ts and record-codec.ts.
 *
 * A builder is used again and again; its buffer grows to the largest batch it made. Strings are written straight into it.
 */
import { writeInt64, writeUint16, writeUint32 } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { varintSize, writeVarint } from '../base/varint.ts';
import { compress } from './compression.ts';
import type { RecordHeaderInput, RecordInput } from './record.ts';
import {
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  BASE_SEQUENCE_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_POSITION,
  BATCH_MAGIC,
  type BuiltBatch,
  CODEC,
  type CodecName,
  CRC_POSITION,
  computeCrc,
  DEFAULT_MAX_BATCH_BYTES,
  LAST_OFFSET_DELTA_POSITION,
  LEADER_EPOCH_POSITION,
  LOG_OVERHEAD_BYTES,
  MAGIC_POSITION,
  MAX_TIMESTAMP_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
  RECORD_COUNT_POSITION,
  TRANSACTIONAL_BIT,
} from './record-batch.ts';

export interface BatchBuilderOptions {
  readonly codec?: CodecName;
  /** Most bytes of a batch before compression, header included. Defaults to the broker's own limit. */
  readonly maxBytes?: number;
}

/** What a batch says of its producer; left out for one that is not idempotent. */
export interface ProducerFields {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional?: boolean;
}

type Field = Uint8Array | string | null | undefined;

const NO_HEADERS: readonly RecordHeaderInput[] = [];
const INITIAL_BYTES = 1024;
/** Below it a batch shares a slab of node's, which costs less than memory of its own. */
const OWN_MEMORY_BYTES = 4 * 1024;
/** Length, timestamp delta, offset delta and header count at their longest, and the attributes. */
const MAX_RECORD_OVERHEAD_BYTES = 5 + 1 + 10 + 5 + 5;

export class BatchBuilder {
  readonly #codec: number;
  readonly #maxBytes: number;
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #end = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(options: BatchBuilderOptions = {}) {
    this.#codec = CODEC[options.codec ?? 'none'];
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BATCH_BYTES;
  }

  get recordCount(): number {
    return this.#count;
  }

  /** Header and records so far, before compression. */
  get sizeBytes(): number {
    return this.#end;
  }

  /**
   * Appends a record, unless the batch would grow beyond its limit.
   * @returns false, changing nothing, where the record belongs into the next batch.
   * @throws MODEL_BATCH_TOO_LARGE for a record that fits no batch, MODEL_RECORD_INVALID for a timestamp that is no whole
   *   number of milliseconds below 2^53.
   */
  add(record: RecordInput): boolean {
    const { timestamp } = record;
    if (!Number.isSafeInteger(timestamp)) {
      throw new MillraceError(
        'MODEL_RECORD_INVALID',
        `Timestamp ${timestamp} is no whole number of milliseconds since 1970.`,
      );
    }
    const baseTimestamp = this.#count === 0 ? timestamp : this.#baseTimestamp;
    const delta = timestamp - baseTimestamp;
    if (!Number.isSafeInteger(delta)) {
      throw new MillraceError(
        'MODEL_RECORD_INVALID',
        `Timestamps ${baseTimestamp} and ${timestamp} are too far apart for one batch.`,
      );
    }
    const bodySize = this.#bodySize(record, delta);
    const size = bodySize + varintSize(bodySize);
    if (this.#end + size > this.#maxBytes) {
      if (this.#count > 0) return false;
      throw new MillraceError(
        'MODEL_BATCH_TOO_LARGE',
        `A record of ${size} bytes does not fit a batch of ${this.#maxBytes} bytes; split it or raise max.message.bytes.`,
        { details: { sizeBytes: size, maxBytes: this.#maxBytes } },
      );
    }
    this.#reserve(size + MAX_RECORD_OVERHEAD_BYTES);
    this.#write(record, bodySize, delta);
    this.#maxTimestamp = this.#count === 0 ? timestamp : Math.max(this.#maxTimestamp, timestamp);
    this.#baseTimestamp = baseTimestamp;
    this.#count += 1;
    return true;
  }

  /**
   * Finishes the batch and empties the builder.
   * @returns the batch, owned by the caller: base offset and leader epoch 0, as a producer sends it.
   */
  build(producer?: ProducerFields): BuiltBatch {
    if (this.#count === 0) throw new TypeError('A batch needs at least one record.');
    const stored = this.#bytes.subarray(BATCH_HEADER_BYTES, this.#end);
    const records = this.#codec === CODEC.none ? stored : compress(this.#codec, stored);
    const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
    batch.set(records, BATCH_HEADER_BYTES);
    const built = writeBatchHeader(batch, {
      attributes: this.#codec | (producer?.transactional === true ? TRANSACTIONAL_BIT : 0),
      recordCount: this.#count,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      producer,
    });
    this.reset();
    return built;
  }

  /** Forgets what was added. */
  reset(): void {
    this.#end = BATCH_HEADER_BYTES;
    this.#count = 0;
  }

  #bodySize(record: RecordInput, delta: number): number {
    const headers = record.headers ?? NO_HEADERS;
    let size = 1 + varintSize(delta) + varintSize(this.#count) + fieldSize(record.key) + fieldSize(record.value);
    size += varintSize(headers.length);
    for (const header of headers) size += fieldSize(header.key) + fieldSize(header.value);
    return size;
  }

  #write(record: RecordInput, bodySize: number, delta: number): void {
    const bytes = this.#bytes;
    const headers = record.headers ?? NO_HEADERS;
    let at = writeVarint(bytes, this.#end, bodySize);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, delta);
    at = writeVarint(bytes, at, this.#count);
    at = writeField(bytes, at, record.key);
    at = writeField(bytes, at, record.value);
    at = writeVarint(bytes, at, headers.length);
    for (const header of headers) at = writeField(bytes, writeField(bytes, at, header.key), header.value);
    this.#end = at;
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#end + size));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

/** One batch of all the records. @throws as `BatchBuilder.add`; MODEL_BATCH_TOO_LARGE also where they do not fit one. */
export function encodeBatch(
  records: Iterable<RecordInput>,
  options: BatchBuilderOptions & { readonly producer?: ProducerFields } = {},
): BuiltBatch {
  const builder = new BatchBuilder(options);
  for (const record of records) {
    if (builder.add(record)) continue;
    const maxBytes = options.maxBytes ?? DEFAULT_MAX_BATCH_BYTES;
    throw new MillraceError(
      'MODEL_BATCH_TOO_LARGE',
      `The records do not fit one batch of ${maxBytes} bytes: ${builder.recordCount} of them did. Send fewer at once.`,
      { details: { maxBytes, recordCount: builder.recordCount } },
    );
  }
  return builder.build(options.producer);
}

/**
 * A batch of one large value without key or headers: the value is copied once, where a builder copies it twice.
 * @returns the batch, owned by the caller.
 */
export function encodeValueBatch(value: Uint8Array, timestamp: number): BuiltBatch {
  const size = valueBatchBytes(value.length);
  const batch = size < OWN_MEMORY_BYTES ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
  return writeValueBatch(batch, [value], value.length, timestamp);
}

/** Size of the batch that `writeValueBatch` makes of a value of so many bytes. */
export function valueBatchBytes(valueBytes: number): number {
  const bodySize = valueBodyBytes(valueBytes);
  return BATCH_HEADER_BYTES + varintSize(bodySize) + bodySize;
}

/** Where the value stands in it. */
export function valuePosition(valueBytes: number): number {
  // Only the count of headers is behind it.
  return valueBatchBytes(valueBytes) - valueBytes - 1;
}

/**
 * As `encodeValueBatch`, into memory that is given.
 *
 * @param batch as long as `valueBatchBytes` says.
 * @param parts of the value, in order; together `valueBytes`. Undefined: it stands where `valuePosition` says.
 */
export function writeValueBatch(
  batch: Buffer,
  parts: readonly Uint8Array[] | undefined,
  valueBytes: number,
  timestamp: number,
): BuiltBatch {
  let at = writeVarint(batch, BATCH_HEADER_BYTES, valueBodyBytes(valueBytes));
  batch[at++] = 0;
  at = writeVarint(batch, at, 0);
  at = writeVarint(batch, at, 0);
  at = writeField(batch, at, null);
  at = writeVarint(batch, at, valueBytes);
  for (const part of parts ?? []) {
    batch.set(part, at);
    at += part.length;
  }
  writeVarint(batch, batch.length - 1, 0);
  const header = { attributes: CODEC.none, recordCount: 1, baseTimestamp: timestamp, maxTimestamp: timestamp };
  return writeBatchHeader(batch, { ...header, producer: undefined });
}

function valueBodyBytes(valueBytes: number): number {
  // Attributes, both deltas, a null key, and the count of headers take a byte each.
  return 5 + varintSize(valueBytes) + valueBytes;
}

interface BatchHeaderFields {
  readonly attributes: number;
  readonly recordCount: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producer: ProducerFields | undefined;
}

/** In front of records that are there already: the checksum is over them. */
function writeBatchHeader(batch: Buffer, fields: BatchHeaderFields): BuiltBatch {
  const { producer } = fields;
  writeInt64(batch, BASE_OFFSET_POSITION, 0);
  writeUint32(batch, BATCH_LENGTH_POSITION, batch.length - LOG_OVERHEAD_BYTES);
  writeUint32(batch, LEADER_EPOCH_POSITION, 0);
  batch[MAGIC_POSITION] = BATCH_MAGIC;
  writeUint16(batch, ATTRIBUTES_POSITION, fields.attributes);
  writeUint32(batch, LAST_OFFSET_DELTA_POSITION, fields.recordCount - 1);
  writeInt64(batch, BASE_TIMESTAMP_POSITION, fields.baseTimestamp);
  writeInt64(batch, MAX_TIMESTAMP_POSITION, fields.maxTimestamp);
  writeInt64(batch, PRODUCER_ID_POSITION, producer?.producerId ?? -1);
  writeUint16(batch, PRODUCER_EPOCH_POSITION, producer?.producerEpoch ?? -1);
  writeUint32(batch, BASE_SEQUENCE_POSITION, producer?.baseSequence ?? -1);
  writeUint32(batch, RECORD_COUNT_POSITION, fields.recordCount);
  writeUint32(batch, CRC_POSITION, computeCrc(batch, 0, batch.length));
  return batch as Uint8Array as BuiltBatch;
}

function fieldSize(field: Field): number {
  if (field === null || field === undefined) return 1;
  const length = typeof field === 'string' ? Buffer.byteLength(field) : field.length;
  return varintSize(length) + length;
}

function writeField(bytes: Buffer, position: number, field: Field): number {
  if (field === null || field === undefined) return writeVarint(bytes, position, -1);
  if (typeof field !== 'string') {
    const at = writeVarint(bytes, position, field.length);
    bytes.set(field, at);
    return at + field.length;
  }
  const length = Buffer.byteLength(field);
  const at = writeVarint(bytes, position, length);
  bytes.write(field, at, length, 'utf8');
  return at + length;
}
