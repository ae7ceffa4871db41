/**
 * Metadata 0-13: this broker, and the topics with their ids and partitions. Missing topics are created where the client
 * asks for it and `auto.create.topics.enable` is on; the answer then has them already.
 */
import { asMillraceError, type ErrorCode } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { LEADER_EPOCH } from '../../../broker/produce.ts';
import type { Topic } from '../../../broker/topic.ts';
import { tryFoldTopicName } from '../../../model/topic-name.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { type MetadataRequest, type MetadataResponse, metadata } from '../../../wire/messages/metadata.ts';
import { ZERO_UUID } from '../../../wire/reader.ts';
import { distinct } from '../distinct.ts';
import { kafkaError } from '../error-codes.ts';
import { type Call, handler } from '../handler.ts';
import { CLUSTER_OPERATIONS, operations, TOPIC_OPERATIONS } from '../operations.ts';

type TopicAnswer = MetadataResponse['topics'][number];
type TopicAsked = NonNullable<MetadataRequest['topics']>[number];

const NO_PARTITIONS: TopicAnswer['partitions'] = [];
/** Creations of one request that wait for the journal together; more only fill its queue. */
const CREATE_AT_ONCE = 256;

export const handle = handler(metadata, (request, call) => {
  const { broker, version, endpoint } = call;
  const view = new TopicView(broker, operations(request.includeTopicAuthorizedOperations, TOPIC_OPERATIONS));
  const topics = findTopics(request, call, view);
  const answer = (found: readonly TopicAnswer[]): MetadataResponse => ({
    brokers: [{ nodeId: broker.brokerId, host: endpoint.host, port: endpoint.port }],
    clusterId: broker.clusterId,
    controllerId: broker.brokerId,
    topics: found,
    ...(version >= 8 && version <= 10
      ? {
          clusterAuthorizedOperations: operations(request.includeClusterAuthorizedOperations, CLUSTER_OPERATIONS),
        }
      : {}),
  });
  return topics instanceof Promise ? topics.then(answer) : answer(topics);
});

function findTopics(request: MetadataRequest, call: Call, view: TopicView): TopicAnswer[] | Promise<TopicAnswer[]> {
  const { broker, version } = call;
  if (request.topics === null || (version === 0 && request.topics.length === 0)) {
    return Array.from(broker.topics.list(), (topic) => view.found(topic, topic.name));
  }
  const asked = distinct(request.topics, ({ name, topicId }) => name ?? `id ${topicId}`);
  // Before version 12 an answer has a name, and a topic that nobody knows has none.
  const noName = version >= 12 ? null : '';
  const answers = asked.map((each) => findTopic(each, noName, broker, view));
  if (!request.allowAutoTopicCreation || !broker.settings.autoCreateTopics) return answers;
  const missing = asked.flatMap((each, index) => {
    const isMissing = answers[index]?.errorCode === ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION && each.name !== null;
    return isMissing ? [index] : [];
  });
  return missing.length === 0 ? answers : createMissing(asked, missing, answers, broker, view);
}

function findTopic(asked: TopicAsked, noName: string | null, broker: Broker, view: TopicView): TopicAnswer {
  const { name, topicId } = asked;
  if (name === null) {
    const topic = broker.topics.byId(topicId);
    if (topic === undefined) return view.refused('BROKER_TOPIC_ID_UNKNOWN', noName, topicId);
    return view.found(topic, topic.name);
  }
  const canonical = tryFoldTopicName(name);
  if (canonical === undefined) return view.refused('MODEL_TOPIC_NAME_INVALID', name, ZERO_UUID);
  const topic = broker.topics.find(canonical);
  return topic === undefined ? view.refused('BROKER_TOPIC_NOT_FOUND', name, ZERO_UUID) : view.found(topic, name);
}

async function createMissing(
  asked: readonly TopicAsked[],
  missing: readonly number[],
  answers: TopicAnswer[],
  broker: Broker,
  view: TopicView,
): Promise<TopicAnswer[]> {
  for (let first = 0; first < missing.length; first += CREATE_AT_ONCE) {
    const indexes = missing.slice(first, first + CREATE_AT_ONCE);
    await Promise.all(
      indexes.map(async (index) => {
        const name = asked[index]?.name ?? '';
        answers[index] = await autoCreate(name, broker, view);
      }),
    );
  }
  return answers;
}

async function autoCreate(name: string, broker: Broker, view: TopicView): Promise<TopicAnswer> {
  try {
    return view.found(await broker.topics.autoCreate(name), name);
  } catch (error) {
    return view.refused(asMillraceError(error).code, name, ZERO_UUID);
  }
}

/** Topics as the answer has them; what is the same for all of them is made once. */
class TopicView {
  readonly #self: readonly [number];
  readonly #operations: number;

  constructor(broker: Broker, topicOperations: number) {
    this.#self = [broker.brokerId];
    this.#operations = topicOperations;
  }

  /** @param name as the client wrote it, so that it finds its answer. */
  found(topic: Topic, name: string): TopicAnswer {
    const nodes = this.#self;
    return {
      errorCode: ERROR_CODES.NONE,
      name,
      topicId: topic.id,
      isInternal: false,
      partitions: topic.partitions.map(({ index }) => ({
        errorCode: ERROR_CODES.NONE,
        partitionIndex: index,
        leaderId: nodes[0],
        leaderEpoch: LEADER_EPOCH,
        replicaNodes: nodes,
        isrNodes: nodes,
      })),
      topicAuthorizedOperations: this.#operations,
    };
  }

  refused(code: ErrorCode, name: string | null, topicId: string): TopicAnswer {
    return { errorCode: kafkaError(code), name, topicId, isInternal: false, partitions: NO_PARTITIONS };
  }
}
