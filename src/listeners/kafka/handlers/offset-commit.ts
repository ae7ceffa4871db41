/** OffsetCommit 2-9: durable before it is answered. Version 9 differs only for groups of the new protocol (KIP-848), which do not exist here. */
import { type OffsetCommitRequest, offsetCommit } from '../../../wire/index.ts';
import { kafkaError } from '../error-codes.ts';
import { groupTopicName } from '../group-topic.ts';
import { handler } from '../handler.ts';

type Asked = OffsetCommitRequest['topics'][number]['partitions'][number];

export const handleOffsetCommit = handler(offsetCommit, [2, 9], async (request, { broker }) => {
  const answer = await broker.groups.commitOffsets({
    groupId: request.groupId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    generation: request.generationIdOrMemberEpoch,
    retentionMs: request.retentionTimeMs,
    topics: request.topics.map(({ name, partitions }) => ({
      topic: groupTopicName(name),
      partitions: partitions.map(toCommit),
    })),
  });
  return {
    topics: answer.topics.map(({ topic, partitions }, index) => ({
      name: request.topics[index]?.name ?? topic,
      partitions: partitions.map(({ partition, error }) => ({
        partitionIndex: partition,
        errorCode: kafkaError(error),
      })),
    })),
  };
});

function toCommit(asked: Asked) {
  return {
    partition: asked.partitionIndex,
    offset: asked.committedOffset,
    leaderEpoch: asked.committedLeaderEpoch,
    metadata: asked.committedMetadata,
  };
}
