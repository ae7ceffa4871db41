/** ConsumerGroupHeartbeat 0-1: durable before it is answered. */
import type { ConsumerHeartbeatAnswer } from '../../../broker/groups/consumer/api.ts';
import { partitionSet } from '../../../broker/groups/consumer/partition-set.ts';
import {
  type ConsumerGroupHeartbeatRequest,
  consumerGroupHeartbeat,
} from '../../../wire/messages/consumer-group-heartbeat.ts';
import { kafkaError } from '../error-codes.ts';
import { groupTopicName } from '../group-topic.ts';
import { type Call, handler } from '../handler.ts';

/** From here on clients make their member ids themselves (KIP-1082). */
const OWN_MEMBER_ID_VERSION = 1;

export const handle = handler(consumerGroupHeartbeat, (request, call) => {
  const answer = call.broker.groups.consumerHeartbeat(toHeartbeat(request, call));
  return answer instanceof Promise ? answer.then(toResponse) : toResponse(answer);
});

function toResponse(answer: ConsumerHeartbeatAnswer) {
  if (answer.error !== undefined) {
    return { errorCode: kafkaError(answer.error), errorMessage: answer.message, assignment: null };
  }
  const { memberId, epoch, intervalMs, assigned } = answer;
  const topicPartitions = Array.from(assigned ?? [], ([topicId, partitions]) => ({ topicId, partitions }));
  return {
    errorCode: 0,
    memberId,
    memberEpoch: epoch,
    heartbeatIntervalMs: intervalMs,
    assignment: assigned === undefined ? null : { topicPartitions },
  };
}

function toHeartbeat(request: ConsumerGroupHeartbeatRequest, { version, clientId, clientHost }: Call) {
  const { groupId, memberId, instanceId, rackId, rebalanceTimeoutMs } = request;
  return {
    groupId,
    memberId,
    epoch: request.memberEpoch,
    instanceId,
    rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    topics: request.subscribedTopicNames?.map(groupTopicName) ?? null,
    regex: request.subscribedTopicRegex,
    assignor: request.serverAssignor,
    owned: request.topicPartitions === null ? null : partitionSet(request.topicPartitions),
    requireMemberId: version >= OWN_MEMBER_ID_VERSION,
  };
}
