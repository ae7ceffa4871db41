/**
 * Reads the records of a batch.
 *
 * | part | type | meaning |
 * |---|---|---|
 * | length | varint | bytes after this field |
 * | attributes | u8 | 0 |
 * | timestampDelta | varlong | to the batch's baseTimestamp, milliseconds |
 * | offsetDelta | varint | to the batch's baseOffset |
 * | key | varint n, n bytes | n = -1: null |
 * | value | varint n, n bytes | n = -1: null |
 * | headerCount | varint | |
 * | header | varint n, n bytes of UTF-8, then as value | repeated; a header's key is never null |
 *
 * Example, key "k", value "v", no headers, first of its batch: `10 00 00 00 02 6b 02 76 00`.
 *
 * Every count and length is the producer's choice, so each is held against the bytes left before anything follows from
 * it, and nothing is allocated until someone asks for a key, a value or headers. Source: KIP-98, KIP-82 (headers).
 */
import { asBuffer, utf8Text } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { VarintReader } from '../base/varint.ts';
import { decompress, MAX_DECOMPRESSED_BYTES } from './compression.ts';
import type { RecordHeader, StoredRecord } from './record.ts';
import {
  BATCH_HEADER_BYTES,
  baseOffset,
  baseTimestamp,
  batchSizeBytes,
  CODEC,
  codec,
  isLogAppendTime,
  lastOffsetDelta,
  MIN_RECORD_BYTES,
  maxTimestamp,
  recordCount,
} from './record-batch.ts';

const MIN_HEADER_BYTES = 2;
/** The position of a key or value that is null. */
const NULL_FIELD = -1;

/** What stands behind the batch header: the records, or their compressed blob. A view. */
export function recordBytes(bytes: Uint8Array, position: number): Uint8Array {
  return bytes.subarray(position + BATCH_HEADER_BYTES, position + batchSizeBytes(bytes, position));
}

/**
 * The records of a batch, decompressed where needed, on the calling thread.
 * @returns a view of the batch where it is not compressed, else owned bytes.
 * @throws as `decompress`.
 */
export function openRecords(bytes: Uint8Array, position: number, maxOutputBytes = MAX_DECOMPRESSED_BYTES): Uint8Array {
  const stored = recordBytes(bytes, position);
  return codec(bytes, position) === CODEC.none ? stored : decompress(codec(bytes, position), stored, maxOutputBytes);
}

/**
 * Walks the records of one batch without allocating; getters make views on demand.
 *
 * ```ts
 * const cursor = new RecordCursor(batch, 0, openRecords(batch, 0));
 * while (cursor.next()) print(cursor.offset, cursor.value);
 * ```
 */
export class RecordCursor {
  readonly #reader: VarintReader;
  #count = 0;
  #baseOffset = 0;
  #lastOffsetDelta = 0;
  #baseTimestamp = 0;
  /** NaN: each record has its own time. */
  #appendTime = Number.NaN;
  /** Where the records begin in their memory. */
  #start = 0;
  /** Exclusive. */
  #end = 0;
  #index = -1;
  #offsetDelta = -1;
  #timestamp = 0;
  #keyPosition = NULL_FIELD;
  #keyEnd = 0;
  #valuePosition = NULL_FIELD;
  #valueEnd = 0;
  #headerCount = 0;
  #headersPosition = 0;
  /** Where the current record's key begins, with its length. */
  #bodyPosition = 0;

  /**
   * @param bytes holds the batch header at `position`; read now, not kept.
   * @param records what `openRecords` or the decompressor gave; borrowed while the cursor lives.
   * @param start where in `records` they begin: what is not compressed may lie in its batch.
   * @param end exclusive.
   * @throws MODEL_RECORD_INVALID where the header declares more records than the bytes can hold.
   */
  constructor(bytes: Uint8Array, position: number, records: Uint8Array, start = 0, end = records.length) {
    this.#reader = new VarintReader(records);
    this.reset(bytes, position, records, start, end);
  }

