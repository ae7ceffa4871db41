/** DescribeProducers 0: who wrote to a partition with a producer id, and since when a transaction is open (KIP-664). */
import type { Partition } from '../../../store/partition.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { describeProducers } from '../../../wire/messages/describe-producers.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { findPartition } from '../topic-lookup.ts';

/** One coordinator, always the same. */
const COORDINATOR_EPOCH = 0;

export const handle = handler(describeProducers, (request, { broker }) => ({
  topics: request.topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => {
      const partition = findPartition(broker, name, partitionIndex);
      const errorCode = partition === undefined ? kafkaError('BROKER_PARTITION_NOT_FOUND') : ERROR_CODES.NONE;
      return {
        partitionIndex,
        errorCode,
        errorMessage: partition === undefined ? `Topic ${name} has no partition ${partitionIndex}.` : null,
        activeProducers: partition === undefined ? [] : producersOf(partition),
      };
    }),
  })),
}));

function producersOf({ producers, transactions }: Partition) {
  return Array.from(producers?.list() ?? [], ({ producerId, epoch, lastSequence, lastTimestamp }) => ({
    producerId,
    producerEpoch: epoch,
    lastSequence,
    lastTimestamp,
    coordinatorEpoch: COORDINATOR_EPOCH,
    currentTxnStartOffset: transactions?.openSince(producerId) ?? -1,
  }));
}
