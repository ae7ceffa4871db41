/**
 * Offsets by time. Extents know their largest timestamp, so a search opens one extent, and in it one batch.
 * Source: KIP-79 (offset for a timestamp), KIP-734 (offset of the largest timestamp).
 */
import { MillraceError } from '../base/errors.ts';
import { BatchCursor } from '../model/batch-cursor.ts';
import { lastOffset, maxTimestamp } from '../model/record-batch.ts';
import { findMaxTimestamp, findTimestamp, needsRecords, type TimestampMatch } from '../model/timestamp-search.ts';
import type { Partition } from '../store/partition.ts';
import { type Piece, planSpans, type Span } from '../store/read-plan.ts';
import type { PartitionReader } from '../store/reader.ts';
import type { Decompressor } from './decompressor/decompressor.ts';

/** No record is that late; also the answer for an empty partition. */
export const NO_MATCH: TimestampMatch = { offset: -1, timestamp: -1 };
const NOTHING_TO_OPEN = new Uint8Array(0);

export class Timestamps {
  readonly #reader: PartitionReader;
  readonly #decompressor: Decompressor;

  constructor(reader: PartitionReader, decompressor: Decompressor) {
    this.#reader = reader;
    this.#decompressor = decompressor;
  }

  /** The first readable record, by offset, at or after the time (ms since 1970); `NO_MATCH` where there is none. */
  async firstAtOrAfter(partition: Partition, timestamp: number): Promise<TimestampMatch> {
    let from = partition.logStartOffset;
    // An extent's largest timestamp may belong to a record before the log start: then the search goes on behind it.
    for (;;) {
      const piece = await this.#extentAtOrAfter(partition, timestamp, from);
      if (piece === undefined) return NO_MATCH;
      const match = await this.#searchPiece(partition, piece, timestamp);
      if (match !== undefined) return match;
      from = piece.endOffset;
    }
  }

  /** The record with the largest timestamp, the first of them; `NO_MATCH` for an empty partition. */
  async latest(partition: Partition): Promise<TimestampMatch> {
    const piece = await this.#latestExtent(partition);
    if (piece === undefined) return NO_MATCH;
    let best = NO_MATCH;
    await this.#eachBatch(piece, async (bytes, position) => {
      if (lastOffset(bytes, position) < partition.logStartOffset || maxTimestamp(bytes, position) <= best.timestamp)
        return;
      const records = await this.#decompressor.open(bytes, position);
      const match = findMaxTimestamp(bytes, position, records);
      if (match !== undefined && match.timestamp > best.timestamp && match.offset < partition.highWatermark)
        best = match;
    });
    return best;
  }

  async #extentAtOrAfter(partition: Partition, timestamp: number, from: number): Promise<Piece | undefined> {
    const { ranges, extents } = partition;
    for (let i = ranges?.find(from) ?? 0; i < (ranges?.count ?? 0); i++) {
      const range = ranges?.at(i);
      if (range === undefined || range.maxTimestamp < timestamp) continue;
      const piece = await this.#reader.index.firstAtOrAfter(range, timestamp, from);
      if (piece !== undefined) return piece;
    }
    // While an index was read a file may have left the extents for the ranges; the offsets tell.
    for (let i = Math.max(0, extents?.find(from) ?? 0); i < (extents?.count ?? 0); i++) {
      if (extents === undefined || extents.baseOffset(i) >= partition.highWatermark) return undefined;
      if (extents.maxTimestamp(i) >= timestamp) return pieceOf(partition, i);
    }
    return undefined;
  }

  async #latestExtent(partition: Partition): Promise<Piece | undefined> {
    const { ranges, extents } = partition;
    let best: Piece | undefined;
    for (let i = 0; i < (ranges?.count ?? 0); i++) {
      const range = ranges?.at(i);
      if (range === undefined || range.maxTimestamp <= (best?.maxTimestamp ?? -1)) continue;
      best = (await this.#reader.index.firstAtOrAfter(range, range.maxTimestamp, 0)) ?? best;
    }
    for (let i = 0; i < (extents?.count ?? 0); i++) {
      if (extents === undefined || extents.baseOffset(i) >= partition.highWatermark) break;
      if (extents.maxTimestamp(i) > (best?.maxTimestamp ?? -1)) best = pieceOf(partition, i);
    }
    return best;
  }

  async #searchPiece(partition: Partition, piece: Piece, timestamp: number): Promise<TimestampMatch | undefined> {
    let found: TimestampMatch | undefined;
    await this.#eachBatch(piece, async (bytes, position) => {
      if (found !== undefined || lastOffset(bytes, position) < partition.logStartOffset) return;
      if (maxTimestamp(bytes, position) < timestamp) return;
      const opens = needsRecords(bytes, position, timestamp);
      const records = opens ? await this.#decompressor.open(bytes, position) : NOTHING_TO_OPEN;
      const match = findTimestamp(bytes, position, records, timestamp, partition.logStartOffset);
      if (match !== undefined && match.offset < partition.highWatermark) found = match;
    });
    return found;
  }

  async #eachBatch(piece: Piece, visit: (bytes: Uint8Array, position: number) => Promise<void>): Promise<void> {
    const lease = await this.#reader.readSpan(planSpans([piece])[0] as Span);
    try {
      const cursor = new BatchCursor(lease.bytes, 0, piece.sizeBytes);
      for (;;) {
        const outcome = cursor.next();
        if (outcome === 'end') return;
        if (outcome !== 'batch') {
          throw new MillraceError(
            'STORE_CORRUPT',
            `Journal file ${piece.file}, position ${piece.position}: no batches.`,
          );
        }
        await visit(lease.bytes, cursor.position);
      }
    } finally {
      lease.release();
    }
  }
}

function pieceOf(partition: Partition, index: number): Piece | undefined {
  const { extents } = partition;
  if (extents === undefined) return undefined;
  return {
    file: extents.file(index),
    position: extents.position(index),
    sizeBytes: extents.sizeBytes(index),
    baseOffset: extents.baseOffset(index),
    endOffset: index + 1 < extents.count ? extents.baseOffset(index + 1) : partition.endOffset,
    maxTimestamp: extents.maxTimestamp(index),
  };
}
