/**
 * ListOffsets 1-11: offsets by timestamp. 2: isolation level, throttle time. 4: leader epochs (KIP-320). 6: flexible.
 * 7 to 9 and 11 only add special timestamps (below). 10: time limit for remote storage (KIP-1075).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int8, int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 11],
  flexible: 6,
  request: {
    /** -1 for a consumer. */
    replicaId: int32({ default: -1 }),
    isolationLevel: int8({ since: 2, default: 0 }),
    topics: structs({
      name: string(),
      partitions: structs({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ since: 4, default: -1 }),
        /** Milliseconds, or -1 latest, -2 earliest, -3 largest timestamp (7+), -4 earliest local (8+), -5 last tiered (9+), -6 earliest pending upload (11+). */
        timestamp: int64(),
      }),
    }),
    timeoutMs: int32({ since: 10, default: 0 }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(2),
    topics: structs({
      name: string(),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        /** -1 together with offset -1: no record is that young. */
        timestamp: int64({ default: -1 }),
        offset: int64({ default: -1 }),
        leaderEpoch: int32({ since: 4, default: -1 }),
      }),
    }),
  },
});

export type ListOffsetsRequest = RequestOf<typeof listOffsets>;
export type ListOffsetsResponse = ResponseOf<typeof listOffsets>;
