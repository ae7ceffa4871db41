/** DescribeClientQuotas 0-1 (KIP-546). 1: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { boolean, float64, int8, int16, string, structs, throttleTimeMs } from '../schema.ts';

export const describeClientQuotas = api({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: [0, 1],
  flexible: 1,
  request: {
    components: structs({
      /** user, client-id or ip. */
      entityType: string(),
      /** 0 exactly `match`, 1 the default, 2 any. */
      matchType: int8(),
      match: string({ nullable: 0 }),
    }),
    /** Only entities that have no other components than these. */
    strict: boolean(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    entries: structs(
      {
        /** A null name is the default. */
        entity: structs({ entityType: string(), entityName: string({ nullable: 0 }) }),
        values: structs({ key: string(), value: float64() }),
      },
      { nullable: 0 },
    ),
  },
});

export type DescribeClientQuotasRequest = RequestOf<typeof describeClientQuotas>;
export type DescribeClientQuotasResponse = ResponseOf<typeof describeClientQuotas>;
