/** From a name in a path to a topic. */
import { MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import type { Topic } from '../../broker/topic.ts';
import { foldTopicName } from '../../model/topic-name.ts';

/** @throws MODEL_TOPIC_NAME_INVALID, BROKER_TOPIC_NOT_FOUND. */
export function findTopic(broker: Broker, pathName: string): Topic {
  const name = foldTopicName(pathName);
  const topic = broker.topics.find(name);
  if (topic === undefined) throw topicNotFound(name);
  return topic;
}

export function topicNotFound(name: string): MillraceError {
  return new MillraceError(
    'BROKER_TOPIC_NOT_FOUND',
    `There is no topic \`${name}\`. Create it with POST /v1/topics, or check the name.`,
    { details: { topic: name } },
  );
}

/**
 * A topic that somebody writes to and that is not there: made with defaults, where the broker makes topics by itself.
 *
 * @param name canonical.
 * @param check runs before: what is refused must not leave a topic behind.
 * @throws BROKER_TOPIC_NOT_FOUND, and what `check` throws.
 */
export async function autoCreatedTopic(broker: Broker, name: string, check: () => void = () => {}): Promise<Topic> {
  if (!broker.settings.autoCreateTopics) throw topicNotFound(name);
  check();
  return await broker.topics.autoCreate(name);
}
