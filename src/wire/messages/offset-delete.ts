/** OffsetDelete 0: removes committed offsets of a group (KIP-496). Never flexible. */
import { api, NEVER, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, int32, string, structs, throttleTimeMs } from '../schema.ts';

export const offsetDelete = api({
  key: 47,
  name: 'OffsetDelete',
  versions: [0, 0],
  flexible: NEVER,
  request: {
    groupId: string(),
    topics: structs({
      name: string(),
      partitions: structs({ partitionIndex: int32() }),
    }),
  },
  response: {
    errorCode: int16(),
    throttleTimeMs: throttleTimeMs(),
    topics: structs({
      name: string(),
      partitions: structs({ partitionIndex: int32(), errorCode: int16() }),
    }),
  },
});

export type OffsetDeleteRequest = RequestOf<typeof offsetDelete>;
export type OffsetDeleteResponse = ResponseOf<typeof offsetDelete>;
