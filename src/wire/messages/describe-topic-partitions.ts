/** DescribeTopicPartitions 0: partitions page by page (KIP-966). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import {
  array,
  boolean,
  int16,
  int32,
  NO_OPERATIONS,
  string,
  struct,
  structs,
  throttleTimeMs,
  uuid,
} from '../schema.ts';

const cursor = { topicName: string(), partitionIndex: int32() };

export const describeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: [0, 0],
  flexible: 0,
  request: {
    topics: structs({ name: string() }),
    responsePartitionLimit: int32({ default: 2000 }),
    /** First topic and partition to answer with; null: from the start. */
    cursor: struct(cursor, { nullable: 0 }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    topics: structs({
      errorCode: int16(),
      name: string({ nullable: 0 }),
      topicId: uuid(),
      isInternal: boolean({ default: false }),
      partitions: structs({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ default: -1 }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        eligibleLeaderReplicas: array(int32(), { nullable: 0, default: null }),
        lastKnownElr: array(int32(), { nullable: 0, default: null }),
        offlineReplicas: array(int32(), { default: [] }),
      }),
      topicAuthorizedOperations: int32({ default: NO_OPERATIONS }),
    }),
    /** Where the next page starts; null: this was the last. */
    nextCursor: struct(cursor, { nullable: 0 }),
  },
});

export type DescribeTopicPartitionsRequest = RequestOf<typeof describeTopicPartitions>;
export type DescribeTopicPartitionsResponse = ResponseOf<typeof describeTopicPartitions>;