  /** Starts over with another batch, as the constructor would: one cursor serves a whole walk. */
  reset(bytes: Uint8Array, position: number, records: Uint8Array, start: number, end: number): void {
    this.#reader.bytes = records;
    this.#reader.position = start;
    this.#start = start;
    this.#end = end;
    this.#index = -1;
    this.#offsetDelta = -1;
    this.#count = recordCount(bytes, position);
    this.#baseOffset = baseOffset(bytes, position);
    this.#lastOffsetDelta = lastOffsetDelta(bytes, position);
    this.#baseTimestamp = baseTimestamp(bytes, position);
    this.#appendTime = isLogAppendTime(bytes, position) ? maxTimestamp(bytes, position) : Number.NaN;
    if (this.#count < 0 || this.#count * MIN_RECORD_BYTES > end - start) {
      throw new MillraceError(
        'MODEL_RECORD_INVALID',
        `The batch at offset ${this.#baseOffset} declares ${this.#count} records in ${end - start} bytes.`,
        { details: { baseOffset: this.#baseOffset, recordCount: this.#count, sizeBytes: end - start } },
      );
    }
  }

  /** Records in the batch, as its header says. */
  get recordCount(): number {
    return this.#count;
  }

  /** Place of the current record in the batch, from 0; -1 before the first. */
  get index(): number {
    return this.#index;
  }

  get offset(): number {
    return this.#baseOffset + this.#offsetDelta;
  }

  get offsetDelta(): number {
    return this.#offsetDelta;
  }

  get timestamp(): number {
    return this.#timestamp;
  }

  get hasKey(): boolean {
    return this.#keyPosition !== NULL_FIELD;
  }

  get hasValue(): boolean {
    return this.#valuePosition !== NULL_FIELD;
  }

  /** Key, value and headers as they are encoded: what stands behind the deltas, which depend on the batch. A view. */
  get body(): Uint8Array {
    return this.#reader.bytes.subarray(this.#bodyPosition, this.#reader.end);
  }

  get headerCount(): number {
    return this.#headerCount;
  }

  /** The records' memory, in which the positions of the fields lie. */
  get bytes(): Uint8Array {
    return this.#reader.bytes;
  }

  /** Where the key begins; -1 without one. */
  get keyPosition(): number {
    return this.#keyPosition;
  }

  /** Exclusive. */
  get keyEnd(): number {
    return this.#keyEnd;
  }

  /** Where the value begins; -1 without one. */
  get valuePosition(): number {
    return this.#valuePosition;
  }

  /** Exclusive. */
  get valueEnd(): number {
    return this.#valueEnd;
  }

  get key(): Uint8Array | null {
    return this.hasKey ? this.#reader.bytes.subarray(this.#keyPosition, this.#keyEnd) : null;
  }

  get value(): Uint8Array | null {
    return this.hasValue ? this.#reader.bytes.subarray(this.#valuePosition, this.#valueEnd) : null;
  }

  /** The value as text; null: there is none; undefined: it is not UTF-8. */
  get valueText(): string | null | undefined {
    return this.hasValue ? utf8Text(this.#reader.bytes, this.#valuePosition, this.#valueEnd) : null;
  }

  get headers(): RecordHeader[] {
    if (this.#headerCount === 0) return [];
    const { bytes } = this.#reader;
    const text = asBuffer(bytes);
    // `next` has walked these bytes, so every length in them holds.
    const reader = new VarintReader(bytes, this.#headersPosition);
    const headers: RecordHeader[] = [];
    for (let i = 0; i < this.#headerCount; i++) {
      const keyEnd = reader.varint() + reader.position;
      const key = text.toString('utf8', reader.position, keyEnd);
      reader.position = keyEnd;
      const valueLength = reader.varint();
      const value = valueLength < 0 ? null : bytes.subarray(reader.position, reader.position + valueLength);
      reader.position += Math.max(valueLength, 0);
      headers.push({ key, value });
    }
    return headers;
  }

  /**
   * Value of the last header of this name, as Kafka's clients look one up; undefined where there is none. Allocates a view.
   * @param name UTF-8.
   */
  lastHeader(name: Uint8Array): Uint8Array | null | undefined {
    const { bytes } = this.#reader;
    const reader = new VarintReader(bytes, this.#headersPosition);
    let found: Uint8Array | null | undefined;
    for (let i = 0; i < this.#headerCount; i++) {
      const keyLength = reader.varint();
      const isIt = keyLength === name.length && startsWith(bytes, reader.position, name);
      reader.position += keyLength;
      const valueLength = reader.varint();
      if (isIt) found = valueLength < 0 ? null : bytes.subarray(reader.position, reader.position + valueLength);
      reader.position += Math.max(valueLength, 0);
    }
    return found;
  }

  /** Where the current record ends in the records' memory, exclusive; the next one begins there. */
  get endPosition(): number {
    return this.#reader.position;
  }

  /** The current record as an object of its own; key, value and header values are views. */
  record(): StoredRecord {
    return {
      offset: this.offset,
      timestamp: this.#timestamp,
      key: this.key,
      value: this.value,
      headers: this.headers,
    };
  }

  /**
   * Moves to the next record.
   * @returns false after the last.
   * @throws MODEL_RECORD_INVALID with the record and the place; the cursor is not used after that.
   */
  next(): boolean {
    const reader = this.#reader;
    if (this.#index + 1 >= this.#count) {
      if (reader.position !== this.#end) this.#fail(`${this.#end - reader.position} bytes follow the last record`);
      return false;
    }
    this.#index += 1;
    reader.end = this.#end;
    const length = reader.varint();
    if (!(length >= MIN_RECORD_BYTES - 1 && length <= reader.end - reader.position))
      this.#fail(`a length of ${length}`);
    reader.end = reader.position + length;
    this.#readTimes();
    this.#bodyPosition = reader.position;
    this.#keyEnd = this.#skipField('key', true);
    this.#keyPosition = this.#fieldPosition;
    this.#valueEnd = this.#skipField('value', true);
    this.#valuePosition = this.#fieldPosition;
    this.#skipHeaders();
    if (reader.position !== reader.end) this.#fail(`${reader.end - reader.position} bytes behind its headers`);
    return true;
  }

  #readTimes(): void {
    // Attributes: no bit has a meaning yet; a later one must not make old brokers refuse the record.
    this.#reader.position += 1;
    const timestamp = this.#baseTimestamp + this.#reader.varlong();
    const offsetDelta = this.#reader.varint();
    if (!Number.isSafeInteger(timestamp)) this.#fail('a timestamp that cannot be read or is beyond 2^53');
    // Compaction leaves gaps, but nothing goes back or leaves the batch.
    if (!(offsetDelta > this.#offsetDelta && offsetDelta <= this.#lastOffsetDelta)) {
      this.#fail(`offset delta ${offsetDelta} after ${this.#offsetDelta} with a last of ${this.#lastOffsetDelta}`);
    }
    this.#timestamp = Number.isNaN(this.#appendTime) ? timestamp : this.#appendTime;
    this.#offsetDelta = offsetDelta;
  }

  /** Second result of `#skipField`. */
  #fieldPosition = NULL_FIELD;

  /** @returns where the field ends. */
  #skipField(name: string, nullable: boolean): number {
    const reader = this.#reader;
    const length = reader.varint();
    if (length === -1 && nullable) {
      this.#fieldPosition = NULL_FIELD;
      return reader.position;
    }
    if (!(length >= 0 && length <= reader.end - reader.position)) this.#fail(`a ${name} length of ${length}`);
    this.#fieldPosition = reader.position;
    reader.position += length;
    return reader.position;
  }

  #skipHeaders(): void {
    const reader = this.#reader;
    const count = reader.varint();
    if (!(count >= 0 && count * MIN_HEADER_BYTES <= reader.end - reader.position))
      this.#fail(`a header count of ${count}`);
    this.#headerCount = count;
    this.#headersPosition = reader.position;
    for (let i = 0; i < count; i++) {
      this.#skipField('header key', false);
      this.#skipField('header value', true);
    }
  }

  #fail(what: string): never {
    const position = this.#reader.position - this.#start;
    const sizeBytes = this.#end - this.#start;
    throw new MillraceError(
      'MODEL_RECORD_INVALID',
      `Record ${this.#index} of the batch at offset ${this.#baseOffset} cannot be read: ${what}, ` +
        `at byte ${position} of ${sizeBytes}.`,
      { details: { baseOffset: this.#baseOffset, record: this.#index, position, sizeBytes } },
    );
  }
}

function startsWith(bytes: Uint8Array, position: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[position + i] !== wanted[i]) return false;
  return true;
}

/**
 * The records of one batch, in order, opened on the calling thread when the first is asked for.
 * Control batches hold no data: skip them (`isControl`) before calling this.
 *
 * @throws MODEL_RECORD_INVALID, MODEL_DECOMPRESSED_TOO_LARGE, MODEL_CODEC_UNSUPPORTED.
 */
export function* readRecords(
  bytes: Uint8Array,
  position = 0,
  maxOutputBytes = MAX_DECOMPRESSED_BYTES,
): Generator<StoredRecord, void, undefined> {
  const cursor = new RecordCursor(bytes, position, openRecords(bytes, position, maxOutputBytes));
  while (cursor.next()) yield cursor.record();
}

/**
 * The deep check of a produced batch that `validateBatch` has passed: every record can be read, offsets are dense (unless
 * the header says that records were left out of it since), and, for compacted topics, every record has a key.
 *
 * @returns undefined for a good batch, else why not: MODEL_RECORD_INVALID, or what opening the batch gave.
 */
export function findRecordFault(
  bytes: Uint8Array,
  records: Uint8Array,
  requireKeys: boolean,
): MillraceError | undefined {
  try {
    const cursor = new RecordCursor(bytes, 0, records);
    const isDense = cursor.recordCount === lastOffsetDelta(bytes, 0) + 1;
    while (cursor.next()) {
      if (isDense && cursor.offsetDelta !== cursor.index)
        return refuse(cursor.index, `has offset delta ${cursor.offsetDelta}`);
      if (requireKeys && !cursor.hasKey) return refuse(cursor.index, 'has no key, which a compacted topic needs');
    }
    return undefined;
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}

/** Places in the batch of records without a key, ascending; none where the batch cannot be read. */
export function findKeyless(bytes: Uint8Array, records: Uint8Array): number[] {
  const found: number[] = [];
  try {
    const cursor = new RecordCursor(bytes, 0, records);
    while (cursor.next()) if (!cursor.hasKey) found.push(cursor.index);
    return found;
  } catch (error) {
    if (error instanceof MillraceError) return [];
    throw error;
  }
}

function refuse(index: number, why: string): MillraceError {
  return new MillraceError('MODEL_RECORD_INVALID', `Record ${index} of the batch ${why}.`, {
    details: { record: index },
  });
}
