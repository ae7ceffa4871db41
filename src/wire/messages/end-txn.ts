/** EndTxn 0-5: commits or aborts. 3: flexible. 5: answers with the producer's next epoch (KIP-890). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { boolean, int16, int64, string, throttleTimeMs } from '../schema.ts';

export const endTxn = api({
  key: 26,
  name: 'EndTxn',
  versions: [0, 5],
  flexible: 3,
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    /** True commits, false aborts. */
    committed: boolean(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16(),
    producerId: int64({ since: 5, default: -1 }),
    producerEpoch: int16({ since: 5, default: -1 }),
  },
});

export type EndTxnRequest = RequestOf<typeof endTxn>;
export type EndTxnResponse = ResponseOf<typeof endTxn>;
