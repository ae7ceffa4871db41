/**
 * Where a group's offsets go when an operator resets them: the plan, decided before anything is stored.
 *
 * | to | the next offset to read |
 * |---|---|
 * | earliest, latest | the log start, the high watermark |
 * | offset | the one given |
 * | timestamp | of the first record at or after the time; the high watermark where there is none |
 * | shift | what is committed plus a signed count; from the log start where nothing is committed |
 *
 * Every result is brought between log start and high watermark, and the plan says where that happened.
 */
import type { TimestampMatch } from '../../model/timestamp-search.ts';
import type { Partition } from '../../store/partition.ts';

export type ResetTarget =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'offset'; readonly offset: number }
  /** Milliseconds since 1970. */
  | { readonly kind: 'timestamp'; readonly timestamp: number }
  | { readonly kind: 'shift'; readonly by: number };

export interface ResetPlace {
  /** Canonical. */
  readonly topic: string;
  readonly partition: Partition;
  /** The committed offset; null where there is none. */
  readonly before: number | null;
}

export interface PlannedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly before: number | null;
  readonly after: number;
  /** The target lay outside of what can be read. */
  readonly clamped: boolean;
}

/** @throws what a search by time throws. */
export async function planReset(
  places: readonly ResetPlace[],
  target: ResetTarget,
  offsetForTimestamp: (partition: Partition, timestamp: number) => Promise<TimestampMatch>,
): Promise<PlannedOffset[]> {
  const plan: PlannedOffset[] = [];
  for (const { topic, partition, before } of places) {
    const wanted = await targetOffset(partition, before, target, offsetForTimestamp);
    // Read after the search: the log start may have moved while it ran.
    const { logStartOffset, highWatermark } = partition;
    const after = Math.min(Math.max(wanted, logStartOffset), highWatermark);
    plan.push({ topic, partition: partition.index, before, after, clamped: after !== wanted });
  }
  return plan;
}

async function targetOffset(
  partition: Partition,
  before: number | null,
  target: ResetTarget,
  offsetForTimestamp: (partition: Partition, timestamp: number) => Promise<TimestampMatch>,
): Promise<number> {
  switch (target.kind) {
    case 'earliest':
      return partition.logStartOffset;
    case 'latest':
      return partition.highWatermark;
    case 'offset':
      return target.offset;
    case 'shift':
      return (before ?? partition.logStartOffset) + target.by;
    case 'timestamp': {
      const { offset } = await offsetForTimestamp(partition, target.timestamp);
      return offset === -1 ? partition.highWatermark : offset;
    }
    default:
      return target satisfies never;
  }
}
