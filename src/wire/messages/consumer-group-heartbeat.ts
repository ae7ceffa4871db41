/** ConsumerGroupHeartbeat 0-1: the one request of members of the new group protocol (KIP-848). 1: topic pattern. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int16, int32, string, struct, structs, throttleTimeMs, uuid } from '../schema.ts';

const topicPartitions = { topicId: uuid(), partitions: array(int32()) };

export const consumerGroupHeartbeat = api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexible: 0,
  request: {
    groupId: string(),
    /** Made by the client from version 1 on; in version 0 the first answer carries it. */
    memberId: string(),
    /** 0: join. -1: leave. -2: a static member that will be back. */
    memberEpoch: int32(),
    /** Null, here and below: not changed since the last heartbeat, or none. */
    instanceId: string({ nullable: 0, default: null }),
    rackId: string({ nullable: 0, default: null }),
    /** -1: not changed. */
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullable: 0, default: null }),
    subscribedTopicRegex: string({ since: 1, nullable: 1, default: null }),
    serverAssignor: string({ nullable: 0, default: null }),
    /** What the member owns. */
    topicPartitions: structs(topicPartitions, { nullable: 0, default: null }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    memberId: string({ nullable: 0, default: null }),
    memberEpoch: int32({ default: 0 }),
    heartbeatIntervalMs: int32({ default: 0 }),
    /** Null: as before. */
    assignment: struct({ topicPartitions: structs(topicPartitions) }, { nullable: 0 }),
  },
});

export type ConsumerGroupHeartbeatRequest = RequestOf<typeof consumerGroupHeartbeat>;
export type ConsumerGroupHeartbeatResponse = ResponseOf<typeof consumerGroupHeartbeat>;
