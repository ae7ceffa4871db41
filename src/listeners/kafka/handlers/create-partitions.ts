/** CreatePartitions 0-3: `count` is the new total. Assignments, where given, name this broker for each new partition. */
import { asMillraceError, MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
  createPartitions,
} from '../../../wire/messages/create-partitions.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { findTopic } from '../topic-lookup.ts';

type Asked = CreatePartitionsRequest['topics'][number];
type Answer = CreatePartitionsResponse['results'][number];

export const handle = handler(createPartitions, async (request, { broker }) => {
  const { validateOnly } = request;
  const results = await Promise.all(request.topics.map((asked) => addPartitions(asked, broker, validateOnly)));
  return { results };
});

async function addPartitions(asked: Asked, broker: Broker, validateOnly: boolean): Promise<Answer> {
  const { name, count, assignments } = asked;
  try {
    const topic = findTopic(broker, name);
    if (topic === undefined) throw new MillraceError('BROKER_TOPIC_NOT_FOUND', `Topic ${name} does not exist.`);
    const added = count - topic.partitionCount;
    if (assignments !== null && added > 0) checkAssignments(assignments, added, broker.brokerId);
    await broker.topics.addPartitions(topic, count, { validateOnly });
    return { name, errorCode: ERROR_CODES.NONE };
  } catch (error) {
    const { code, message } = asMillraceError(error);
    return { name, errorCode: kafkaError(code), errorMessage: message };
  }
}

function checkAssignments(assignments: NonNullable<Asked['assignments']>, added: number, brokerId: number): void {
  const isHere = assignments.every(({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === brokerId);
  if (assignments.length === added && isHere) return;
  throw new MillraceError(
    'BROKER_ASSIGNMENT_INVALID',
    `${added} partitions are added, so ${added} assignments are expected, each to broker ${brokerId} alone.`,
  );
}
