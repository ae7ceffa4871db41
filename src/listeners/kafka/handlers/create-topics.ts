/** CreateTopics 2-7: each topic for itself; answers with configuration and id where the version has them. */
import { asMillraceError, MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { tryFoldTopicName } from '../../../model/topic-name.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  createTopics,
} from '../../../wire/messages/create-topics.ts';
import { configSource } from '../config-source.ts';
import { isNew } from '../distinct.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';

type Asked = CreateTopicsRequest['topics'][number];
type Answer = CreateTopicsResponse['topics'][number];

export const handle = handler(createTopics, async (request, { broker }) => {
  const names = request.topics.map(({ name }) => tryFoldTopicName(name) ?? name);
  const repeated = repeatedOf(names);
  const topics = await Promise.all(
    request.topics.map(async (asked, index): Promise<Answer> => {
      const name = names[index] as string;
      if (!repeated.has(name)) return await createOne(asked, broker, request.validateOnly);
      return refused(asked, requestInvalid(`Topic ${name} stands in the request more than once.`));
    }),
  );
  return { topics };
});

function repeatedOf(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(names.filter((name) => !isNew(seen, name)));
}

async function createOne(asked: Asked, broker: Broker, validateOnly: boolean): Promise<Answer> {
  try {
    const { name, assignments } = asked;
    const partitions = assignments.length === 0 ? asked.numPartitions : assignedPartitions(asked, broker.brokerId);
    const withoutValue = asked.configs.find(({ value }) => value === null);
    if (withoutValue !== undefined) {
      throw new MillraceError('BROKER_CONFIG_INVALID', `Setting ${withoutValue.name} has no value (null).`);
    }
    const config = Object.fromEntries(asked.configs.map((each) => [each.name, each.value]));
    const replicationFactor = assignments.length === 0 ? asked.replicationFactor : 1;
    const topic = await broker.topics.create({ name, partitions, replicationFactor, config }, { validateOnly });
    if (topic === undefined) return { name, errorCode: ERROR_CODES.NONE, numPartitions: partitions, configs: [] };
    return {
      name,
      topicId: topic.id,
      errorCode: ERROR_CODES.NONE,
      numPartitions: topic.partitionCount,
      replicationFactor: 1,
      configs: broker.topics.describeConfig(topic).map((entry) => ({
        name: entry.name,
        value: entry.value,
        readOnly: entry.readOnly,
        configSource: configSource(entry.source),
        isSensitive: entry.sensitive,
      })),
    };
  } catch (error) {
    return refused(asked, asMillraceError(error));
  }
}

/** Explicit assignments: every partition from 0 on, each to this broker alone. */
function assignedPartitions(asked: Asked, brokerId: number): number {
  const { assignments, numPartitions, replicationFactor } = asked;
  if (numPartitions !== -1 || replicationFactor !== -1) {
    throw requestInvalid('With explicit assignments, partitions and replication factor must be -1.');
  }
  const indexes = new Set(assignments.map((each) => each.partitionIndex));
  const inRange = (index: number): boolean => index >= 0 && index < assignments.length;
  const isDense = indexes.size === assignments.length && assignments.every((each) => inRange(each.partitionIndex));
  const isHere = assignments.every(({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === brokerId);
  if (isDense && isHere) return assignments.length;
  throw new MillraceError(
    'BROKER_ASSIGNMENT_INVALID',
    `Assignments must name partitions 0 to ${assignments.length - 1} once each, with broker ${brokerId} alone.`,
  );
}

function requestInvalid(message: string): MillraceError {
  return new MillraceError('BROKER_REQUEST_INVALID', message);
}

function refused({ name }: Asked, error: MillraceError): Answer {
  return { name, errorCode: kafkaError(error.code), errorMessage: error.message, configs: [] };
}
