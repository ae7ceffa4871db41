/**
 * Fetch 4-17: record batches from partitions. The broker reads it by hand (wire/fetch.ts); this table serves clients and
 * checks the hand-written path. 5: log start offset. 7: sessions (KIP-227). 9: leader epochs (KIP-320). 10: zstd allowed.
 * 11: rack (KIP-392). 12: flexible, diverging epochs (KIP-595). 13: topic ids instead of names (KIP-516).
 * 15: replica state (KIP-903). 16: node endpoints (KIP-951). 17: replica directory (KIP-853).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { ZERO_UUID } from '../reader.ts';
import { array, bytes, int8, int16, int32, int64, string, struct, structs, throttleTimeMs, uuid } from '../schema.ts';

export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: [4, 17],
  flexible: 12,
  request: {
    clusterId: string({ since: 12, nullable: 12, tag: 0, default: null }),
    replicaId: int32({ until: 14, default: -1 }),
    replicaState: struct(
      { replicaId: int32({ default: -1 }), replicaEpoch: int64({ default: -1 }) },
      { since: 15, tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ since: 3, default: 0x7fff_ffff }),
    /** 0 read uncommitted, 1 read committed. */
    isolationLevel: int8({ since: 4, default: 0 }),
    sessionId: int32({ since: 7, default: 0 }),
    sessionEpoch: int32({ since: 7, default: -1 }),
    topics: structs({
      topic: string({ until: 12, default: '' }),
      topicId: uuid({ since: 13, default: ZERO_UUID }),
      partitions: structs({
        partition: int32(),
        currentLeaderEpoch: int32({ since: 9, default: -1 }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32({ since: 12, default: -1, strict: true }),
        logStartOffset: int64({ since: 5, default: -1 }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid({ since: 17, tag: 0 }),
      }),
    }),
    forgottenTopicsData: structs(
      {
        topic: string({ until: 12, default: '' }),
        topicId: uuid({ since: 13, default: ZERO_UUID }),
        partitions: array(int32()),
      },
      { since: 7, default: [], strict: true },
    ),
    rackId: string({ since: 11, default: '' }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(1),
    errorCode: int16({ since: 7, default: 0 }),
    sessionId: int32({ since: 7, default: 0, strict: true }),
    responses: structs({
      topic: string({ until: 12, default: '' }),
      topicId: uuid({ since: 13, default: ZERO_UUID }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ since: 4, default: -1 }),
        logStartOffset: int64({ since: 5, default: -1 }),
        divergingEpoch: struct(
          { epoch: int32({ default: -1 }), endOffset: int64({ default: -1 }) },
          { since: 12, tag: 0 },
        ),
        currentLeader: struct(
          { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) },
          { since: 12, tag: 1 },
        ),
        snapshotId: struct({ endOffset: int64({ default: -1 }), epoch: int32({ default: -1 }) }, { since: 12, tag: 2 }),
        /** Null for read uncommitted. */
        abortedTransactions: structs({ producerId: int64(), firstOffset: int64() }, { since: 4, nullable: 4 }),
        preferredReadReplica: int32({ since: 11, default: -1, strict: true }),
        /** Never send null: librdkafka wants an empty set even beside an error. */
        records: bytes({ nullable: 0 }),
      }),
    }),
    nodeEndpoints: structs(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: 0, default: null }),
      },
      { since: 16, tag: 0 },
    ),
  },
});

export type FetchRequest = RequestOf<typeof fetch>;
export type FetchResponse = ResponseOf<typeof fetch>;
