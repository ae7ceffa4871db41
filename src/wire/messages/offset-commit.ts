/**
 * OffsetCommit 2-10: a group keeps the next offsets it will read. 3: throttle time. 5: no retention time. 6: leader epochs.
 * 7: static members (KIP-345). 8: flexible. 9: the generation may be a member epoch (KIP-848). 10: topic ids in place of names.
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { ZERO_UUID } from '../reader.ts';
import { int16, int32, int64, string, structs, throttleTimeMs, uuid } from '../schema.ts';

export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 10],
  flexible: 8,
  request: {
    groupId: string(),
    /** Member epoch in groups of the new protocol (KIP-848); -1 together with an empty member id: no membership. */
    generationIdOrMemberEpoch: int32({ default: -1 }),
    memberId: string({ default: '' }),
    groupInstanceId: string({ since: 7, nullable: 7, default: null, strict: true }),
    /** -1: the broker's retention. */
    retentionTimeMs: int64({ until: 4, default: -1 }),
    topics: structs({
      name: string({ until: 9, default: '' }),
      topicId: uuid({ since: 10, default: ZERO_UUID }),
      partitions: structs({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ since: 6, default: -1 }),
        committedMetadata: string({ nullable: 0, default: null }),
      }),
    }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(3),
    topics: structs({
      name: string({ until: 9, default: '' }),
      topicId: uuid({ since: 10, default: ZERO_UUID }),
      partitions: structs({ partitionIndex: int32(), errorCode: int16() }),
    }),
  },
});

export type OffsetCommitRequest = RequestOf<typeof offsetCommit>;
export type OffsetCommitResponse = ResponseOf<typeof offsetCommit>;
