/**
 * JoinGroup 0-9: a member enters a rebalance. 1: rebalance timeout. 2: throttle time. 4: MEMBER_ID_REQUIRED (KIP-394).
 * 5: static members (KIP-345). 6: flexible. 7: protocol type in the answer. 8: reason (KIP-800). 9: skip assignment (KIP-814).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { boolean, bytes, int16, int32, string, structs, throttleTimeMs } from '../schema.ts';

export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 9],
  flexible: 6,
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    /** -1, and always in version 0: the session timeout. */
    rebalanceTimeoutMs: int32({ since: 1, default: -1 }),
    memberId: string(),
    groupInstanceId: string({ since: 5, nullable: 5, default: null, strict: true }),
    protocolType: string(),
    protocols: structs({ name: string(), metadata: bytes() }),
    reason: string({ since: 8, nullable: 8, default: null }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(2),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ since: 7, nullable: 7, default: null }),
    /** May be null from version 7 only; send an empty string before. */
    protocolName: string({ nullable: 7 }),
    leader: string(),
    skipAssignment: boolean({ since: 9, default: false, strict: true }),
    memberId: string(),
    members: structs({
      memberId: string(),
      groupInstanceId: string({ since: 5, nullable: 5, default: null }),
      metadata: bytes(),
    }),
  },
});

export type JoinGroupRequest = RequestOf<typeof joinGroup>;
export type JoinGroupResponse = ResponseOf<typeof joinGroup>;
