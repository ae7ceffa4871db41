/** CreateTopics 2-7. 4: -1 means the broker's default (KIP-464). 5: flexible, answers with the configuration (KIP-525). 7: topic ids. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { ZERO_UUID } from '../reader.ts';
import { array, boolean, int8, int16, int32, string, structs, throttleTimeMs, uuid } from '../schema.ts';

export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexible: 5,
  request: {
    topics: structs({
      name: string(),
      /** -1: the broker's default, or given by `assignments`. */
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: structs({ partitionIndex: int32(), brokerIds: array(int32()) }, { default: [] }),
      configs: structs({ name: string(), value: string({ nullable: 0 }) }, { default: [] }),
    }),
    timeoutMs: int32({ default: 60_000 }),
    validateOnly: boolean({ default: false }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    topics: structs({
      name: string(),
      topicId: uuid({ since: 7, default: ZERO_UUID }),
      errorCode: int16(),
      errorMessage: string({ nullable: 0, default: null }),
      topicConfigErrorCode: int16({ since: 5, tag: 0 }),
      numPartitions: int32({ since: 5, default: -1 }),
      replicationFactor: int16({ since: 5, default: -1 }),
      configs: structs(
        {
          name: string(),
          value: string({ nullable: 0 }),
          readOnly: boolean(),
          configSource: int8({ default: -1 }),
          isSensitive: boolean(),
        },
        { since: 5, nullable: 5, default: [] },
      ),
    }),
  },
});

export type CreateTopicsRequest = RequestOf<typeof createTopics>;
export type CreateTopicsResponse = ResponseOf<typeof createTopics>;
