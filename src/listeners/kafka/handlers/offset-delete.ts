/** OffsetDelete 0: committed offsets of topics that no live member consumes. */
import { offsetDelete } from '../../../wire/messages/offset-delete.ts';
import { kafkaError } from '../error-codes.ts';
import { groupTopicName } from '../group-topic.ts';
import { handler } from '../handler.ts';

export const handle = handler(offsetDelete, async (request, { broker }) => {
  const answer = await broker.groups.deleteOffsets({
    groupId: request.groupId,
    topics: request.topics.map(({ name, partitions }) => ({
      topic: groupTopicName(name),
      partitions: partitions.map(({ partitionIndex }) => partitionIndex),
    })),
  });
  return {
    errorCode: kafkaError(answer.error),
    topics: answer.topics.map(({ topic, partitions }, index) => ({
      name: request.topics[index]?.name ?? topic,
      partitions: partitions.map(({ partition, error }) => ({
        partitionIndex: partition,
        errorCode: kafkaError(error),
      })),
    })),
  };
});
