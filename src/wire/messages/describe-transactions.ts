/** DescribeTransactions 0: state of transactional ids (KIP-664). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const describeTransactions = api({
  key: 65,
  name: 'DescribeTransactions',
  versions: [0, 0],
  flexible: 0,
  request: { transactionalIds: array(string()) },
  response: {
    throttleTimeMs: throttleTimeMs(),
    transactionStates: structs({
      errorCode: int16(),
      transactionalId: string(),
      transactionState: string(),
      transactionTimeoutMs: int32(),
      transactionStartTimeMs: int64(),
      producerId: int64(),
      producerEpoch: int16(),
      topics: structs({ topic: string(), partitions: array(int32()) }),
    }),
  },
});

export type DescribeTransactionsRequest = RequestOf<typeof describeTransactions>;
export type DescribeTransactionsResponse = ResponseOf<typeof describeTransactions>;
