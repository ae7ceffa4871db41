/** DescribeProducers 0: producers that a partition knows (KIP-664). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const describeProducers = api({
  key: 61,
  name: 'DescribeProducers',
  versions: [0, 0],
  flexible: 0,
  request: {
    topics: structs({ name: string(), partitionIndexes: array(int32()) }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    topics: structs({
      name: string(),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: 0, default: null }),
        activeProducers: structs({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ default: -1 }),
          lastTimestamp: int64({ default: -1 }),
          coordinatorEpoch: int32(),
          /** -1: no transaction is open. */
          currentTxnStartOffset: int64({ default: -1 }),
        }),
      }),
    }),
  },
});

export type DescribeProducersRequest = RequestOf<typeof describeProducers>;
export type DescribeProducersResponse = ResponseOf<typeof describeProducers>;
