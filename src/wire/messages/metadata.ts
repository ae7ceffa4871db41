/**
 * Metadata 0-13: brokers, topics, partitions and who leads them. 1: controller, racks, null for all topics. 2: cluster id.
 * 3: throttle time. 4: auto-create flag. 5: offline replicas. 7: leader epochs. 8: authorized operations. 9: flexible.
 * 10: topic ids (KIP-516). 12: topics by id. 13: error of the whole request (KIP-1102).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { ZERO_UUID } from '../reader.ts';
import { array, boolean, int16, int32, NO_OPERATIONS, string, structs, throttleTimeMs, uuid } from '../schema.ts';

export const metadata = api({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexible: 9,
  request: {
    /** Null asks for all topics, empty for none; in version 0 empty asks for all. */
    topics: structs(
      {
        topicId: uuid({ since: 10, default: ZERO_UUID }),
        name: string({ nullable: 10 }),
      },
      { nullable: 1 },
    ),
    allowAutoTopicCreation: boolean({ since: 4, default: true, strict: true }),
    includeClusterAuthorizedOperations: boolean({ since: 8, until: 10, default: false }),
    includeTopicAuthorizedOperations: boolean({ since: 8, default: false }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(3),
    brokers: structs({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ since: 1, nullable: 1, default: null }),
    }),
    clusterId: string({ since: 2, nullable: 2, default: null }),
    controllerId: int32({ since: 1, default: -1 }),
    topics: structs({
      errorCode: int16(),
      name: string({ nullable: 12 }),
      topicId: uuid({ since: 10, default: ZERO_UUID }),
      isInternal: boolean({ since: 1, default: false }),
      partitions: structs({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ since: 7, default: -1 }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { since: 5, default: [] }),
      }),
      topicAuthorizedOperations: int32({ since: 8, default: NO_OPERATIONS }),
    }),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, default: NO_OPERATIONS }),
    errorCode: int16({ since: 13, default: 0 }),
  },
});

export type MetadataRequest = RequestOf<typeof metadata>;
export type MetadataResponse = ResponseOf<typeof metadata>;
