/** `/v1/groups/{group}/offsets`: what a group has committed, read, stored, forgotten and reset by operators. */
import type { FastifyInstance } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { OffsetFetchAnswer, OffsetToCommit } from '../../../broker/groups/api.ts';
import { planReset, type ResetPlace, type ResetTarget } from '../../../broker/groups/offset-reset.ts';
import type { HttpContext } from '../context.ts';
import { findTopic } from '../find-topic.ts';
import { groupNotFound, groupRefusal } from '../group-errors.ts';
import {
  committedOffsets,
  firstError,
  type GroupOffsetChanges,
  phaseOf,
  refuseMembers,
  storeOffsets,
} from '../group-offset-store.ts';
import {
  CommitOffsetsBody,
  DeleteOffsetsQuery,
  type GroupOffsets,
  GroupParams,
  type ResetAnswer,
  ResetOffsetsBody,
} from '../group-schemas.ts';
import { partitionOf } from '../position.ts';
import { parseTimestamp, TIMESTAMP_FORM } from '../timestamp.ts';
import { GROUPS_PATH } from './groups.ts';

const PATH = `${GROUPS_PATH}/:group/offsets`;

export function groupOffsetRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  const params = GroupParams;
  app.get<{ Params: GroupParams }>(PATH, { schema: { params } }, async (request, reply) => {
    const { group } = request.params;
    if (phaseOf(broker, group) === undefined) throw groupNotFound(group);
    return reply.send(viewOf(broker, group, await committedOffsets(broker, group)));
  });

  app.post<{ Params: GroupParams; Body: CommitOffsetsBody }>(
    PATH,
    { schema: { params, body: CommitOffsetsBody } },
    async (request, reply) => {
      const { group } = request.params;
      const offsets = groupByTopic(request.body.offsets.map((asked) => checked(broker, asked)));
      await storeOffsets(broker, group, offsets);
      return reply.send(viewOf(broker, group, await committedOffsets(broker, group)));
    },
  );

  app.delete<{ Params: GroupParams; Querystring: DeleteOffsetsQuery }>(
    PATH,
    { schema: { params, querystring: DeleteOffsetsQuery } },
    async (request, reply) => {
      const { group } = request.params;
      const { topic, partition } = request.query;
      // Not looked up among the topics: offsets of a name may be removed whatever became of it.
      const name = topic.replaceAll('/', '.');
      const all = (await committedOffsets(broker, group)).find((each) => each.topic === name)?.partitions ?? [];
      const there = all.map((each) => each.partition);
      const partitions = partition === undefined ? there : there.filter((each) => each === partition);
      const answer = await broker.groups.deleteOffsets({ groupId: group, topics: [{ topic: name, partitions }] });
      const refusal = answer.error ?? firstError(answer.topics);
      if (refusal !== undefined) throw groupRefusal(refusal, group);
      return reply.send({ group, deleted: partitions.map((each) => ({ topic: name, partition: each })) });
    },
  );

  app.post<{ Params: GroupParams; Body: ResetOffsetsBody }>(
    `${PATH}/reset`,
    { schema: { params, body: ResetOffsetsBody } },
    async (request, reply) => reply.send(await reset(broker, request.params.group, request.body)),
  );
}

async function reset(broker: Broker, group: string, body: ResetOffsetsBody): Promise<ResetAnswer> {
  const target = targetOf(body, broker.clock.now());
  if (body.topics === undefined && phaseOf(broker, group) === undefined) throw groupNotFound(group);
  const dryRun = body.dryRun ?? false;
  if (!dryRun) refuseMembers(broker, group);
  const places = placesOf(broker, await committedOffsets(broker, group), body.topics);
  const offsets = await planReset(places, target, (partition, timestamp) =>
    broker.offsetForTimestamp(partition, timestamp),
  );
  if (!dryRun) {
    const changes = offsets.map(({ topic, partition, after }) => ({
      topic,
      offset: { partition, offset: after, leaderEpoch: -1, metadata: null },
    }));
    await storeOffsets(broker, group, groupByTopic(changes));
  }
  return { group, dryRun, offsets };
}

