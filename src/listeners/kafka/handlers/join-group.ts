/** JoinGroup 0-9: parks until the group's next generation is formed. */
import type { JoinAnswer } from '../../../broker/groups/api.ts';
import { type JoinGroupRequest, joinGroup } from '../../../wire/messages/join-group.ts';
import { kafkaError } from '../error-codes.ts';
import { type Call, handler } from '../handler.ts';

const MEMBER_ID_REQUIRED_VERSION = 4;
const NULL_PROTOCOL_VERSION = 7;
const SKIP_ASSIGNMENT_VERSION = 9;

export const handle = handler(joinGroup, async (request, call) => {
  const answer = await join(request, call);
  if (answer.error !== undefined) {
    return {
      errorCode: kafkaError(answer.error),
      protocolName: call.version >= NULL_PROTOCOL_VERSION ? null : '',
      leader: '',
      memberId: answer.memberId,
      members: [],
    };
  }
  return {
    errorCode: 0,
    generationId: answer.generation,
    protocolType: answer.protocolType,
    protocolName: answer.protocol,
    leader: answer.leaderId,
    // `strict` in the table: only versions that have the field may carry true, and only those make it true.
    skipAssignment: answer.skipAssignment,
    memberId: answer.memberId,
    members: answer.members.map(({ memberId, instanceId, metadata }) => ({
      memberId,
      groupInstanceId: instanceId,
      metadata,
    })),
  };
});

function join(request: JoinGroupRequest, { broker, version, clientId, clientHost }: Call): Promise<JoinAnswer> {
  const { groupId, memberId, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocolType, protocols } = request;
  return new Promise((resolve) => {
    broker.groups.join(
      {
        groupId,
        memberId,
        instanceId: groupInstanceId,
        clientId,
        clientHost,
        sessionTimeoutMs,
        rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
        protocolType,
        protocols,
        requireKnownMemberId: version >= MEMBER_ID_REQUIRED_VERSION,
        supportsSkipAssignment: version >= SKIP_ASSIGNMENT_VERSION,
      },
      resolve,
    );
  });
}
