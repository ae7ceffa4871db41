/** CreatePartitions 0-3. 2: flexible. 3: throttled as a quota says (KIP-599). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, boolean, int16, int32, string, structs, throttleTimeMs } from '../schema.ts';

export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexible: 2,
  request: {
    topics: structs({
      name: string(),
      /** Partitions the topic shall have, the present ones included. */
      count: int32(),
      assignments: structs({ brokerIds: array(int32()) }, { nullable: 0 }),
    }),
    timeoutMs: int32(),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    results: structs({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: 0, default: null }),
    }),
  },
});

export type CreatePartitionsRequest = RequestOf<typeof createPartitions>;
export type CreatePartitionsResponse = ResponseOf<typeof createPartitions>;
