/**
 * SyncGroup 0-5: the leader hands in the assignment, each member gets its own. 1: throttle time. 3: static members
 * (KIP-345). 4: flexible. 5: protocol type and name, to check that nobody mixes them up (KIP-559).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { bytes, int16, int32, string, structs, throttleTimeMs } from '../schema.ts';

export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: 3, default: null, strict: true }),
    protocolType: string({ since: 5, nullable: 5, default: null }),
    protocolName: string({ since: 5, nullable: 5, default: null }),
    assignments: structs({ memberId: string(), assignment: bytes() }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    errorCode: int16(),
    protocolType: string({ since: 5, nullable: 5, default: null }),
    protocolName: string({ since: 5, nullable: 5, default: null }),
    assignment: bytes(),
  },
});

export type SyncGroupRequest = RequestOf<typeof syncGroup>;
export type SyncGroupResponse = ResponseOf<typeof syncGroup>;
