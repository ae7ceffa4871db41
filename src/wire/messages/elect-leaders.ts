/** ElectLeaders 0-2. 1: election type, error of the whole (KIP-460). 2: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int8, int16, int32, string, structs, throttleTimeMs } from '../schema.ts';

export const electLeaders = api({
  key: 43,
  name: 'ElectLeaders',
  versions: [0, 2],
  flexible: 2,
  request: {
    /** 0 preferred, 1 unclean. */
    electionType: int8({ since: 1, default: 0, strict: true }),
    /** Null: all partitions. */
    topicPartitions: structs({ topic: string(), partitions: array(int32()) }, { nullable: 0 }),
    timeoutMs: int32({ default: 60_000 }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16({ since: 1, default: 0, strict: true }),
    replicaElectionResults: structs({
      topic: string(),
      partitionResult: structs({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: 0 }),
      }),
    }),
  },
});

export type ElectLeadersRequest = RequestOf<typeof electLeaders>;
export type ElectLeadersResponse = ResponseOf<typeof electLeaders>;
