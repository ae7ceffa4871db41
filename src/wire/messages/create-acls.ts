/** CreateAcls 1-3. 1: pattern types (KIP-290). 2: flexible. 3: user resources (KIP-373). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int8, int16, string, structs, throttleTimeMs } from '../schema.ts';

export const createAcls = api({
  key: 30,
  name: 'CreateAcls',
  versions: [1, 3],
  flexible: 2,
  request: {
    creations: structs({
      resourceType: int8(),
      resourceName: string(),
      /** 3 literal, 4 prefixed. */
      resourcePatternType: int8({ default: 3 }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    /** One for each creation, in order. */
    results: structs({ errorCode: int16(), errorMessage: string({ nullable: 0 }) }),
  },
});

export type CreateAclsRequest = RequestOf<typeof createAcls>;
export type CreateAclsResponse = ResponseOf<typeof createAcls>;
