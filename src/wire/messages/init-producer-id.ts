/**
 * InitProducerId 0-5: identity of an idempotent or transactional producer. 2: flexible. 3: keep id and epoch (KIP-360).
 * 4: PRODUCER_FENCED. 5: transactions of the second protocol (KIP-890).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, int32, int64, string, throttleTimeMs } from '../schema.ts';

export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexible: 2,
  request: {
    /** Null: idempotence only. */
    transactionalId: string({ nullable: 0 }),
    transactionTimeoutMs: int32(),
    producerId: int64({ since: 3, default: -1, strict: true }),
    producerEpoch: int16({ since: 3, default: -1, strict: true }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
  },
});

export type InitProducerIdRequest = RequestOf<typeof initProducerId>;
export type InitProducerIdResponse = ResponseOf<typeof initProducerId>;
