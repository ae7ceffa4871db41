/**
 * TxnOffsetCommit 0-5: offsets that become the group's when the transaction commits, and never when it aborts. With
 * version 5 the group joins the transaction by this, with no AddOffsetsToTxn before (KIP-890).
 */
import { type TxnOffsetCommitRequest, txnOffsetCommit } from '../../../wire/messages/txn-offset-commit.ts';
import { groupTopicName } from '../group-topic.ts';
import { handler } from '../handler.ts';
import { KNOWN_SINCE, transactionError } from '../transaction-facts.ts';

const JOINS_VERSION = 5;

type Asked = TxnOffsetCommitRequest['topics'][number]['partitions'][number];

export const handle = handler(txnOffsetCommit, async (request, { broker, version }) => {
  const answer = await broker.transactions.commitOffsets({
    transactionalId: request.transactionalId,
    producerId: request.producerId,
    producerEpoch: request.producerEpoch,
    groupId: request.groupId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    generation: request.generationId,
    joins: version >= JOINS_VERSION,
    topics: request.topics.map(({ name, partitions }) => ({
      topic: groupTopicName(name),
      partitions: partitions.map(toCommit),
    })),
  });
  return {
    topics: answer.topics.map(({ topic, partitions }, index) => ({
      name: request.topics[index]?.name ?? topic,
      partitions: partitions.map(({ partition, error }) => ({
        partitionIndex: partition,
        errorCode: transactionError(error, version, KNOWN_SINCE.txnOffsetCommit),
      })),
    })),
  };
});

function toCommit(asked: Asked) {
  return {
    partition: asked.partitionIndex,
    offset: asked.committedOffset,
    leaderEpoch: asked.committedLeaderEpoch,
    metadata: asked.committedMetadata,
  };
}
