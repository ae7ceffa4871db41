/**
 * OffsetFetch 1-9: one group up to version 7, several from 8 on. With
 * `requireStable`, offsets that an open transaction may still change are refused.
 */
import type { OffsetFetchAnswer } from '../../../broker/groups/api.ts';
import { offsetFetch } from '../../../wire/index.ts';
import { kafkaError } from '../error-codes.ts';
import { groupTopicName } from '../group-topic.ts';
import { handler } from '../handler.ts';

type AskedTopics = readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null;

const SEVERAL_GROUPS_VERSION = 8;

export const handleOffsetFetch = handler(offsetFetch, [1, 9], async (request, { broker, version }) => {
  const { requireStable } = request;
  const fetchOne = async (groupId: string, topics: AskedTopics) => {
    const asked = topics?.map(({ name, partitionIndexes }) => ({
      topic: groupTopicName(name),
      partitions: partitionIndexes,
    }));
    return toGroup(
      groupId,
      topics,
      await broker.groups.fetchOffsets({ groupId, topics: asked ?? null, requireStable }),
    );
  };
  if (version < SEVERAL_GROUPS_VERSION) {
    const { topics, errorCode } = await fetchOne(request.groupId, request.topics);
    return { topics, errorCode };
  }
  const groups = await Promise.all(request.groups.map(({ groupId, topics }) => fetchOne(groupId, topics)));
  return { groups };
});

function toGroup(groupId: string, asked: AskedTopics, answer: OffsetFetchAnswer) {
  const errorCode = kafkaError(answer.error);
  // Version 1 has no error of the whole: each partition that was asked for says it.
  const topics =
    answer.error === undefined || asked === null
      ? answer.topics.map(({ topic, partitions }, index) => ({
          name: asked?.[index]?.name ?? topic,
          partitions: partitions.map(({ partition, offset, leaderEpoch, metadata, error }) => ({
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: leaderEpoch,
            metadata,
            errorCode: kafkaError(error),
          })),
        }))
      : asked.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({
            partitionIndex,
            committedOffset: -1,
            committedLeaderEpoch: -1,
            metadata: '',
            errorCode,
          })),
        }));
  return { groupId, topics, errorCode };
}
