/** AddOffsetsToTxn 0-4: a transaction will commit offsets of a group. 3: flexible. librdkafka sends exactly 0. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, int64, string, throttleTimeMs } from '../schema.ts';

export const addOffsetsToTxn = api({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: [0, 4],
  flexible: 3,
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16(),
  },
});

export type AddOffsetsToTxnRequest = RequestOf<typeof addOffsetsToTxn>;
export type AddOffsetsToTxnResponse = ResponseOf<typeof addOffsetsToTxn>;
