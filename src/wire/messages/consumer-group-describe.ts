/** ConsumerGroupDescribe 0-1: groups of the new protocol (KIP-848). 1: type of each member (KIP-1099). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import {
  array,
  boolean,
  int8,
  int16,
  int32,
  NO_OPERATIONS,
  string,
  struct,
  structs,
  throttleTimeMs,
  uuid,
} from '../schema.ts';

const topicPartitions = structs({ topicId: uuid(), topicName: string(), partitions: array(int32()) });

export const consumerGroupDescribe = api({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
  flexible: 0,
  request: {
    groupIds: array(string()),
    includeAuthorizedOperations: boolean({ default: false }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    groups: structs({
      errorCode: int16(),
      errorMessage: string({ nullable: 0, default: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: structs({
        memberId: string(),
        instanceId: string({ nullable: 0, default: null }),
        rackId: string({ nullable: 0, default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: string({ nullable: 0, default: null }),
        assignment: struct({ topicPartitions }, {}),
        targetAssignment: struct({ topicPartitions }, {}),
        /** -1 unknown, 0 classic, 1 consumer. */
        memberType: int8({ since: 1, default: -1 }),
      }),
      authorizedOperations: int32({ default: NO_OPERATIONS }),
    }),
  },
});

export type ConsumerGroupDescribeRequest = RequestOf<typeof consumerGroupDescribe>;
export type ConsumerGroupDescribeResponse = ResponseOf<typeof consumerGroupDescribe>;
