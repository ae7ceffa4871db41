/**
 * Ranges of one partition (`file-ranges.ts`) as bytes: 12 to 20 each where seven numbers would take 56. A broker with 100,000 topics
 * has up to 20 ranges of each, and has them twice while a worker folds or seals.
 *
 * A row is seven varints (`src/base/varint.ts`), four of them differences to the row before, or to zero in the first:
 *
 *   file - its file, baseOffset - its endOffset, endOffset - baseOffset, firstRow, rowCount, maxTimestamp - its maxTimestamp, sizeBytes
 *
 * In checkpoints they stand in the same order, and timestamps of any 64 bits have a form of their own.
 */
import type { StateReader, StateWriter } from '../base/state-bytes.ts';
import { MAX_SAFE_VARINT_BYTES, VarintReader, writeVarint } from '../base/varint.ts';
import type { FileNumber } from './file-number.ts';
import type { FileRange } from './file-ranges.ts';

/** Seven varints of the largest safe integers. */
export const MAX_RANGE_BYTES = 7 * MAX_SAFE_VARINT_BYTES;

const NOTHING = new Uint8Array(0);

/** Goes through rows from the first on; its fields are those of the row that was read last. */
export class RangeCursor implements FileRange {
  file: FileNumber = 0;
  baseOffset = 0;
  endOffset = 0;
  firstRow = 0;
  rowCount = 0;
  maxTimestamp = 0;
  sizeBytes = 0;
  /** Of the row; -1 before the first. */
  index = -1;
  readonly #reader = new VarintReader(NOTHING);

  /** Before the first row. @param bytes borrowed as long as rows are read. */
  begin(bytes: Uint8Array, position: number): void {
    const reader = this.#reader;
    reader.bytes = bytes;
    reader.position = position;
    reader.end = bytes.length;
    this.index = -1;
    this.file = 0;
    this.endOffset = 0;
    this.maxTimestamp = 0;
  }

  /** Behind the row that was read last. */
  get position(): number {
    return this.#reader.position;
  }

  /** The caller knows that there is one. */
  next(): void {
    const reader = this.#reader;
    this.file += reader.varlong();
    this.baseOffset = this.endOffset + reader.varlong();
    this.endOffset = this.baseOffset + reader.varlong();
    this.firstRow = reader.varlong();
    this.rowCount = reader.varlong();
    this.maxTimestamp += reader.varlong();
    this.sizeBytes = reader.varlong();
    this.index += 1;
  }

  /** A copy, which stays. */
  range(): FileRange {
    const { file, baseOffset, endOffset, firstRow, rowCount, maxTimestamp, sizeBytes } = this;
    return { file, baseOffset, endOffset, firstRow, rowCount, maxTimestamp, sizeBytes };
  }
}

/** What a row is written as a difference to. */
export type RangeBefore = Pick<FileRange, 'file' | 'endOffset' | 'maxTimestamp'>;

/** Before the first. */
export const NO_RANGE: RangeBefore = { file: 0, endOffset: 0, maxTimestamp: 0 };

/**
 * Writes the row that follows `last`, into `bytes` from their begin: `MAX_RANGE_BYTES` at most.
 *
 * @returns its length; 0 where it cannot be written: timestamps are any 64 bits that a producer sends.
 */
export function encodeRange(bytes: Uint8Array, last: RangeBefore, range: FileRange): number {
  const timestampStep = range.maxTimestamp - last.maxTimestamp;
  if (!Number.isSafeInteger(range.maxTimestamp) || !Number.isSafeInteger(timestampStep)) return 0;
  let at = writeVarint(bytes, 0, range.file - last.file);
  at = writeVarint(bytes, at, range.baseOffset - last.endOffset);
  at = writeVarint(bytes, at, range.endOffset - range.baseOffset);
  at = writeVarint(bytes, at, range.firstRow);
  at = writeVarint(bytes, at, range.rowCount);
  at = writeVarint(bytes, at, timestampStep);
  return writeVarint(bytes, at, range.sizeBytes);
}

/** In checkpoints. Byte layout: docs/formats.md, section PARTITION_VIEWS. */
export function writeRangeStep(writer: StateWriter, last: RangeBefore, range: FileRange): void {
  writer.varlong(range.file - last.file).varlong(range.baseOffset - last.endOffset);
  writer.varlong(range.endOffset - range.baseOffset).varlong(range.firstRow);
  const timestampStep = range.maxTimestamp - timestampOf(last);
  // Rows are never none: their sign says which form the timestamp has.
  if (Number.isSafeInteger(range.maxTimestamp) && Number.isSafeInteger(timestampStep)) {
    writer.varlong(range.rowCount).varlong(timestampStep);
  } else writer.varlong(-range.rowCount).i64(range.maxTimestamp);
  writer.varlong(range.sizeBytes);
}

export function readRangeStep(reader: StateReader, last: RangeBefore): FileRange {
  const file = last.file + reader.varlong();
  const baseOffset = last.endOffset + reader.varlong();
  const endOffset = baseOffset + reader.varlong();
  const firstRow = reader.natural();
  const rows = reader.varlong();
  const maxTimestamp = rows < 0 ? reader.i64() : timestampOf(last) + reader.varlong();
  return { file, baseOffset, endOffset, firstRow, rowCount: Math.abs(rows), maxTimestamp, sizeBytes: reader.natural() };
}

function timestampOf({ maxTimestamp }: RangeBefore): number {
  return Number.isSafeInteger(maxTimestamp) ? maxTimestamp : 0;
}
