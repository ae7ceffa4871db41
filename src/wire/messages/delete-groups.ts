/** DeleteGroups 0-2: removes empty groups. 2: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int16, string, structs, throttleTimeMs } from '../schema.ts';

export const deleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexible: 2,
  request: { groupsNames: array(string()) },
  response: {
    throttleTimeMs: throttleTimeMs(),
    results: structs({ groupId: string(), errorCode: int16() }),
  },
});

export type DeleteGroupsRequest = RequestOf<typeof deleteGroups>;
export type DeleteGroupsResponse = ResponseOf<typeof deleteGroups>;
