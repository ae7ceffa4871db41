/**
 * DescribeGroups 0-6: state and members of groups. 1: throttle time. 3: authorized operations. 4: static members.
 * 5: flexible. 6: error message, and GROUP_ID_NOT_FOUND instead of a dead group (KIP-1043).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, boolean, bytes, int16, int32, NO_OPERATIONS, string, structs, throttleTimeMs } from '../schema.ts';

export const describeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 6],
  flexible: 5,
  request: {
    groups: array(string()),
    includeAuthorizedOperations: boolean({ since: 3, default: false }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    groups: structs({
      errorCode: int16(),
      errorMessage: string({ since: 6, nullable: 6, default: null }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: structs({
        memberId: string(),
        groupInstanceId: string({ since: 4, nullable: 4, default: null }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32({ since: 3, default: NO_OPERATIONS }),
    }),
  },
});

export type DescribeGroupsRequest = RequestOf<typeof describeGroups>;
export type DescribeGroupsResponse = ResponseOf<typeof describeGroups>;
