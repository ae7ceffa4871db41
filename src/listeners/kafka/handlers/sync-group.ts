/** SyncGroup 0-5: parks until the leader's assignment is durable. */
import type { SyncAnswer } from '../../../broker/groups/api.ts';
import { syncGroup } from '../../../wire/messages/sync-group.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';

const NOTHING = new Uint8Array(0);

export const handle = handler(syncGroup, async (request, { broker }) => {
  const { groupId, memberId, groupInstanceId, generationId, protocolType, protocolName, assignments } = request;
  const answer = await new Promise<SyncAnswer>((resolve) => {
    broker.groups.sync(
      {
        groupId,
        memberId,
        instanceId: groupInstanceId,
        generation: generationId,
        protocolType,
        protocol: protocolName,
        assignments,
      },
      resolve,
    );
  });
  if (answer.error !== undefined) return { errorCode: kafkaError(answer.error), assignment: NOTHING };
  const { protocol, assignment } = answer;
  return { errorCode: 0, protocolType: answer.protocolType, protocolName: protocol, assignment };
});
