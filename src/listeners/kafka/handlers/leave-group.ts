/** LeaveGroup 0-5: one member up to version 2, several from 3 on. */
import { leaveGroup } from '../../../wire/messages/leave-group.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';

const SEVERAL_MEMBERS_VERSION = 3;

export const handle = handler(leaveGroup, async (request, { broker, version }) => {
  const { groupId } = request;
  const isSingle = version < SEVERAL_MEMBERS_VERSION;
  const members = isSingle
    ? [{ memberId: request.memberId, instanceId: null }]
    : request.members.map(({ memberId, groupInstanceId: instanceId }) => ({ memberId, instanceId }));
  const answer = await broker.groups.leave({ groupId, members });
  // The single form has no list: the member's error is the answer's.
  if (isSingle) return { errorCode: kafkaError(answer.error ?? answer.members[0]?.error) };
  return {
    errorCode: kafkaError(answer.error),
    members: answer.members.map(({ memberId, instanceId, error }) => ({
      memberId,
      groupInstanceId: instanceId,
      errorCode: kafkaError(error),
    })),
  };
});
