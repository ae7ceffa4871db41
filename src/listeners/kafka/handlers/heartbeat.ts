/** Heartbeat 0-4. */
import { heartbeat } from '../../../wire/index.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';

export const handleHeartbeat = handler(heartbeat, [0, 4], (request, { broker }) => {
  const { groupId, memberId, groupInstanceId: instanceId, generationId: generation } = request;
  return { errorCode: kafkaError(broker.groups.heartbeat({ groupId, memberId, instanceId, generation })) };
});
