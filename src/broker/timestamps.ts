/**
 * Offsets by time. Extents know their largest timestamp, so a search opens one extent, and in it one batch.
 * Source: KIP-79 (offset for a timestamp), KIP-734 (offset of the largest timestamp).
 */
import { BatchCursor } from '../model/batch-cursor.ts';
import { baseTimestamp, isLogAppendTime, lastOffset, maxTimestamp } from '../model/record-batch.ts';
import { findMaxTimestamp, findTimestamp, needsRecords, type TimestampMatch } from '../model/timestamp-search.ts';
import type { ExtentList } from '../store/extent-list.ts';
import type { FileRange } from '../store/file-ranges.ts';
import type { Partition } from '../store/partition.ts';
import { type Piece, planSpans, type Span } from '../store/read-plan.ts';
import { notBatches, type PartitionReader, planAnew } from '../store/reader.ts';
import { soundBytes } from '../store/sound-batches.ts';
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
  firstAtOrAfter(partition: Partition, timestamp: number): Promise<TimestampMatch> {
    return planAnew(() => this.#firstAtOrAfter(partition, timestamp));
  }

  async #firstAtOrAfter(partition: Partition, timestamp: number): Promise<TimestampMatch> {
    let from = partition.logStartOffset;
    // An extent's largest timestamp may belong to a record before the log start: then the search goes on behind it.
    while (from < partition.highWatermark) {
      const piece = await this.#extentAtOrAfter(partition, timestamp, from);
      if (piece === undefined) return NO_MATCH;
      const match = await this.#searchPiece(partition, piece, timestamp);
      if (match !== undefined) return match;
      from = piece.endOffset;
    }
    return NO_MATCH;
  }

  /** The record with the largest timestamp, the first of them; `NO_MATCH` for an empty partition. */
  latest(partition: Partition): Promise<TimestampMatch> {
    return planAnew(() => this.#latest(partition));
  }

  async #latest(partition: Partition): Promise<TimestampMatch> {
    const from = partition.logStartOffset;
    const end = partition.highWatermark;
    let best = NO_MATCH;
    for (const piece of await this.#latestExtents(partition, from)) {
      await this.#eachBatch(piece, async (bytes, position) => {
        if (lastOffset(bytes, position) < from || maxTimestamp(bytes, position) <= best.timestamp) return;
        const opens = !isLogAppendTime(bytes, position);
        const records = opens ? await this.#decompressor.open(bytes, position) : NOTHING_TO_OPEN;
        const match = findMaxTimestamp(bytes, position, records, from);
        if (match !== undefined && match.timestamp > best.timestamp && match.offset < end) best = match;
      });
    }
    return best;
  }

  /** That of the batch at the log start: of its first record, or of all where the broker gave them. */
  oldest(partition: Partition): Promise<number | undefined> {
    return planAnew(() => this.#oldest(partition));
  }

  async #oldest(partition: Partition): Promise<number | undefined> {
    const { logStartOffset, highWatermark } = partition;
    if (logStartOffset >= highWatermark) return undefined;
    const [piece] = await this.#reader.plan(partition, logStartOffset, highWatermark, 1);
    let timestamp: number | undefined;
    if (piece === undefined) return undefined;
    await this.#eachBatch(piece, async (bytes, position) => {
      if (timestamp !== undefined || lastOffset(bytes, position) < logStartOffset) return;
      timestamp = isLogAppendTime(bytes, position) ? maxTimestamp(bytes, position) : baseTimestamp(bytes, position);
    });
    return timestamp === undefined || timestamp < 0 ? undefined : timestamp;
  }

  /**
   * Goes by offsets and looks at the partition anew after each await: meanwhile a file may have left the extents for the
   * ranges, and ranges may have been deleted.
   */
  async #extentAtOrAfter(partition: Partition, timestamp: number, from: number): Promise<Piece | undefined> {
    let next = from;
    for (;;) {
      const { ranges, extents } = partition;
      const inMemory = extents?.find(next) ?? -1;
      if (inMemory >= 0) return extentAtOrAfter(partition, inMemory, timestamp);
      const at = ranges?.find(next) ?? 0;
      if (ranges === undefined || at >= ranges.count) {
        // Before the first extent: what was there is deleted.
        return extents === undefined ? undefined : extentAtOrAfter(partition, 0, timestamp);
      }
      const range = ranges.at(at);
      if (range.maxTimestamp >= timestamp) {
        const piece = await this.#reader.index.firstAtOrAfter(range, timestamp, Math.max(next, range.baseOffset));
        if (piece !== undefined) return piece;
      }
      next = range.endOffset;
    }
  }

  /**
   * The extents that may hold the largest timestamp: the latest of those that lie wholly behind the log start, and the
   * one that contains it, whose largest timestamp may be a deleted record's. In order of offsets.
   */
  async #latestExtents(partition: Partition, from: number): Promise<Piece[]> {
    const { partial, best } = latestOf(partition, from);
    const pieces: Piece[] = [];
    if (partial !== undefined) {
      pieces.push(...('rowCount' in partial ? await this.#reader.index.latest(partial, from) : [partial]));
    }
    if (best !== undefined) {
      const piece =
        'rowCount' in best ? await this.#reader.index.firstAtOrAfter(best, best.maxTimestamp, best.baseOffset) : best;
      if (piece !== undefined) pieces.push(piece);
    }
    return pieces;
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
      const sound = soundBytes(lease.bytes.subarray(0, piece.sizeBytes), piece.baseOffset);
      if (sound < piece.sizeBytes) throw notBatches(piece.file, piece, sound);
      const cursor = new BatchCursor(lease.bytes, 0, piece.sizeBytes);
      for (;;) {
        const outcome = cursor.next();
        if (outcome === 'end') return;
        if (outcome !== 'batch') throw notBatches(piece.file, piece, cursor.position);
        await visit(lease.bytes, cursor.position);
      }
    } finally {
      lease.release();
    }
  }
}

