/** OffsetForLeaderEpoch 2-4: where an epoch ended (KIP-320). 3: replica id. 4: flexible. librdkafka asks for exactly 2. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const offsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexible: 4,
  request: {
    /** -1 for a consumer; -2, the default, says unknown. */
    replicaId: int32({ since: 3, default: -2 }),
    topics: structs({
      topic: string(),
      partitions: structs({
        partition: int32(),
        currentLeaderEpoch: int32({ default: -1 }),
        leaderEpoch: int32(),
      }),
    }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    topics: structs({
      topic: string(),
      partitions: structs({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32({ default: -1 }),
        /** Exclusive. */
        endOffset: int64({ default: -1 }),
      }),
    }),
  },
});

export type OffsetForLeaderEpochRequest = RequestOf<typeof offsetForLeaderEpoch>;
export type OffsetForLeaderEpochResponse = ResponseOf<typeof offsetForLeaderEpoch>;
