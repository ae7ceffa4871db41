/**
 * How far a partition's log start has to move: what its topic's limits no longer keep. Pure; `src/broker/retention` asks,
 * and puts the answer into the journal as an offset, so that no replay decides again.
 *
 * As in Kafka, records go in units, from the oldest on: a unit goes by age when its newest record is too old, by size when
 * what stays is still as large as the limit. Where Kafka has a segment, here a unit is what one commit brought while its
 * journal file is open, and later all that the partition has in one journal file or chunk. The limit by count is exact.
 */
import type { Partition } from './partition.ts';

/** Each -1: no such limit. */
export interface RetentionLimits {
  /** `retention.ms`: by the records' timestamps. Batches without timestamps do not age. */
  readonly maxAgeMs: number;
  /** `retention.bytes`: of a partition. */
  readonly maxBytes: number;
  /** `retention.records`: of a partition, in offsets. */
  readonly maxRecords: number;
}

/** @returns the log start afterwards; never before the one of now, never behind the high watermark. */
export function retainedStart(partition: Partition, limits: RetentionLimits, now: number): number {
  const { maxAgeMs, maxBytes, maxRecords } = limits;
  const { highWatermark } = partition;
  let start = partition.logStartOffset;
  if (start >= highWatermark) return start;
  if (maxAgeMs >= 0 || maxBytes >= 0) {
    const oldest = maxAgeMs >= 0 ? now - maxAgeMs : Number.NEGATIVE_INFINITY;
    let sizeBytes = maxBytes >= 0 ? partition.sizeBytes : 0;
    for (let index = 0; ; index++) {
      const unit = unitAt(partition, index);
      if (unit === undefined || unit.endOffset > highWatermark) break;
      const tooOld = unit.maxTimestamp >= 0 && unit.maxTimestamp < oldest;
      const tooLarge = maxBytes >= 0 && sizeBytes - unit.sizeBytes >= maxBytes;
      if (!tooOld && !tooLarge) break;
      start = Math.max(start, unit.endOffset);
      sizeBytes -= unit.sizeBytes;
    }
  }
  return maxRecords >= 0 ? Math.max(start, highWatermark - maxRecords) : start;
}

/**
 * The log start where what a reader has not read stays longer: until it has, or for `waitMs` beyond the limit by age.
 *
 * @param start of `retainedStart`. @param slowest next offset of the slowest reader; undefined: there is none.
 */
export function waitingStart(
  partition: Partition,
  limits: RetentionLimits,
  now: number,
  { start, slowest, waitMs }: { readonly start: number; readonly slowest: number | undefined; readonly waitMs: number },
): number {
  if (slowest === undefined || slowest >= start) return start;
  const latest = { maxAgeMs: Math.max(0, limits.maxAgeMs) + waitMs, maxBytes: -1, maxRecords: -1 };
  return Math.min(start, Math.max(slowest, retainedStart(partition, latest, now), partition.logStartOffset));
}

/** When the oldest records will go by age (ms since 1970); undefined where they will not. */
export function nextExpiry(partition: Partition, limits: RetentionLimits): number | undefined {
  if (limits.maxAgeMs < 0 || partition.logStartOffset >= partition.highWatermark) return undefined;
  const unit = unitAt(partition, 0);
  return unit === undefined || unit.maxTimestamp < 0 ? undefined : unit.maxTimestamp + limits.maxAgeMs;
}

interface Unit {
  /** Exclusive. */
  readonly endOffset: number;
  readonly maxTimestamp: number;
  readonly sizeBytes: number;
}

/** The partition's ranges, then its extents. */
function unitAt({ ranges, extents, endOffset }: Partition, index: number): Unit | undefined {
  const rangeCount = ranges?.count ?? 0;
  if (ranges !== undefined && index < rangeCount) {
    return {
      endOffset: ranges.endOffset(index),
      maxTimestamp: ranges.maxTimestamp(index),
      sizeBytes: ranges.sizeBytes(index),
    };
  }
  const at = index - rangeCount;
  if (extents === undefined || at >= extents.count) return undefined;
  return {
    endOffset: at + 1 < extents.count ? extents.baseOffset(at + 1) : endOffset,
    maxTimestamp: extents.maxTimestamp(at),
    sizeBytes: extents.sizeBytes(at),
  };
}
