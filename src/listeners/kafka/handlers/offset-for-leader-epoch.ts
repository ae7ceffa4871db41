/**
 * OffsetForLeaderEpoch 2-4: leadership never changed, so epoch 0 ends where the partition ends. The end is the high
 * watermark: what lies behind it may still be lost in a crash, and a reader never saw it.
 */
import { LEADER_EPOCH } from '../../../broker/produce.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { offsetForLeaderEpoch } from '../../../wire/messages/offset-for-leader-epoch.ts';
import { handler } from '../handler.ts';
import { leaderEpochError } from '../leader-epoch.ts';
import { findTopic } from '../topic-lookup.ts';

export const handle = handler(offsetForLeaderEpoch, (request, { broker }) => ({
  topics: request.topics.map(({ topic: name, partitions }) => {
    const topic = findTopic(broker, name);
    return {
      topic: name,
      partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
        const partition = topic?.partition(index);
        if (partition === undefined) return { partition: index, errorCode: ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION };
        const errorCode = leaderEpochError(currentLeaderEpoch);
        // An epoch that was never led here ended nowhere: "undefined" (-1, -1), as Kafka answers.
        if (errorCode !== ERROR_CODES.NONE || leaderEpoch !== LEADER_EPOCH) return { partition: index, errorCode };
        return { partition: index, errorCode, leaderEpoch, endOffset: partition.highWatermark };
      }),
    };
  }),
}));
