/**
 * LeaveGroup 0-5: members leave. 1: throttle time. 3: several members, static ones among them (KIP-345). 4: flexible.
 * 5: reason (KIP-800). Versions to 2 fill `memberId`, later ones `members`.
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, string, structs, throttleTimeMs } from '../schema.ts';

export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: string(),
    memberId: string({ until: 2, default: '' }),
    members: structs(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: 0, default: null }),
        reason: string({ since: 5, nullable: 5, default: null }),
      },
      { since: 3, default: [] },
    ),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    errorCode: int16(),
    members: structs(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: 0 }),
        errorCode: int16(),
      },
      { since: 3, default: [] },
    ),
  },
});

export type LeaveGroupRequest = RequestOf<typeof leaveGroup>;
export type LeaveGroupResponse = ResponseOf<typeof leaveGroup>;
