/** AlterClientQuotas 0-1 (KIP-546). 1: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { boolean, float64, int16, string, structs, throttleTimeMs } from '../schema.ts';

/** A null name is the default. */
const entity = structs({ entityType: string(), entityName: string({ nullable: 0 }) });

export const alterClientQuotas = api({
  key: 49,
  name: 'AlterClientQuotas',
  versions: [0, 1],
  flexible: 1,
  request: {
    entries: structs({ entity, ops: structs({ key: string(), value: float64(), remove: boolean() }) }),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    entries: structs({ errorCode: int16(), errorMessage: string({ nullable: 0 }), entity }),
  },
});

export type AlterClientQuotasRequest = RequestOf<typeof alterClientQuotas>;
export type AlterClientQuotasResponse = ResponseOf<typeof alterClientQuotas>;
