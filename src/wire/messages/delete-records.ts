/** DeleteRecords 0-2: moves log start offsets forward. 2: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const deleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 2],
  flexible: 2,
  request: {
    topics: structs({
      name: string(),
      /** Offset: first one to keep; -1 is the high watermark. */
      partitions: structs({ partitionIndex: int32(), offset: int64() }),
    }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    topics: structs({
      name: string(),
      partitions: structs({ partitionIndex: int32(), lowWatermark: int64(), errorCode: int16() }),
    }),
  },
});

export type DeleteRecordsRequest = RequestOf<typeof deleteRecords>;
export type DeleteRecordsResponse = ResponseOf<typeof deleteRecords>;
