/** Heartbeat 0-4: a group member says it lives. 1: throttle time. 3: static members (KIP-345). 4: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, int32, string, throttleTimeMs } from '../schema.ts';

export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexible: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: 3, default: null, strict: true }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    errorCode: int16(),
  },
});

export type HeartbeatRequest = RequestOf<typeof heartbeat>;
export type HeartbeatResponse = ResponseOf<typeof heartbeat>;