/** @throws HTTP_REQUEST_INVALID where `value` does not fit what is asked. */
function targetOf({ to, value }: ResetOffsetsBody, now: number): ResetTarget {
  const whole = typeof value === 'number' ? value : Number.NaN;
  switch (to) {
    case 'earliest':
    case 'latest':
      if (value !== undefined) throw wrongValue(`is not taken with ${to}`);
      return { kind: to };
    case 'offset':
      if (!(whole >= 0)) throw wrongValue('must be an offset from 0');
      return { kind: 'offset', offset: whole };
    case 'shift':
      if (!Number.isSafeInteger(whole)) throw wrongValue('must be a whole number, negative to go back');
      return { kind: 'shift', by: whole };
    case 'duration':
      if (!(whole >= 0)) throw wrongValue('must be milliseconds to go back from now');
      return { kind: 'timestamp', timestamp: Math.max(0, now - whole) };
    case 'timestamp': {
      const timestamp = value === undefined ? undefined : parseTimestamp(String(value));
      if (timestamp === undefined) throw wrongValue(`must be ${TIMESTAMP_FORM}`);
      return { kind: 'timestamp', timestamp };
    }
    default:
      return to satisfies never;
  }
}

function wrongValue(words: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `Member \`value\` ${words}.`, {
    details: { in: 'body', name: 'value' },
  });
}

/** Without `topics`, everything the group has committed that is still there. */
function placesOf(
  broker: Broker,
  stored: OffsetFetchAnswer['topics'],
  topics: ResetOffsetsBody['topics'],
): ResetPlace[] {
  const before = new Map(
    stored.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => [placeKey(topic, partition), offset] as const),
    ),
  );
  const place = (topic: string, partition: ResetPlace['partition']): ResetPlace => {
    return { topic, partition, before: before.get(placeKey(topic, partition.index)) ?? null };
  };
  if (topics !== undefined) {
    return topics.flatMap((asked) => {
      const topic = findTopic(broker, asked.topic);
      const partitions = asked.partitions?.map((index) => partitionOf(topic, index)) ?? topic.partitions;
      return [...new Set(partitions)].map((partition) => place(topic.name, partition));
    });
  }
  return stored.flatMap(({ topic, partitions }) => {
    const there = broker.topics.find(topic)?.partitions ?? [];
    return partitions.flatMap(({ partition: index }) => {
      const partition = there[index];
      return partition === undefined ? [] : [place(topic, partition)];
    });
  });
}

function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function checked(broker: Broker, asked: CommitOffsetsBody['offsets'][number]) {
  const topic = findTopic(broker, asked.topic);
  const { index } = partitionOf(topic, asked.partition);
  const offset = { partition: index, offset: asked.offset, leaderEpoch: -1, metadata: asked.metadata ?? null };
  return { topic: topic.name, offset };
}

function groupByTopic(
  offsets: readonly { readonly topic: string; readonly offset: OffsetToCommit }[],
): GroupOffsetChanges {
  const byTopic = new Map<string, OffsetToCommit[]>();
  for (const { topic, offset } of offsets) {
    const there = byTopic.get(topic);
    if (there === undefined) byTopic.set(topic, [offset]);
    else there.push(offset);
  }
  return byTopic;
}

function viewOf(broker: Broker, group: string, topics: OffsetFetchAnswer['topics']): GroupOffsets {
  const sorted = topics.toSorted((a, b) => (a.topic < b.topic ? -1 : 1));
  const offsets = sorted.flatMap(({ topic, partitions }) => {
    const there = broker.topics.find(topic)?.partitions ?? [];
    return partitions.map(({ partition, offset, leaderEpoch, metadata }) => {
      const { logStartOffset = null, highWatermark = null } = there[partition] ?? {};
      const lag = highWatermark === null ? null : Math.max(0, highWatermark - offset);
      return { topic, partition, offset, leaderEpoch, metadata, logStartOffset, highWatermark, lag };
    });
  });
  return { group, offsets };
}
