/**
 * Produce 3-13: record batches for partitions. The broker reads it by hand (wire/produce.ts); this table serves clients
 * and checks the hand-written path. 5: log start offset. 7: zstd allowed. 8: errors of single records (KIP-467).
 * 9: flexible. 10: new leader in the answer (KIP-951). 11: TRANSACTION_ABORTABLE. 12: partitions join the transaction by
 * being written to (KIP-890). 13: topic ids instead of names (KIP-516). Versions 0-2 carried message formats that Kafka 4 dropped (KIP-896).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { ZERO_UUID } from '../reader.ts';
import { bytes, int16, int32, int64, string, struct, structs, throttleTimeMs, uuid } from '../schema.ts';

export const produce = api({
  key: 0,
  name: 'Produce',
  versions: [3, 13],
  flexible: 9,
  request: {
    transactionalId: string({ since: 3, nullable: 3, default: null, strict: true }),
    /** 0 none (no response is sent), 1 leader, -1 all. */
    acks: int16(),
    timeoutMs: int32(),
    topicData: structs({
      name: string({ until: 12, default: '' }),
      topicId: uuid({ since: 13, default: ZERO_UUID }),
      partitionData: structs({
        index: int32(),
        records: bytes({ nullable: 0 }),
      }),
    }),
  },
  response: {
    responses: structs({
      name: string({ until: 12, default: '' }),
      topicId: uuid({ since: 13, default: ZERO_UUID }),
      partitionResponses: structs({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        /** -1 unless the topic stamps log append time. */
        logAppendTimeMs: int64({ since: 2, default: -1 }),
        logStartOffset: int64({ since: 5, default: -1 }),
        recordErrors: structs(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ nullable: 0, default: null }),
          },
          { since: 8, default: [] },
        ),
        errorMessage: string({ since: 8, nullable: 8, default: null }),
        currentLeader: struct(
          { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) },
          { since: 10, tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: throttleTimeMs(1),
    nodeEndpoints: structs(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: 0, default: null }),
      },
      { since: 10, tag: 0 },
    ),
  },
});

export type ProduceRequest = RequestOf<typeof produce>;
export type ProduceResponse = ResponseOf<typeof produce>;
