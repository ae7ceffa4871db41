/**
 * ListOffsets 1-11: earliest, latest, largest timestamp, and the first offset at or after a time. All data is local, so
 * "earliest local" is the earliest and nothing was tiered.
 */
import { asMillraceError, type ErrorCode } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { LEADER_EPOCH } from '../../../broker/produce.ts';
import type { Partition } from '../../../store/partition.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { type ListOffsetsRequest, type ListOffsetsResponse, listOffsets } from '../../../wire/messages/list-offsets.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { leaderEpochError } from '../leader-epoch.ts';
import { findPartition } from '../topic-lookup.ts';

type Asked = ListOffsetsRequest['topics'][number]['partitions'][number];
type Answer = ListOffsetsResponse['topics'][number]['partitions'][number];

/** Special timestamps. On the wire: never renumber. */
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;
/** First versions that know them (KIP-734, KIP-405, KIP-1005, KIP-1023). */
const SINCE: Readonly<Record<number, number>> = {
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
  [EARLIEST_PENDING_UPLOAD]: 11,
};

export const handle = handler(listOffsets, async (request, { broker, version }) => {
  const readCommitted = request.isolationLevel === 1;
  const topics = [];
  for (const { name, partitions } of request.topics) {
    const answers: Answer[] = [];
    for (const asked of partitions) {
      const partition = findPartition(broker, name, asked.partitionIndex);
      answers.push(await answerOne(asked, partition, broker, version, readCommitted));
    }
    topics.push({ name, partitions: answers });
  }
  return { topics };
});

async function answerOne(
  asked: Asked,
  partition: Partition | undefined,
  broker: Broker,
  version: number,
  readCommitted: boolean,
): Promise<Answer> {
  const { partitionIndex, timestamp, currentLeaderEpoch } = asked;
  if (partition === undefined) return refused(partitionIndex, 'BROKER_PARTITION_NOT_FOUND');
  const errorCode = leaderEpochError(currentLeaderEpoch);
  if (errorCode !== ERROR_CODES.NONE) return { partitionIndex, errorCode };
  if (version < (SINCE[timestamp] ?? 0)) return refused(partitionIndex, 'WIRE_UNSUPPORTED_VERSION');
  const found = (offset: number, time = -1): Answer => ({
    partitionIndex,
    errorCode: 0,
    offset,
    timestamp: time,
    leaderEpoch: offset < 0 ? -1 : LEADER_EPOCH,
  });
  switch (timestamp) {
    case LATEST:
      return found(readCommitted ? partition.lastStableOffset : partition.highWatermark);
    case EARLIEST:
    case EARLIEST_LOCAL:
      return found(partition.logStartOffset);
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return found(-1);
    default:
      return await byTime(partition, timestamp, broker, partitionIndex, found);
  }
}

async function byTime(
  partition: Partition,
  timestamp: number,
  broker: Broker,
  partitionIndex: number,
  found: (offset: number, time: number) => Answer,
): Promise<Answer> {
  // Not a number: beyond 2^53, so later than every record. Other negatives are no time.
  if (Number.isNaN(timestamp)) return found(-1, -1);
  if (timestamp < MAX_TIMESTAMP) return refused(partitionIndex, 'BROKER_REQUEST_INVALID');
  try {
    const match =
      timestamp === MAX_TIMESTAMP
        ? await broker.maxTimestampOffset(partition)
        : await broker.offsetForTimestamp(partition, timestamp);
    return found(match.offset, match.timestamp);
  } catch (error) {
    return refused(partitionIndex, asMillraceError(error).code);
  }
}

function refused(partitionIndex: number, code: ErrorCode): Answer {
  return { partitionIndex, errorCode: kafkaError(code) };
}
