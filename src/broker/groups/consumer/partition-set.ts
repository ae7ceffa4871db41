/** Sets of partitions by topic id, as assignments are kept and told. Immutable; no topic with an empty list. */

/** Topic id (32 hex digits) to partition numbers, ascending, each once. */
export type PartitionSet = ReadonlyMap<string, readonly number[]>;

export const NO_PARTITIONS: PartitionSet = new Map();

/** From any order, with repetitions. */
export function partitionSet(
  topics: Iterable<{ readonly topicId: string; readonly partitions: readonly number[] }>,
): PartitionSet {
  const sets = new Map<string, Set<number>>();
  for (const { topicId, partitions } of topics) {
    const there = sets.get(topicId) ?? new Set();
    for (const partition of partitions) there.add(partition);
    sets.set(topicId, there);
  }
  const result = new Map<string, readonly number[]>();
  for (const [topicId, partitions] of sets) {
    if (partitions.size > 0)
      result.set(
        topicId,
        [...partitions].sort((a, b) => a - b),
      );
  }
  return result;
}

/** Keeps what `keep` says. */
export function filterPartitions(
  set: PartitionSet,
  keep: (topicId: string, partition: number) => boolean,
): PartitionSet {
  const result = new Map<string, readonly number[]>();
  for (const [topicId, partitions] of set) {
    const kept = partitions.filter((partition) => keep(topicId, partition));
    if (kept.length > 0) result.set(topicId, kept);
  }
  return result;
}

/** Binary search: members own thousands. */
export function hasPartition(set: PartitionSet, topicId: string, partition: number): boolean {
  const partitions = set.get(topicId);
  if (partitions === undefined) return false;
  let low = 0;
  let high = partitions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const there = partitions[middle] as number;
    if (there === partition) return true;
    if (there < partition) low = middle + 1;
    else high = middle;
  }
  return false;
}

export function unite(a: PartitionSet, b: PartitionSet): PartitionSet {
  if (a.size === 0) return b;
  if (b.size === 0) return a;
  return partitionSet([...entries(a), ...entries(b)]);
}

export function samePartitions(a: PartitionSet, b: PartitionSet): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId);
    if (others?.length !== partitions.length || partitions.some((partition, i) => partition !== others[i]))
      return false;
  }
  return true;
}

export function isSubset(part: PartitionSet, whole: PartitionSet): boolean {
  for (const [topicId, partitions] of part) {
    if (!partitions.every((partition) => hasPartition(whole, topicId, partition))) return false;
  }
  return true;
}

export function isDisjoint(a: PartitionSet, b: PartitionSet): boolean {
  for (const [topicId, partitions] of a) {
    if (partitions.some((partition) => hasPartition(b, topicId, partition))) return false;
  }
  return true;
}

function entries(set: PartitionSet): { readonly topicId: string; readonly partitions: readonly number[] }[] {
  return Array.from(set, ([topicId, partitions]) => ({ topicId, partitions }));
}
