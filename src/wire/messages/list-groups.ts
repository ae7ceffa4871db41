/** ListGroups 0-5: all groups. 1: throttle time. 3: flexible. 4: by state (KIP-518). 5: by type (KIP-848). */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int16, string, structs, throttleTimeMs } from '../schema.ts';

export const listGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: [0, 5],
  flexible: 3,
  request: {
    /** Empty: every state. */
    statesFilter: array(string(), { since: 4, default: [], strict: true }),
    /** Empty: every type. */
    typesFilter: array(string(), { since: 5, default: [], strict: true }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    errorCode: int16(),
    groups: structs({
      groupId: string(),
      protocolType: string(),
      groupState: string({ since: 4, default: '' }),
      groupType: string({ since: 5, default: '' }),
    }),
  },
});

export type ListGroupsRequest = RequestOf<typeof listGroups>;
export type ListGroupsResponse = ResponseOf<typeof listGroups>;
