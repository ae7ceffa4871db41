/** `/v1/groups`: list, describe and delete consumer groups. Their offsets: group-offsets.ts. */
import type { FastifyInstance } from 'fastify';
import type { GroupDescription, GroupListing } from '../../../broker/groups/api.ts';
import type { ConsumerGroupDescription } from '../../../broker/groups/consumer/api.ts';
import { assignedTopics, CONSUMER_PROTOCOL_TYPE } from '../../../broker/groups/subscription.ts';
import type { HttpContext } from '../context.ts';
import { groupNotFound, groupRefusal } from '../group-errors.ts';
import { type GroupList, GroupParams, type GroupView, ListGroupsQuery } from '../group-schemas.ts';
import { cursorName, pageOf } from '../paging.ts';

export const GROUPS_PATH = '/v1/groups';
const DEFAULT_PAGE = 100;

export function groupRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  app.get<{ Querystring: ListGroupsQuery }>(
    GROUPS_PATH,
    { schema: { querystring: ListGroupsQuery } },
    (request, reply) => reply.send(listGroups(broker.groups.list(), request.query)),
  );

  app.get<{ Params: GroupParams }>(`${GROUPS_PATH}/:group`, { schema: { params: GroupParams } }, (request, reply) => {
    const { group: id } = request.params;
    const classic = broker.groups.describe(id);
    if (classic !== undefined) return reply.send(viewOf(classic));
    const group = broker.groups.describeConsumer(id);
    if (group === undefined) throw groupNotFound(id);
    return reply.send(viewOfConsumer(group));
  });

  app.delete<{ Params: GroupParams }>(
    `${GROUPS_PATH}/:group`,
    { schema: { params: GroupParams } },
    async (request, reply) => {
      const { group } = request.params;
      const refusal = await broker.groups.delete(group);
      if (refusal !== undefined) throw groupRefusal(refusal, group);
      return reply.code(204).send();
    },
  );
}

function listGroups(groups: readonly GroupListing[], query: ListGroupsQuery): GroupList {
  const limit = query.limit ?? DEFAULT_PAGE;
  const byId = new Map(groups.map((group) => [group.groupId, group]));
  const { names, nextCursor } = pageOf(matching(byId.keys(), query), limit);
  return {
    groups: names.map((name) => {
      const { groupId, type, phase, protocolType } = byId.get(name) as GroupListing;
      return { group: groupId, type, state: phase, protocolType };
    }),
    nextCursor,
  };
}

function* matching(ids: Iterable<string>, { prefix = '', cursor }: ListGroupsQuery): Iterable<string> {
  const after = cursor === undefined ? undefined : cursorName(cursor);
  for (const id of ids) if ((after === undefined || id > after) && id.startsWith(prefix)) yield id;
}

function viewOf(group: GroupDescription): GroupView {
  const { groupId, type, phase, protocolType, generation, protocol, leaderId, members } = group;
  return {
    group: groupId,
    type,
    state: phase,
    protocolType,
    epoch: generation,
    assignor: protocol,
    leader: leaderId,
    members: members.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
      memberId,
      instanceId,
      clientId,
      clientHost,
      epoch: generation,
      // Other protocol types assign what only their clients can read.
      assignment: (assignedTopics(assignment) ?? []).map(({ topic, partitions }) => ({
        topic,
        partitions: [...partitions],
      })),
    })),
  };
}

function viewOfConsumer(group: ConsumerGroupDescription): GroupView {
  const { groupId, type, phase, epoch, assignor, members } = group;
  return {
    group: groupId,
    type,
    state: phase,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    epoch,
    assignor: assignor === '' ? null : assignor,
    leader: null,
    members: members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      epoch: member.epoch,
      // A topic that was deleted has no name any more, and goes with the next heartbeats.
      assignment: member.assigned.map(({ topicId, topic, partitions }) => ({
        topic: topic ?? topicId,
        partitions: [...partitions],
      })),
    })),
  };
}
