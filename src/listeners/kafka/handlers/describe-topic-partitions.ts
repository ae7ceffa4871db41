/**
 * DescribeTopicPartitions 0: topics in the order of their names, page by page (KIP-966). A page ends at the limit of
 * partitions and says where the next one starts; no topics asked for means all.
 */
import type { Broker } from '../../../broker/broker.ts';
import { LEADER_EPOCH } from '../../../broker/produce.ts';
import type { Topic } from '../../../broker/topic.ts';
import { tryFoldTopicName } from '../../../model/topic-name.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type DescribeTopicPartitionsRequest,
  type DescribeTopicPartitionsResponse,
  describeTopicPartitions,
} from '../../../wire/messages/describe-topic-partitions.ts';
import { ZERO_UUID } from '../../../wire/reader.ts';
import { distinct } from '../distinct.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { TOPIC_OPERATIONS } from '../operations.ts';

type TopicAnswer = DescribeTopicPartitionsResponse['topics'][number];
type Cursor = NonNullable<DescribeTopicPartitionsRequest['cursor']>;

/** `max.request.partition.size.limit`: partitions of one page, Kafka's default. */
const MAX_PAGE = 2000;

export const handle = handler(describeTopicPartitions, (request, { broker }) => {
  const asked = distinct(request.topics, ({ name }) => name).map(({ name }) => name);
  const { cursor } = request;
  const all = asked.length === 0;
  if (cursor !== null && (cursor.partitionIndex < 0 || !(all || asked.includes(cursor.topicName)))) {
    return { topics: asked.map((name) => refused(name, ERROR_CODES.INVALID_REQUEST)), nextCursor: null };
  }
  const names = (all ? Array.from(broker.topics.list(), ({ name }) => name) : asked)
    .filter((name) => cursor === null || name >= cursor.topicName)
    .sort();
  const limit = Math.max(1, Math.min(request.responsePartitionLimit, MAX_PAGE));
  return page(names, cursor, limit, all, broker);
});

function page(
  names: readonly string[],
  cursor: Cursor | null,
  limit: number,
  all: boolean,
  broker: Broker,
): DescribeTopicPartitionsResponse {
  const topics: TopicAnswer[] = [];
  let room = limit;
  for (const name of names) {
    const canonical = tryFoldTopicName(name);
    const topic = canonical === undefined ? undefined : broker.topics.find(canonical);
    if (topic === undefined) {
      const code = canonical === undefined ? 'MODEL_TOPIC_NAME_INVALID' : 'BROKER_TOPIC_NOT_FOUND';
      if (!all) topics.push(refused(name, kafkaError(code)));
      continue;
    }
    const first = cursor?.topicName === name ? cursor.partitionIndex : 0;
    if (room === 0) return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: first } };
    const end = Math.min(topic.partitionCount, first + room);
    topics.push(found(topic, name, first, end, broker.brokerId));
    if (end < topic.partitionCount) {
      return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: end } };
    }
    room -= Math.max(0, end - first);
  }
  return { throttleTimeMs: 0, topics, nextCursor: null };
}

function found(topic: Topic, name: string, first: number, end: number, self: number): TopicAnswer {
  const nodes = [self];
  return {
    errorCode: ERROR_CODES.NONE,
    name,
    topicId: topic.id,
    isInternal: false,
    partitions: topic.partitions.slice(first, end).map(({ index }) => ({
      errorCode: ERROR_CODES.NONE,
      partitionIndex: index,
      leaderId: self,
      leaderEpoch: LEADER_EPOCH,
      replicaNodes: nodes,
      isrNodes: nodes,
      // Known, and none: there is no other copy that could lead.
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: [],
    })),
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

function refused(name: string, errorCode: number): TopicAnswer {
  return {
    errorCode,
    name,
    topicId: ZERO_UUID,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}
