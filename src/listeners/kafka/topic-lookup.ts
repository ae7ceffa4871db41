/** Topics by the names of requests that are decoded whole. */
import type { Broker } from '../../broker/broker.ts';
import type { Topic } from '../../broker/topic.ts';
import { tryFoldTopicName } from '../../model/topic-name.ts';
import type { Partition } from '../../store/partition.ts';

/** @param name with slashes or dots; a name out of form names no topic. */
export function findTopic(broker: Broker, name: string): Topic | undefined {
  const canonical = tryFoldTopicName(name);
  return canonical === undefined ? undefined : broker.topics.find(canonical);
}

export function findPartition(broker: Broker, name: string, index: number): Partition | undefined {
  return findTopic(broker, name)?.partition(index);
}
