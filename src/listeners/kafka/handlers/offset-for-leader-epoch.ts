/** OffsetForLeaderEpoch 2-4: leadership never changed, so epoch 0 ends where the partition ends. */
import { LEADER_EPOCH } from '../../../broker/produce.ts';
import { ERROR_CODES, offsetForLeaderEpoch } from '../../../wire/index.ts';
import { handler } from '../handler.ts';
import { findPartition } from '../topic-lookup.ts';

export const handleOffsetForLeaderEpoch = handler(offsetForLeaderEpoch, [2, 4], (request, { broker }) => ({
  topics: request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
      const partition = findPartition(broker, topic, index);
      if (partition === undefined) return { partition: index, errorCode: ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION };
      if (currentLeaderEpoch > LEADER_EPOCH) return { partition: index, errorCode: ERROR_CODES.UNKNOWN_LEADER_EPOCH };
      // A later epoch than ours was never led here: "undefined", as Kafka answers.
      if (leaderEpoch !== LEADER_EPOCH) return { partition: index, errorCode: ERROR_CODES.NONE };
      return { partition: index, errorCode: ERROR_CODES.NONE, leaderEpoch, endOffset: partition.highWatermark };
    }),
  })),
}));
