/** Positions and committed offsets, through the library's calls. */
import type { Admin, Consumer } from '@platformatic/kafka';
import type { ExactPosition, Place } from '../../position.ts';
import { type PositionMark, partitionKey } from '../../position-marks.ts';
import { kafkaErrorName } from './errors.ts';

/** Without deserializers of the library: keys, values and headers stay bytes. */
export type KafkaConsumer = Consumer;

const EARLIEST = -2n;
const LATEST = -1n;
/** Only what is committed counts as there: `latest` stands before an open transaction. */
const READ_COMMITTED = 1;

/** Offset of a position in each of the partitions. */
export async function resolvePositions(
  consumer: KafkaConsumer,
  places: readonly Required<Place>[],
  position: ExactPosition,
): Promise<Map<string, bigint>> {
  if (position.at === 'offset') return new Map(places.map((place) => [partitionKey(place), position.offset]));
  const timestamp =
    position.at === 'earliest' ? EARLIEST : position.at === 'latest' ? LATEST : BigInt(position.timestamp);
  const found = await list(consumer, places, timestamp);
  const missing = places.filter((place) => (found.get(partitionKey(place)) ?? -1n) < 0n);
  // No record as late as that: the end.
  if (missing.length > 0) for (const [key, end] of await list(consumer, missing, LATEST)) found.set(key, end);
  return found;
}

async function list(
  consumer: KafkaConsumer,
  places: readonly Required<Place>[],
  timestamp: bigint,
): Promise<Map<string, bigint>> {
  if (places.length === 0) return new Map();
  const partitions = partitionsByTopic(places);
  const answer = await consumer.listOffsets({
    topics: Object.keys(partitions),
    partitions,
    timestamp,
    isolationLevel: READ_COMMITTED,
  });
  return new Map(places.map((place) => [partitionKey(place), answer.get(place.topic)?.[place.partition] ?? -1n]));
}

/** Committed offsets of a group; partitions without one are missing. */
export async function committedOffsets(
  admin: Admin,
  group: string,
  places: readonly Required<Place>[],
): Promise<Map<string, bigint>> {
  const committed = new Map<string, bigint>();
  if (places.length === 0) return committed;
  const topics = Object.entries(partitionsByTopic(places)).map(([name, partitionIndexes]) => ({
    name,
    partitionIndexes,
  }));
  // What an open transaction wrote is waited for: its outcome decides where the group stands.
  const options = { groups: [{ groupId: group, topics }], requireStable: true };
  const answers = await admin.listConsumerGroupOffsets(options).catch((error: unknown) => {
    // Kafka answers for a group that it does not know as for one without commits; others say that there is none.
    if (kafkaErrorName(error) === 'GROUP_ID_NOT_FOUND') return [];
    throw error;
  });
  for (const answer of answers) {
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, committedOffset } of partitions)
        if (committedOffset >= 0n)
          committed.set(partitionKey({ topic: name, partition: partitionIndex }), committedOffset);
    }
  }
  return committed;
}

/** Commits for a group without members. */
export async function commitAlone(admin: Admin, group: string, marks: readonly PositionMark[]): Promise<void> {
  const byTopic = new Map<string, { partition: number; offset: bigint }[]>();
  for (const { topic, partition, nextOffset } of marks) {
    const offsets = byTopic.get(topic) ?? [];
    offsets.push({ partition, offset: nextOffset });
    byTopic.set(topic, offsets);
  }
  const topics = [...byTopic].map(([name, partitionOffsets]) => ({ name, partitionOffsets }));
  await admin.alterConsumerGroupOffsets({ groupId: group, topics });
}

function partitionsByTopic(places: readonly Required<Place>[]): Record<string, number[]> {
  const byTopic: Record<string, number[]> = {};
  for (const { topic, partition } of places) (byTopic[topic] ??= []).push(partition);
  return byTopic;
}
