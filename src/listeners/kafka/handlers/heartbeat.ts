/** Heartbeat 0-4. */
import { heartbeat } from '../../../wire/messages/heartbeat.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';

export const handle = handler(heartbeat, (request, { broker }) => {
  const { groupId, memberId, groupInstanceId: instanceId, generationId: generation } = request;
  return { errorCode: kafkaError(broker.groups.heartbeat({ groupId, memberId, instanceId, generation })) };
});
