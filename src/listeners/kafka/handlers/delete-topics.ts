/** DeleteTopics 1-6: by name, from version 6 on also by id. */
import { asMillraceError, MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { type DeleteTopicsResponse, deleteTopics } from '../../../wire/messages/delete-topics.ts';
import { ZERO_UUID } from '../../../wire/reader.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { findTopic } from '../topic-lookup.ts';

type Answer = DeleteTopicsResponse['responses'][number];

export const handle = handler(deleteTopics, async (request, { broker, version }) => {
  const asked = version >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  const responses = await Promise.all(asked.map(({ name, topicId }) => deleteOne(name, topicId, broker)));
  return { responses };
});

async function deleteOne(name: string | null, topicId: string, broker: Broker): Promise<Answer> {
  const topic = name === null ? broker.topics.byId(topicId) : findTopic(broker, name);
  try {
    if (name !== null && topicId !== ZERO_UUID) {
      throw new MillraceError('BROKER_REQUEST_INVALID', `Give the name ${name} or the id ${topicId}, not both.`);
    }
    if (topic === undefined) throw notFound(name, topicId);
    await broker.topics.delete(topic);
    return { name: name ?? topic.name, topicId: topic.id, errorCode: ERROR_CODES.NONE };
  } catch (error) {
    const { code, message } = asMillraceError(error);
    return { name, topicId, errorCode: kafkaError(code), errorMessage: message };
  }
}

function notFound(name: string | null, topicId: string): MillraceError {
  return name === null
    ? new MillraceError('BROKER_TOPIC_ID_UNKNOWN', `No topic has the id ${topicId}.`)
    : new MillraceError('BROKER_TOPIC_NOT_FOUND', `Topic ${name} does not exist.`);
}
