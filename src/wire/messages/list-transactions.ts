/** ListTransactions 0-2 (KIP-664). 1: by duration (KIP-994). 2: by pattern of the transactional id (KIP-1152). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int16, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const listTransactions = api({
  key: 66,
  name: 'ListTransactions',
  versions: [0, 2],
  flexible: 0,
  request: {
    /** Empty: every state. */
    stateFilters: array(string()),
    /** Empty: every producer. */
    producerIdFilters: array(int64()),
    /** Only transactions running for longer than this many milliseconds; -1: all. */
    durationFilter: int64({ since: 1, default: -1, strict: true }),
    transactionalIdPattern: string({ since: 2, nullable: 2, default: null, strict: true }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16(),
    unknownStateFilters: array(string(), { default: [] }),
    transactionStates: structs({
      transactionalId: string(),
      producerId: int64(),
      transactionState: string(),
    }),
  },
});

export type ListTransactionsRequest = RequestOf<typeof listTransactions>;
export type ListTransactionsResponse = ResponseOf<typeof listTransactions>;
