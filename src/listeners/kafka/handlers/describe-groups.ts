/**
 * DescribeGroups 0-6: an unknown group is "Dead" up to version 5 and an error from 6 on (KIP-1043). So is one of the new
 * protocol, which ConsumerGroupDescribe describes.
 */
import type { GroupDescription } from '../../../broker/groups/api.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { type DescribeGroupsResponse, describeGroups } from '../../../wire/messages/describe-groups.ts';
import { distinct } from '../distinct.ts';
import { GROUP_STATES } from '../group-states.ts';
import { handler } from '../handler.ts';
import { GROUP_OPERATIONS, operations } from '../operations.ts';

type Answer = DescribeGroupsResponse['groups'][number];

const NOT_FOUND_VERSION = 6;

export const handle = handler(describeGroups, (request, { broker, version }) => {
  const authorizedOperations = operations(request.includeAuthorizedOperations, GROUP_OPERATIONS);
  const groups = distinct(request.groups, (groupId) => groupId).map((groupId) => {
    const group = broker.groups.describe(groupId);
    return { ...(group === undefined ? unknownGroup(groupId, version) : toAnswer(group)), authorizedOperations };
  });
  return { groups };
});

function toAnswer(group: GroupDescription): Answer {
  return {
    errorCode: ERROR_CODES.NONE,
    groupId: group.groupId,
    groupState: GROUP_STATES[group.phase],
    protocolType: group.protocolType,
    protocolData: group.protocol ?? '',
    members: group.members.map(({ memberId, instanceId, clientId, clientHost, metadata, assignment }) => ({
      memberId,
      groupInstanceId: instanceId,
      clientId,
      clientHost,
      memberMetadata: metadata,
      memberAssignment: assignment,
    })),
  };
}

function unknownGroup(groupId: string, version: number): Answer {
  const isError = version >= NOT_FOUND_VERSION;
  return {
    errorCode: isError ? ERROR_CODES.GROUP_ID_NOT_FOUND : ERROR_CODES.NONE,
    errorMessage: isError ? `Group ${groupId} not found.` : null,
    groupId,
    groupState: GROUP_STATES.dead,
    protocolType: '',
    protocolData: '',
    members: [],
  };
}
