/**
 * Which partitions a round of compaction takes. Pure: the head state and the time.
 *
 * ```
 *   first range ... │ dirtyFrom ... │ cleanable end │ too young, undecided, not indexed yet
 *   compacted before│ to be learnt  │               │
 * ```
 * A partition is due when the share of what is dirty has reached `min.cleanable.dirty.ratio`, or when something in it has
 * waited for `max.compaction.lag.ms`. Only whole ranges are taken: what the open journal file holds waits for its end.
 */
import type { CommitNumber } from '../../journal/journal.ts';
import type { FileNumber } from '../../store/file-number.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import type { Partition } from '../../store/partition.ts';
import type { Topic } from '../topic.ts';
import type { CompactionRules } from '../topic-config.ts';
import type { CompactionState } from './compaction-state.ts';
import type { CompactionTask } from './messages.ts';

/** What of a partition may be compacted. */
export interface Cleanable {
  /** The partition's first ranges. */
  readonly ranges: readonly FileRange[];
  readonly dirtyFrom: number;
  readonly cleanBytes: number;
  readonly dirtyBytes: number;
  /** Of `cleanBytes` and `dirtyBytes` together; 0 where there is nothing to do. */
  readonly dirtyRatio: number;
  /** Something has waited for as long as it may. */
  readonly overdue: boolean;
}

const NOTHING: Cleanable = {
  ranges: [],
  dirtyFrom: 0,
  cleanBytes: 0,
  dirtyBytes: 0,
  dirtyRatio: 0,
  overdue: false,
};

/** The rules of the topic; undefined: it is not compacted. Readers of a stream count its records, so streams are not. */
export function compactionOf(topic: Topic): CompactionRules | undefined {
  return topic.stream === undefined ? topic.limits.compaction : undefined;
}

export function cleanable(
  partition: Partition,
  rules: CompactionRules,
  state: CompactionState,
  now: number,
  isAway: (file: FileNumber) => boolean,
): Cleanable {
  const { ranges, logStartOffset } = partition;
  if (ranges === undefined) return NOTHING;
  const dirtyFrom = Math.max(logStartOffset, state.of(partition.number)?.dirtyFrom ?? 0);
  const decided = partition.lastStableOffset;
  const youngest = now - rules.minLagMs;
  const taken: FileRange[] = [];
  let cleanBytes = 0;
  let dirtyBytes = 0;
  let overdue = false;
  for (let i = 0; i < ranges.count && ranges.endOffset(i) <= decided; i++) {
    const isDirty = ranges.endOffset(i) > dirtyFrom;
    if (isDirty && rules.minLagMs > 0 && ranges.maxTimestamp(i) > youngest) break;
    // From before the topic was compacted: what the object store has is not brought back to be rewritten.
    if (isAway(ranges.file(i))) return NOTHING;
    taken.push(ranges.at(i));
    if (isDirty) dirtyBytes += ranges.sizeBytes(i);
    else cleanBytes += ranges.sizeBytes(i);
    if (isDirty && ranges.maxTimestamp(i) >= 0 && now - ranges.maxTimestamp(i) >= rules.maxLagMs) overdue = true;
  }
  if ((taken.at(-1)?.endOffset ?? 0) <= dirtyFrom) return { ...NOTHING, cleanBytes, dirtyFrom };
  const dirtyRatio = dirtyBytes / Math.max(1, cleanBytes + dirtyBytes);
  return { ranges: taken, dirtyFrom, cleanBytes, dirtyBytes, dirtyRatio, overdue };
}

export function isDue({ dirtyBytes, dirtyRatio, overdue }: Cleanable, rules: CompactionRules): boolean {
  return dirtyBytes > 0 && (overdue || dirtyRatio >= rules.minDirtyRatio);
}

/**
 * @param firstCommit the oldest in the journal: what the last compaction dropped can be read there by nobody any more
 *   where it came before.
 */
export function taskOf(
  partition: Partition,
  { ranges, dirtyFrom }: Cleanable,
  rules: CompactionRules,
  state: CompactionState,
  firstCommit: CommitNumber,
  keyPrefix: string,
): CompactionTask {
  const before = state.of(partition.number);
  const first = ranges[0] as FileRange;
  const last = ranges.at(-1) as FileRange;
  return {
    partition: partition.number,
    keyPrefix,
    logStartOffset: partition.logStartOffset,
    ranges,
    dirtyFrom,
    aborted: partition.transactions?.abortedIn(first.baseOffset, last.endOffset) ?? [],
    abortedBefore: before !== undefined && before.commit < firstCommit ? before.cleanEnd : 0,
    deleteRetentionMs: rules.deleteRetentionMs,
  };
}
