/** Where a read begins: from the query to an offset in each partition (docs/protocol.md, "Reading"). */
import { MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import type { Topic } from '../../broker/topic.ts';
import type { Partition } from '../../store/partition.ts';
import type { ReadQuery } from './schemas.ts';
import { parseTimestamp, TIMESTAMP_FORM } from './timestamp.ts';

/** How far a read has come in one partition. The other two offsets are those of the last fetch. */
export interface PartitionPosition {
  readonly topic: Topic;
  readonly partition: Partition;
  /** Next offset to deliver. */
  nextOffset: number;
  highWatermark: number;
  logStartOffset: number;
}

/** What the parameters look like, as sources of regular expressions. */
export const PARTITION_FORM = '^(?:all|\\d{1,10})$';
export const OFFSET_FORM = '^(?:earliest|latest|\\d{1,16})$';
export const OFFSETS_FORM = '^\\d{1,10}:\\d{1,16}(?:,\\d{1,10}:\\d{1,16})*$';

const STARTS = ['offset', 'timestamp', 'first', 'last', 'offsets', 'group'] as const;

/** @throws HTTP_REQUEST_INVALID for parameters that exclude each other. */
export function checkReadQuery(query: ReadQuery): void {
  const given = STARTS.filter((name) => query[name] !== undefined);
  if (given.length > 1) throw refuse(`${given.map(quote).join(' and ')} each say where to begin. Give one of them.`);
  for (const [one, other] of [
    ['first', 'limit'],
    ['wait', 'follow'],
    ['offsets', 'partition'],
    ['commit', 'follow'],
  ] as const) {
    if (query[one] !== undefined && query[other] !== undefined && query[other] !== false) {
      throw refuse(`${quote(one)} and ${quote(other)} do not go together.`);
    }
  }
  if (query.commit === true && query.group === undefined) throw refuse('`commit` goes with `group`: say for whom.');
}

/** @throws HTTP_REQUEST_INVALID, BROKER_PARTITION_NOT_FOUND, and what a search by time gives. */
export async function startPositions(broker: Broker, topic: Topic, query: ReadQuery): Promise<PartitionPosition[]> {
  if (query.offsets !== undefined) return fromOffsets(topic, query.offsets);
  const partitions = choosePartitions(topic, query.partition);
  const timestamp = query.timestamp === undefined ? undefined : queryTimestamp(query.timestamp);
  const positions: PartitionPosition[] = [];
  for (const partition of partitions) {
    const start =
      timestamp === undefined
        ? startOffset(partition, query)
        : (await broker.offsetForTimestamp(partition, timestamp)).offset;
    positions.push(positionAt(topic, partition, start === -1 ? partition.highWatermark : start));
  }
  return positions;
}

export function positionAt(topic: Topic, partition: Partition, nextOffset: number): PartitionPosition {
  const { highWatermark, logStartOffset } = partition;
  return { topic, partition, nextOffset, highWatermark, logStartOffset };
}

/** `0:17,2:5`, as `offsets` takes it. */
export function formatOffsets(positions: readonly PartitionPosition[]): string {
  return positions.map((position) => `${position.partition.index}:${position.nextOffset}`).join(',');
}

/** A partition by number. @throws BROKER_PARTITION_NOT_FOUND. */
export function partitionOf(topic: Topic, index: number): Partition {
  const partition = topic.partition(index);
  if (partition !== undefined) return partition;
  const length = topic.partitionCount;
  throw new MillraceError(
    'BROKER_PARTITION_NOT_FOUND',
    `Topic ${topic.name} has no partition ${index}; it has ${length}, numbered from 0.`,
    { details: { topic: topic.name, partition: index, partitionCount: length } },
  );
}

/** The one partition of a topic that has one. @throws HTTP_REQUEST_INVALID otherwise. */
export function onlyPartition(topic: Topic, hint: string): Partition {
  const length = topic.partitionCount;
  if (length === 1) return partitionOf(topic, 0);
  throw refuse(`Topic ${topic.name} has ${length} partitions. Say which with \`partition=0\` to ${length - 1}${hint}.`);
}

export function queryTimestamp(text: string): number {
  const timestamp = parseTimestamp(text);
  if (timestamp === undefined) throw refuse(`Query parameter \`timestamp\` must be ${TIMESTAMP_FORM}.`);
  return timestamp;
}

export function choosePartitions(topic: Topic, asked: string | undefined): readonly Partition[] {
  if (asked === 'all') return topic.partitions;
  if (asked === undefined) return [onlyPartition(topic, ', or all of them with `partition=all`')];
  return [partitionOf(topic, Number(asked))];
}

function startOffset(partition: Partition, query: ReadQuery): number {
  const { logStartOffset, highWatermark } = partition;
  if (query.last !== undefined) return Math.max(logStartOffset, highWatermark - query.last);
  if (query.offset === undefined || query.offset === 'earliest') return logStartOffset;
  return query.offset === 'latest' ? highWatermark : Number(query.offset);
}

function fromOffsets(topic: Topic, text: string): PartitionPosition[] {
  const positions = text.split(',').map((pair) => {
    const [index, offset] = pair.split(':').map(Number) as [number, number];
    return positionAt(topic, partitionOf(topic, index), offset);
  });
  if (new Set(positions.map((position) => position.partition)).size !== positions.length) {
    throw refuse('`offsets` names a partition twice.');
  }
  return positions;
}

function quote(name: string): string {
  return `\`${name}\``;
}

function refuse(message: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', message, { details: { in: 'query' } });
}
