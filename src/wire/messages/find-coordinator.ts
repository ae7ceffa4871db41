/**
 * FindCoordinator 0-6: which broker serves a group or a transaction. 1: key type. 2 and 5: no change in layout.
 * 3: flexible. 4: several keys (KIP-699). 6: share groups (KIP-932). Versions to 3 fill the single fields, later ones the arrays.
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int8, int16, int32, string, structs, throttleTimeMs } from '../schema.ts';

export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexible: 3,
  request: {
    key: string({ until: 3, default: '' }),
    /** 0 group, 1 transaction, 2 share group. */
    keyType: int8({ since: 1, default: 0, strict: true }),
    coordinatorKeys: array(string(), { since: 4, default: [] }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    errorCode: int16({ until: 3, default: 0 }),
    errorMessage: string({ since: 1, until: 3, nullable: 1, default: null }),
    nodeId: int32({ until: 3, default: -1 }),
    host: string({ until: 3, default: '' }),
    port: int32({ until: 3, default: -1 }),
    coordinators: structs(
      {
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: 0, default: null }),
      },
      { since: 4, default: [] },
    ),
  },
});

export type FindCoordinatorRequest = RequestOf<typeof findCoordinator>;
export type FindCoordinatorResponse = ResponseOf<typeof findCoordinator>;
