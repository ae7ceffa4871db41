/** Reads that go on where a consumer group stands, for who polls with one request after another. */
import type { Broker } from '../../broker/broker.ts';
import type { Topic } from '../../broker/topic.ts';
import { groupRefusal } from './group-errors.ts';
import { storeOffsets } from './group-offset-store.ts';
import { choosePartitions, type PartitionPosition, positionAt } from './position.ts';

/**
 * Where the group stands in each of the partitions; at the log start where it never was.
 *
 * @param asked partition number; undefined: all.
 * @throws BROKER_GROUP_ID_INVALID, BROKER_PARTITION_NOT_FOUND.
 */
export async function groupPositions(
  broker: Broker,
  topic: Topic,
  group: string,
  asked: string | undefined,
): Promise<PartitionPosition[]> {
  const partitions = choosePartitions(topic, asked ?? 'all');
  const wanted = { topic: topic.name, partitions: partitions.map(({ index }) => index) };
  const answer = await broker.groups.fetchOffsets({ groupId: group, topics: [wanted] });
  if (answer.error !== undefined) throw groupRefusal(answer.error, group);
  const stored = answer.topics[0]?.partitions ?? [];
  return partitions.map((partition, i) => {
    const offset = stored[i]?.offset ?? -1;
    return positionAt(topic, partition, offset < 0 ? partition.logStartOffset : offset);
  });
}

/** Stores how far a read came, so that the next one of the group goes on there. @throws BROKER_GROUP_NOT_EMPTY. */
export async function storePositions(
  broker: Broker,
  group: string,
  positions: readonly PartitionPosition[],
): Promise<void> {
  const [first] = positions;
  if (first === undefined) return;
  const partitions = positions.map(({ partition, nextOffset }) => ({
    partition: partition.index,
    offset: nextOffset,
    leaderEpoch: -1,
    metadata: null,
  }));
  await storeOffsets(broker, group, new Map([[first.topic.name, partitions]]));
}

/**
 * Lets reads with `commit` of one group and topic happen one after the other, so that no two of them begin at the same
 * place. Nobody keeps the turn while it waits for records.
 */
export class GroupTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(group: string, topic: string, work: () => Promise<T>): Promise<T> {
    const key = `${topic}\n${group}`;
    const before = this.#last.get(key);
    const current = before === undefined ? work() : before.then(work, work);
    this.#last.set(key, current);
    try {
      return await current;
    } finally {
      if (this.#last.get(key) === current) this.#last.delete(key);
    }
  }
}
