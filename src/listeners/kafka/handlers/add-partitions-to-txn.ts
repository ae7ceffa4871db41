/**
 * AddPartitionsToTxn 0-5: what a transaction will write to. Versions to 3 carry one transaction; 4 and 5 several, as
 * brokers send them to each other in Kafka, and as @platformatic/kafka does as a client.
 */
import type { ErrorCode } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { ProducerIdentity } from '../../../broker/transactions/api.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { addPartitionsToTxn } from '../../../wire/messages/add-partitions-to-txn.ts';
import { groupTopicName } from '../group-topic.ts';
import { handler } from '../handler.ts';
import { KNOWN_SINCE, transactionError } from '../transaction-facts.ts';

const SEVERAL_VERSION = 4;

type Asked = readonly { readonly name: string; readonly partitions: readonly number[] }[];

export const handle = handler(addPartitionsToTxn, async (request, { broker, version }) => {
  if (version < SEVERAL_VERSION) {
    const who = {
      transactionalId: request.v3AndBelowTransactionalId,
      producerId: request.v3AndBelowProducerId,
      producerEpoch: request.v3AndBelowProducerEpoch,
    };
    return { resultsByTopicV3AndBelow: await add(broker, version, who, request.v3AndBelowTopics, false) };
  }
  const resultsByTransaction = await Promise.all(
    request.transactions.map(async ({ transactionalId, producerId, producerEpoch, verifyOnly, topics }) => ({
      transactionalId,
      topicResults: await add(broker, version, { transactionalId, producerId, producerEpoch }, topics, verifyOnly),
    })),
  );
  return { errorCode: ERROR_CODES.NONE, resultsByTransaction };
});

async function add(broker: Broker, version: number, who: ProducerIdentity, asked: Asked, verifyOnly: boolean) {
  const topics = asked.map(({ name, partitions }) => ({ topic: groupTopicName(name), partitions }));
  const answer = await broker.transactions.addPartitions({ ...who, topics, verifyOnly });
  const codeOf = (error: ErrorCode | undefined): number =>
    transactionError(error, version, KNOWN_SINCE.addPartitionsToTxn);
  return answer.map(({ topic, partitions }, index) => ({
    name: asked[index]?.name ?? topic,
    resultsByPartition: partitions.map(({ partition, error }) => ({
      partitionIndex: partition,
      partitionErrorCode: codeOf(error),
    })),
  }));
}
