/** `/v1/topics`: create, list, get, delete. */
import type { FastifyInstance } from 'fastify';
import type { Broker } from '../../../broker/broker.ts';
import { retentionOf } from '../../../broker/retention/topic-retention.ts';
import type { Topic } from '../../../broker/topic.ts';
import { TopicPattern } from '../../../model/topic-pattern.ts';
import type { Partition } from '../../../store/partition.ts';
import { nextExpiry } from '../../../store/retention.ts';
import type { HttpContext } from '../context.ts';
import { findTopic } from '../find-topic.ts';
import { cursorRefused, pageOf } from '../paging.ts';
import {
  AddPartitionsBody,
  CreateTopicBody,
  ListTopicsQuery,
  type PartitionList,
  type TopicList,
  TopicParams,
  type TopicView,
} from '../schemas.ts';
import { TOPICS_PATH, topicUrl } from '../topic-path.ts';

const DEFAULT_PAGE = 100;

export function topicRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  app.post<{ Body: CreateTopicBody }>(TOPICS_PATH, { schema: { body: CreateTopicBody } }, async (request, reply) => {
    const { name, partitions, config } = request.body;
    const topic = await broker.topics.create({ name, partitions, config: config && settingTexts(config) });
    return reply.code(201).header('location', topicUrl(topic.name)).send(viewOf(topic));
  });

  app.get<{ Querystring: ListTopicsQuery }>(
    TOPICS_PATH,
    { schema: { querystring: ListTopicsQuery } },
    (request, reply) => reply.send(listTopics(broker.topics.list(), request.query, (name) => broker.topics.find(name))),
  );

  app.get<{ Params: TopicParams }>(`${TOPICS_PATH}/:name`, { schema: { params: TopicParams } }, (request, reply) =>
    reply.send(viewOf(findTopic(broker, request.params.name))),
  );

  app.get<{ Params: TopicParams }>(
    `${TOPICS_PATH}/:name/partitions`,
    { schema: { params: TopicParams } },
    async (request, reply) => reply.send(await partitionList(broker, findTopic(broker, request.params.name))),
  );

  app.post<{ Params: TopicParams; Body: AddPartitionsBody }>(
    `${TOPICS_PATH}/:name/partitions`,
    { schema: { params: TopicParams, body: AddPartitionsBody } },
    async (request, reply) => {
      const topic = findTopic(broker, request.params.name);
      await broker.topics.addPartitions(topic, request.body.partitions);
      return reply.send(viewOf(topic));
    },
  );

  app.delete<{ Params: TopicParams }>(
    `${TOPICS_PATH}/:name`,
    { schema: { params: TopicParams } },
    async (request, reply) => {
      await broker.topics.delete(findTopic(broker, request.params.name));
      return reply.code(204).send();
    },
  );
}

/** The broker's settings are text, as Kafka's are. */
function settingTexts<T extends string | number | boolean | null>(
  config: Readonly<Record<string, T>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(config).map(([name, value]) => [name, String(value)]));
}

function listTopics(
  topics: Iterable<Topic>,
  query: ListTopicsQuery,
  find: (name: string) => Topic | undefined,
): TopicList {
  const limit = query.limit ?? DEFAULT_PAGE;
  const prefix = (query.prefix ?? '').replaceAll('/', '.');
  const after = query.cursor === undefined ? '' : topicInCursor(query.cursor);
  const pattern = query.match === undefined ? undefined : new TopicPattern(query.match);
  const { names, nextCursor } = pageOf(matching(topics, prefix, after, pattern), limit);
  const page = names.map(find).filter((topic) => topic !== undefined);
  return {
    topics: page.map((topic) => ({ name: topic.name, id: topic.id, partitionCount: topic.partitionCount })),
    nextCursor,
  };
}

function* matching(
  topics: Iterable<Topic>,
  prefix: string,
  after: string,
  pattern: TopicPattern | undefined,
): Iterable<string> {
  for (const { name } of topics) {
    if (name > after && name.startsWith(prefix) && (pattern === undefined || pattern.matches(name))) yield name;
  }
}

function topicInCursor(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString('utf8');
  if (/^[a-zA-Z0-9._-]+$/.test(name)) return name;
  throw cursorRefused();
}

/** With what retention makes of each partition; the time of the oldest record is read from its batch. */
async function partitionList(broker: Broker, topic: Topic): Promise<PartitionList> {
  const partitions: PartitionList['partitions'][number][] = [];
  for (const partition of topic.partitions) {
    const oldest = await broker.oldestTimestamp(partition);
    const expiresAt = nextExpiry(partition, retentionOf(topic));
    partitions.push({
      partition: partition.index,
      logStartOffset: partition.logStartOffset,
      highWatermark: partition.highWatermark,
      sizeBytes: partition.sizeBytes,
      oldestTimestamp: isoTime(oldest),
      expiresAt: isoTime(expiresAt),
      compaction: compactionOf(broker, topic, partition),
    });
  }
  return { partitions };
}

/** Null where the topic is not compacted. */
function compactionOf(
  broker: Broker,
  topic: Topic,
  partition: Partition,
): PartitionList['partitions'][number]['compaction'] {
  const cleanable = broker.compactor.cleanable(topic, partition);
  if (cleanable === undefined) return null;
  const { dirtyFrom, dirtyBytes, dirtyRatio } = cleanable;
  return { compactedThrough: dirtyFrom, dirtyBytes, dirtyRatio: Math.round(dirtyRatio * 1000) / 1000 };
}

/** Null too for times that no date can tell: `retention.ms` may be as long as it likes. */
function isoTime(milliseconds: number | undefined): string | null {
  const date = new Date(milliseconds ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function viewOf(topic: Topic): TopicView {
  return {
    name: topic.name,
    id: topic.id,
    partitionCount: topic.partitionCount,
    partitions: topic.partitions.map(({ index, logStartOffset, highWatermark }) => ({
      partition: index,
      logStartOffset,
      highWatermark,
    })),
    config: Object.fromEntries(topic.overrides ?? []),
  };
}
