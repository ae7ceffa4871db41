/**
 * AddPartitionsToTxn 0-5: partitions a transaction will write to. 3: flexible. 4: several transactions at once, made for
 * brokers (KIP-890), yet sent by @platformatic/kafka. Versions to 3 fill the `v3AndBelow` fields (librdkafka sends
 * exactly 0), later ones the arrays.
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { array, boolean, int16, int32, int64, string, structs, throttleTimeMs } from '../schema.ts';

const topics = { name: string(), partitions: array(int32()) };

const topicResults = {
  name: string(),
  resultsByPartition: structs({ partitionIndex: int32(), partitionErrorCode: int16() }),
};

export const addPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 5],
  flexible: 3,
  request: {
    transactions: structs(
      {
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        /** Only ask whether the partitions are in the transaction. */
        verifyOnly: boolean({ default: false }),
        topics: structs(topics),
      },
      { since: 4, default: [] },
    ),
    v3AndBelowTransactionalId: string({ until: 3, default: '' }),
    v3AndBelowProducerId: int64({ until: 3, default: 0 }),
    v3AndBelowProducerEpoch: int16({ until: 3, default: 0 }),
    v3AndBelowTopics: structs(topics, { until: 3, default: [] }),
  },
  response: {
    throttleTimeMs: throttleTimeMs(),
    errorCode: int16({ since: 4, default: 0 }),
    resultsByTransaction: structs(
      { transactionalId: string(), topicResults: structs(topicResults) },
      { since: 4, default: [] },
    ),
    resultsByTopicV3AndBelow: structs(topicResults, { until: 3, default: [] }),
  },
});

export type AddPartitionsToTxnRequest = RequestOf<typeof addPartitionsToTxn>;
export type AddPartitionsToTxnResponse = ResponseOf<typeof addPartitionsToTxn>;
