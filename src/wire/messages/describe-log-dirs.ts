/** DescribeLogDirs 1-4: where partitions are kept and how large they are. 2: flexible. 3: error of the whole. 4: free space (KIP-827). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, boolean, int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const describeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 4],
  flexible: 2,
  request: {
    /** Null: all topics. */
    topics: structs({ topic: string(), partitions: array(int32()) }, { nullable: 0 }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16({ since: 3, default: 0 }),
    results: structs({
      errorCode: int16(),
      logDir: string(),
      topics: structs({
        name: string(),
        partitions: structs({
          partitionIndex: int32(),
          /** Bytes. */
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: boolean(),
        }),
      }),
      totalBytes: int64({ since: 4, default: -1 }),
      usableBytes: int64({ since: 4, default: -1 }),
    }),
  },
});

export type DescribeLogDirsRequest = RequestOf<typeof describeLogDirs>;
export type DescribeLogDirsResponse = ResponseOf<typeof describeLogDirs>;
