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
