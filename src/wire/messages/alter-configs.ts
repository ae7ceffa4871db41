/** AlterConfigs 0-2: replaces the whole configuration of a resource. 2: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { boolean, int8, int16, string, structs, throttleTimeMs } from '../schema.ts';

export const alterConfigs = api({
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 2],
  flexible: 2,
  request: {
    resources: structs({
      resourceType: int8(),
      resourceName: string(),
      configs: structs({ name: string(), value: string({ nullable: 0 }) }),
    }),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    responses: structs({
      errorCode: int16(),
      errorMessage: string({ nullable: 0 }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
});

export type AlterConfigsRequest = RequestOf<typeof alterConfigs>;
export type AlterConfigsResponse = ResponseOf<typeof alterConfigs>;
