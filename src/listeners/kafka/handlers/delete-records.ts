/** DeleteRecords 0-2: moves log starts forward; durable before it is answered. */
import { asMillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { type DeleteRecordsResponse, deleteRecords } from '../../../wire/messages/delete-records.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { findPartition } from '../topic-lookup.ts';

type Answer = DeleteRecordsResponse['topics'][number]['partitions'][number];

export const handle = handler(deleteRecords, async (request, { broker }) => {
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(({ partitionIndex, offset }) => deleteBefore(broker, name, partitionIndex, offset)),
      ),
    })),
  );
  return { topics };
});

async function deleteBefore(broker: Broker, name: string, partitionIndex: number, offset: number): Promise<Answer> {
  const partition = findPartition(broker, name, partitionIndex);
  if (partition === undefined) {
    return { partitionIndex, lowWatermark: -1, errorCode: ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION };
  }
  try {
    const lowWatermark = await broker.deleteRecords(partition, offset);
    return { partitionIndex, lowWatermark, errorCode: ERROR_CODES.NONE };
  } catch (error) {
    return { partitionIndex, lowWatermark: -1, errorCode: kafkaError(asMillraceError(error).code) };
  }
}
