/**
 * OffsetFetch 1-10: offsets that groups have committed. 2: null for all topics, error of the group. 3: throttle time.
 * 5: leader epochs. 6: flexible. 7: stable offsets only (KIP-447). 8: several groups. 9: member and epoch (KIP-848). 10: topic ids.
 * Versions to 7 fill the top-level group and topics, later ones `groups`.
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { ZERO_UUID } from '../reader.ts';
import { array, boolean, int16, int32, int64, string, structs, throttleTimeMs, uuid } from '../schema.ts';

export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 10],
  flexible: 6,
  request: {
    groupId: string({ until: 7, default: '' }),
    topics: structs({ name: string(), partitionIndexes: array(int32()) }, { until: 7, nullable: 2, default: [] }),
    groups: structs(
      {
        groupId: string(),
        memberId: string({ since: 9, nullable: 9, default: null }),
        memberEpoch: int32({ since: 9, default: -1 }),
        topics: structs(
          {
            name: string({ until: 9, default: '' }),
            topicId: uuid({ since: 10, default: ZERO_UUID }),
            partitionIndexes: array(int32()),
          },
          { nullable: 8 },
        ),
      },
      { since: 8, default: [] },
    ),
    /** True: answer UNSTABLE_OFFSET_COMMIT while a transaction holds offsets. */
    requireStable: boolean({ since: 7, default: false, strict: true }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(3),
    topics: structs(
      {
        name: string(),
        partitions: structs({
          partitionIndex: int32(),
          /** -1 with error 0: nothing committed. */
          committedOffset: int64(),
          committedLeaderEpoch: int32({ since: 5, default: -1 }),
          metadata: string({ nullable: 0 }),
          errorCode: int16(),
        }),
      },
      { until: 7, default: [] },
    ),
    errorCode: int16({ since: 2, until: 7, default: 0 }),
    groups: structs(
      {
        groupId: string(),
        topics: structs({
          name: string({ until: 9, default: '' }),
          topicId: uuid({ since: 10, default: ZERO_UUID }),
          partitions: structs({
            partitionIndex: int32(),
            /** -1 with error 0: nothing committed. */
            committedOffset: int64(),
            committedLeaderEpoch: int32({ default: -1 }),
            metadata: string({ nullable: 0 }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16({ default: 0 }),
      },
      { since: 8, default: [] },
    ),
  },
});

export type OffsetFetchRequest = RequestOf<typeof offsetFetch>;
export type OffsetFetchResponse = ResponseOf<typeof offsetFetch>;
