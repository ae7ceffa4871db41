/** ConsumerGroupDescribe 0-1: groups of the new protocol; others are not found. */
import type { ConsumerGroupDescription, DescribedTopic } from '../../../broker/groups/consumer/api.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type ConsumerGroupDescribeResponse,
  consumerGroupDescribe,
} from '../../../wire/messages/consumer-group-describe.ts';
import { distinct } from '../distinct.ts';
import { GROUP_STATES } from '../group-states.ts';
import { handler } from '../handler.ts';
import { GROUP_OPERATIONS, operations } from '../operations.ts';

type Answer = ConsumerGroupDescribeResponse['groups'][number];

/** All are: classic members are not let into such groups. */
const CONSUMER_MEMBER = 1;

export const handle = handler(consumerGroupDescribe, (request, { broker, version }) => {
  const authorizedOperations = operations(request.includeAuthorizedOperations, GROUP_OPERATIONS);
  const groups = distinct(request.groupIds, (groupId) => groupId).map((groupId): Answer => {
    const group = broker.groups.describeConsumer(groupId);
    if (group === undefined) return { ...unknownGroup(groupId), authorizedOperations };
    return { ...toAnswer(group, version), authorizedOperations };
  });
  return { groups };
});

function toAnswer(group: ConsumerGroupDescription, version: number): Omit<Answer, 'authorizedOperations'> {
  return {
    errorCode: ERROR_CODES.NONE,
    errorMessage: null,
    groupId: group.groupId,
    groupState: GROUP_STATES[group.phase],
    groupEpoch: group.epoch,
    assignmentEpoch: group.targetEpoch,
    assignorName: group.assignor,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topics,
      subscribedTopicRegex: member.regex,
      assignment: { topicPartitions: assignment(member.assigned) },
      targetAssignment: { topicPartitions: assignment(member.target) },
      memberType: version >= 1 ? CONSUMER_MEMBER : -1,
    })),
  };
}

/** A topic that was deleted has no name any more. */
function assignment(topics: readonly DescribedTopic[]) {
  return topics.map(({ topicId, topic, partitions }) => ({ topicId, topicName: topic ?? '', partitions }));
}

function unknownGroup(groupId: string): Omit<Answer, 'authorizedOperations'> {
  return {
    errorCode: ERROR_CODES.GROUP_ID_NOT_FOUND,
    errorMessage: `Group ${groupId} is not a consumer group of this protocol.`,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
  };
}
