/** Offsets of consumer groups, stored and read on behalf of who is no member. */
import type { Broker } from '../../broker/broker.ts';
import type { GroupPhase, OffsetCommitAnswer, OffsetFetchAnswer, OffsetToCommit } from '../../broker/groups/api.ts';
import { groupRefusal } from './group-errors.ts';

/** By topic, in the order they were named. */
export type GroupOffsetChanges = ReadonlyMap<string, readonly OffsetToCommit[]>;

/** @throws BROKER_GROUP_NOT_EMPTY, also when somebody joins while this runs; then nothing is stored. */
export async function storeOffsets(broker: Broker, group: string, offsets: GroupOffsetChanges): Promise<void> {
  refuseMembers(broker, group);
  const answer = await broker.groups.commitOffsets({
    groupId: group,
    memberId: '',
    instanceId: null,
    generation: -1,
    retentionMs: -1,
    topics: Array.from(offsets, ([topic, partitions]) => ({ topic, partitions })),
  });
  const refusal = firstError(answer.topics);
  if (refusal === undefined) return;
  throw groupRefusal(refusal === 'BROKER_MEMBER_UNKNOWN' ? 'BROKER_GROUP_NOT_EMPTY' : refusal, group);
}

/** @throws BROKER_GROUP_NOT_EMPTY: members would go on with what they know. */
export function refuseMembers(broker: Broker, group: string): void {
  if ((phaseOf(broker, group) ?? 'empty') !== 'empty') throw groupRefusal('BROKER_GROUP_NOT_EMPTY', group);
}

/** Undefined: there is no such group, of either type. */
export function phaseOf({ groups }: Broker, group: string): GroupPhase | undefined {
  return groups.describe(group)?.phase ?? groups.describeConsumer(group)?.phase;
}

export function firstError(topics: OffsetCommitAnswer['topics']) {
  for (const { partitions } of topics) {
    const error = partitions.find((partition) => partition.error !== undefined)?.error;
    if (error !== undefined) return error;
  }
  return undefined;
}

export async function committedOffsets(broker: Broker, group: string): Promise<OffsetFetchAnswer['topics']> {
  const answer = await broker.groups.fetchOffsets({ groupId: group, topics: null });
  if (answer.error !== undefined) throw groupRefusal(answer.error, group);
  return answer.topics;
}
