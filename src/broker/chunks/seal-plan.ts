/**
 * Which batches a round of sealing moves into chunks. Pure: the folded state of closed files, and the time.
 *
 * Per partition all journal files that are done with are taken, or none: chunks come first, then journal files. It pays
 * where the oldest of these batches will be there for a while; what retention deletes soon is left to go with its file.
 * Where a partition has many small ranges in packs, those are rewritten with it, so that the ranges in memory stay few: each
 * byte is written once when sealed, and once more for each factor of 16 in age. Ranges that are large enough for chunks of their
 * own are not: together they would be as many chunks again.
 */
import { type FileNumber, isChunk } from '../../store/file-number.ts';
import type { FileRange, FileRanges } from '../../store/file-ranges.ts';
import type { Partition } from '../../store/partition.ts';
import type { RetentionLimits } from '../../store/retention.ts';
import type { BrokerState } from '../broker-state.ts';
import { retentionOf } from '../retention/topic-retention.ts';
import type { BrokerSettings } from '../settings.ts';

/** Small ranges of one partition that are merged into one. */
const MERGED_RANGES = 16;
/** Ranges up to so much larger than the newest one count as of its generation. */
const GENERATION_FACTOR = 4;

type IsLeft = (file: FileNumber, sizeBytes: number) => boolean;

/** Batches of one partition that move: all that stand in these ranges, from the log start on. */
export interface SealPart {
  readonly partition: number;
  readonly logStartOffset: number;
  /** Neighbours, in order. */
  readonly ranges: readonly FileRange[];
  readonly sizeBytes: number;
}

export interface SealWish {
  /** Last journal file that is sealed. */
  readonly through: number;
  readonly now: number;
  /** Rewrite chunk ranges too, where they are many. */
  readonly merge: boolean;
  /** Also what retention deletes soon. */
  readonly all: boolean;
}

/** Parts in order of partition numbers, made as they are asked for: there may be very many. The state stays the same meanwhile. */
export function* planSeal(
  state: BrokerState,
  settings: BrokerSettings,
  { through, now, merge, all }: SealWish,
): Generator<SealPart, void, undefined> {
  const isLeft = (file: FileNumber, sizeBytes: number): boolean =>
    sizeBytes >= settings.ownChunkBytes || state.tier.place(-file) !== undefined;
  for (const partition of state.store.partitions()) {
    const topic = state.topics.ofPartition(partition.number);
    if (topic === undefined) continue;
    // What compaction wrote is left to it.
    const merges = merge && state.compaction.of(partition.number) === undefined;
    const part = partOf(partition, through, merges ? isLeft : undefined);
    if (part === undefined) continue;
    if (all || pays(part, retentionOf(topic), settings.sealMinRemainingMs, now)) yield part;
  }
}

/** @param isLeft ranges that are not merged: large ones, and those whose files may be gone; undefined: none is. */
function partOf(partition: Partition, through: number, isLeft: IsLeft | undefined): SealPart | undefined {
  const { ranges } = partition;
  if (ranges === undefined) return undefined;
  const { count } = ranges;
  let firstJournal = 0;
  while (firstJournal < count && isChunk(ranges.file(firstJournal))) firstJournal += 1;
  let end = firstJournal;
  while (end < count && ranges.file(end) <= through) end += 1;
  if (end === firstJournal) return undefined;
  const taken: FileRange[] = [];
  const first = isLeft === undefined ? firstJournal : firstOfGeneration(ranges, firstJournal, isLeft);
  for (let i = first; i < end; i++) taken.push(ranges.at(i));
  return {
    partition: partition.number,
    logStartOffset: partition.logStartOffset,
    ranges: taken,
    sizeBytes: taken.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

/** The first of the newest chunk ranges that are of about one size, where they are many; else the first behind them. */
function firstOfGeneration(ranges: FileRanges, firstJournal: number, isLeft: IsLeft): number {
  if (firstJournal === 0) return 0;
  const limit = ranges.sizeBytes(firstJournal - 1) * GENERATION_FACTOR;
  let first = firstJournal;
  while (first > 0) {
    const sizeBytes = ranges.sizeBytes(first - 1);
    if (sizeBytes > limit || isLeft(ranges.file(first - 1), sizeBytes)) break;
    first -= 1;
  }
  return firstJournal - first >= MERGED_RANGES ? first : firstJournal;
}

function pays(part: SealPart, limits: RetentionLimits, minRemainingMs: number, now: number): boolean {
  const journal = part.ranges.filter(({ file }) => !isChunk(file));
  const oldest = journal[0] as FileRange;
  const newest = journal.at(-1) as FileRange;
  if (limits.maxAgeMs >= 0 && oldest.maxTimestamp >= 0) {
    if (oldest.maxTimestamp + limits.maxAgeMs - now < minRemainingMs) return false;
  }
  // All that the limit keeps comes anew within one file: the next one drives these out.
  if (limits.maxBytes >= 0 && newest.sizeBytes >= limits.maxBytes) return false;
  return !(limits.maxRecords >= 0 && newest.endOffset - newest.baseOffset >= limits.maxRecords);
}