/** The same from extent `first` on. */
function extentAtOrAfter(partition: Partition, first: number, timestamp: number): Piece | undefined {
  const { extents } = partition;
  for (let i = first; i < (extents?.count ?? 0); i++) {
    if (extents === undefined || extents.baseOffset(i) >= partition.highWatermark) return undefined;
    if (extents.maxTimestamp(i) >= timestamp) return pieceOf(partition, extents, i);
  }
  return undefined;
}

interface Latest {
  partial: FileRange | Piece | undefined;
  best: FileRange | Piece | undefined;
}

function latestOf(partition: Partition, from: number): Latest {
  const { ranges, extents } = partition;
  const latest: Latest = { partial: undefined, best: undefined };
  for (let i = ranges?.find(from) ?? 0; i < (ranges?.count ?? 0); i++) {
    if (ranges !== undefined) consider(latest, ranges.at(i), from);
  }
  for (let i = Math.max(0, extents?.find(from) ?? 0); i < (extents?.count ?? 0); i++) {
    if (extents === undefined || extents.baseOffset(i) >= partition.highWatermark) break;
    consider(latest, pieceOf(partition, extents, i), from);
  }
  return latest;
}

function consider(latest: Latest, one: FileRange | Piece, from: number): void {
  if (one.baseOffset < from) latest.partial = one;
  else if (one.maxTimestamp > (latest.best?.maxTimestamp ?? -1)) latest.best = one;
}

function pieceOf(partition: Partition, extents: ExtentList, index: number): Piece {
  return {
    file: extents.file(index),
    position: extents.position(index),
    sizeBytes: extents.sizeBytes(index),
    baseOffset: extents.baseOffset(index),
    endOffset: index + 1 < extents.count ? extents.baseOffset(index + 1) : partition.endOffset,
    maxTimestamp: extents.maxTimestamp(index),
  };
}
