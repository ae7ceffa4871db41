/** TxnOffsetCommit 0-4: offsets that become the group's when the transaction commits, and never when it aborts. */
import { type TxnOffsetCommitRequest, txnOffsetCommit } from '../../../wire/index.ts';
import { groupTopicName } from '../group-topic.ts';
import { handler } from '../handler.ts';
import { transactionError } from '../transaction-facts.ts';

type Asked = TxnOffsetCommitRequest['topics'][number]['partitions'][number];

export const handleTxnOffsetCommit = handler(txnOffsetCommit, [0, 4], async (request, { broker, version }) => {
  const answer = await broker.transactions.commitOffsets({
    transactionalId: request.transactionalId,
    producerId: request.producerId,
    producerEpoch: request.producerEpoch,
    groupId: request.groupId,
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    generation: request.generationId,
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
        errorCode: transactionError(error, version),
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
