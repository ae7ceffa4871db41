/**
 * OffsetFetch 1-10: one group up to version 7, several from 8 on; from 9 on a member says who it is, from 10 on topics are
 * named by their ids (KIP-848). With `requireStable`, offsets that an open transaction may still change are refused.
 */
import type { OffsetFetchAnswer } from '../../../broker/groups/api.ts';
import { type OffsetFetchRequest, offsetFetch } from '../../../wire/messages/offset-fetch.ts';
import { kafkaError } from '../error-codes.ts';
import { groupTopicName } from '../group-topic.ts';
import { type Call, handler } from '../handler.ts';

interface AskedTopic {
  readonly name: string;
  readonly topicId?: string;
  readonly partitionIndexes: readonly number[];
}

/** A topic that is asked for, under the name that groups know; undefined: its id is unknown. */
interface FoundTopic {
  readonly asked: AskedTopic;
  readonly topic: string | undefined;
}

interface AskedGroup {
  readonly groupId: string;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly topics: readonly AskedTopic[] | null;
}

const SEVERAL_GROUPS_VERSION = 8;
const TOPIC_ID_VERSION = 10;

export const handle = handler(offsetFetch, async (request, call) => {
  if (call.version < SEVERAL_GROUPS_VERSION) {
    const { groupId, topics } = request;
    const asked = { groupId, memberId: null, memberEpoch: -1, topics };
    const answer = await fetchOne(asked, request, call);
    return { topics: answer.topics, errorCode: answer.errorCode };
  }
  return { groups: await Promise.all(request.groups.map((asked) => fetchOne(asked, request, call))) };
});

async function fetchOne(asked: AskedGroup, { requireStable }: OffsetFetchRequest, call: Call) {
  const { groupId, memberId, memberEpoch } = asked;
  const found = asked.topics?.map((topic): FoundTopic => ({ asked: topic, topic: nameOf(topic, call) })) ?? null;
  const topics = found?.flatMap(({ asked: { partitionIndexes }, topic }) =>
    topic === undefined ? [] : [{ topic, partitions: partitionIndexes }],
  );
  const answer = await call.broker.groups.fetchOffsets({
    groupId,
    memberId,
    memberEpoch,
    topics: topics ?? null,
    requireStable,
  });
  const errorCode = kafkaError(answer.error);
  const told = found === null ? everything(answer, call) : inRequestOrder(found, answer, errorCode);
  return { groupId, topics: told, errorCode };
}

function nameOf({ name, topicId }: AskedTopic, { broker, version }: Call): string | undefined {
  return version < TOPIC_ID_VERSION ? groupTopicName(name) : broker.topics.byId(topicId ?? '')?.name;
}

/** Offsets of topics go with their topics, so each has an id. */
function everything(answer: OffsetFetchAnswer, { broker, version }: Call) {
  return answer.topics.flatMap(({ topic, partitions }) => {
    const topicId = broker.topics.find(topic)?.id;
    if (version >= TOPIC_ID_VERSION && topicId === undefined) return [];
    return [{ name: topic, topicId, partitions: partitions.map(toPartition) }];
  });
}

function inRequestOrder(found: readonly FoundTopic[], answer: OffsetFetchAnswer, errorCode: number) {
  let next = 0;
  return found.map(({ asked, topic }) => {
    const { name, topicId, partitionIndexes } = asked;
    if (topic === undefined) {
      return { name, topicId, partitions: nothing(partitionIndexes, kafkaError('BROKER_TOPIC_ID_UNKNOWN')) };
    }
    // Version 1 has no error of the whole: each partition that was asked for says it.
    if (answer.error !== undefined) return { name, topicId, partitions: nothing(partitionIndexes, errorCode) };
    const { partitions } = answer.topics[next++] as OffsetFetchAnswer['topics'][number];
    return { name, topicId, partitions: partitions.map(toPartition) };
  });
}

function toPartition({
  partition,
  offset,
  leaderEpoch,
  metadata,
  error,
}: OffsetFetchAnswer['topics'][number]['partitions'][number]) {
  return {
    partitionIndex: partition,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: kafkaError(error),
  };
}

function nothing(partitionIndexes: readonly number[], errorCode: number) {
  return partitionIndexes.map((partitionIndex) => ({
    partitionIndex,
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: '',
    errorCode,
  }));
}
