/**
 * TxnOffsetCommit 0-5: offsets that become visible when the transaction commits. 2: leader epochs. 3: flexible, the
 * member and its generation, to fence zombies (KIP-447). 5: second transaction protocol (KIP-890).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const txnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: [0, 5],
  flexible: 3,
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ since: 3, default: -1, strict: true }),
    memberId: string({ since: 3, default: '', strict: true }),
    groupInstanceId: string({ since: 3, nullable: 3, default: null, strict: true }),
    topics: structs({
      name: string(),
      partitions: structs({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ since: 2, default: -1 }),
        committedMetadata: string({ nullable: 0, default: null }),
      }),
    }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    topics: structs({
      name: string(),
      partitions: structs({ partitionIndex: int32(), errorCode: int16() }),
    }),
  },
});

export type TxnOffsetCommitRequest = RequestOf<typeof txnOffsetCommit>;
export type TxnOffsetCommitResponse = ResponseOf<typeof txnOffsetCommit>;
