/** DescribeCluster 0-2. 1: endpoint type (KIP-919). 2: fenced brokers (KIP-1073). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { boolean, int8, int16, int32, NO_OPERATIONS, string, structs, throttleTimeMs } from '../schema.ts';

export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexible: 0,
  request: {
    includeClusterAuthorizedOperations: boolean(),
    /** 1 brokers, 2 controllers. */
    endpointType: int8({ since: 1, default: 1, strict: true }),
    includeFencedBrokers: boolean({ since: 2, default: false, strict: true }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    endpointType: int8({ since: 1, default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: structs({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullable: 0, default: null }),
      isFenced: boolean({ since: 2, default: false }),
    }),
    clusterAuthorizedOperations: int32({ default: NO_OPERATIONS }),
  },
});

export type DescribeClusterRequest = RequestOf<typeof describeCluster>;
export type DescribeClusterResponse = ResponseOf<typeof describeCluster>;
