/** DeleteAcls 1-3. 1: pattern types (KIP-290). 2: flexible. 3: user resources (KIP-373). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int8, int16, string, structs, throttleTimeMs } from '../schema.ts';

export const deleteAcls = api({
  key: 31,
  name: 'DeleteAcls',
  versions: [1, 3],
  flexible: 2,
  request: {
    filters: structs({
      resourceTypeFilter: int8(),
      resourceNameFilter: string({ nullable: 0 }),
      /** 1 any, 2 match, 3 literal, 4 prefixed. */
      patternTypeFilter: int8({ default: 3 }),
      principalFilter: string({ nullable: 0 }),
      hostFilter: string({ nullable: 0 }),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    /** One for each filter, in order. */
    filterResults: structs({
      errorCode: int16(),
      errorMessage: string({ nullable: 0 }),
      matchingAcls: structs({
        errorCode: int16(),
        errorMessage: string({ nullable: 0 }),
        resourceType: int8(),
        resourceName: string(),
        patternType: int8({ default: 3 }),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
});

export type DeleteAclsRequest = RequestOf<typeof deleteAcls>;
export type DeleteAclsResponse = ResponseOf<typeof deleteAcls>;
