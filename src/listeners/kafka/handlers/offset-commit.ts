/**
 * OffsetCommit 2-10: durable before it is answered. From 9 on the generation may be a member epoch, from 10 on topics are
 * named by their ids (KIP-848).
 */
import { type OffsetCommitRequest, offsetCommit } from '../../../wire/messages/offset-commit.ts';
import { kafkaError } from '../error-codes.ts';
import { groupTopicName } from '../group-topic.ts';
import { type Call, handler } from '../handler.ts';

type AskedTopic = OffsetCommitRequest['topics'][number];
type Asked = AskedTopic['partitions'][number];

const MEMBER_EPOCH_VERSION = 9;
const TOPIC_ID_VERSION = 10;

export const handle = handler(offsetCommit, async (request, call) => {
  const known: { readonly asked: AskedTopic; readonly topic: string }[] = [];
  const unknown: AskedTopic[] = [];
  for (const asked of request.topics) {
    const topic = nameOf(asked, call);
    if (topic === undefined) unknown.push(asked);
    else known.push({ asked, topic });
  }
  const answer = await call.broker.groups.commitOffsets({
    groupId: request.groupId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    generation: request.generationIdOrMemberEpoch,
    knowsMemberEpochs: call.version >= MEMBER_EPOCH_VERSION,
    retentionMs: request.retentionTimeMs,
    topics: known.map(({ asked, topic }) => ({ topic, partitions: asked.partitions.map(toCommit) })),
  });
  const answered = answer.topics.map(({ topic, partitions }, index) => ({
    name: known[index]?.asked.name ?? topic,
    topicId: known[index]?.asked.topicId,
    partitions: partitions.map(({ partition, error }) => ({
      partitionIndex: partition,
      errorCode: kafkaError(error),
    })),
  }));
  return { topics: [...answered, ...unknown.map(toUnknown)] };
});

function nameOf({ name, topicId }: AskedTopic, { broker, version }: Call): string | undefined {
  return version < TOPIC_ID_VERSION ? groupTopicName(name) : broker.topics.byId(topicId)?.name;
}

function toUnknown({ topicId, partitions }: AskedTopic) {
  const errorCode = kafkaError('BROKER_TOPIC_ID_UNKNOWN');
  return { topicId, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) };
}

function toCommit(asked: Asked) {
  return {
    partition: asked.partitionIndex,
    offset: asked.committedOffset,
    leaderEpoch: asked.committedLeaderEpoch,
    metadata: asked.committedMetadata,
  };
}
