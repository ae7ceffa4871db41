/** DescribeConfigs 1-4: topics and this broker. */
import { asMillraceError, MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { describeBrokerConfig } from '../../../broker/broker-config.ts';
import type { ConfigEntry } from '../../../broker/config-entry.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
  describeConfigs,
} from '../../../wire/messages/describe-configs.ts';
import { BROKER_RESOURCE, configSource, configType, TOPIC_RESOURCE } from '../config-source.ts';
import { distinct } from '../distinct.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { findTopic } from '../topic-lookup.ts';

type Asked = DescribeConfigsRequest['resources'][number];
type Result = DescribeConfigsResponse['results'][number];

export const handle = handler(describeConfigs, (request, { broker }) => ({
  results: distinct(request.resources, resourceKey).map((asked) => describe(asked, request, broker)),
}));

function resourceKey({ resourceType, resourceName }: Asked): string {
  return `${resourceType} ${resourceName}`;
}

function describe(asked: Asked, request: DescribeConfigsRequest, broker: Broker): Result {
  const { resourceType, resourceName } = asked;
  try {
    const keys = asked.configurationKeys === null ? undefined : new Set(asked.configurationKeys);
    const entries = entriesOf(resourceType, resourceName, broker).filter(({ name }) => keys?.has(name) ?? true);
    const configs = entries.map((entry) => toConfig(entry, request.includeSynonyms, request.includeDocumentation));
    return { errorCode: ERROR_CODES.NONE, errorMessage: null, resourceType, resourceName, configs };
  } catch (error) {
    const { code, message } = asMillraceError(error);
    return { errorCode: kafkaError(code), errorMessage: message, resourceType, resourceName, configs: [] };
  }
}

function entriesOf(resourceType: number, resourceName: string, broker: Broker): readonly ConfigEntry[] {
  if (resourceType === TOPIC_RESOURCE) {
    const topic = findTopic(broker, resourceName);
    if (topic !== undefined) return broker.topics.describeConfig(topic);
    throw new MillraceError('BROKER_TOPIC_NOT_FOUND', `Topic ${resourceName} does not exist.`);
  }
  if (resourceType !== BROKER_RESOURCE) {
    throw new MillraceError(
      'BROKER_REQUEST_INVALID',
      `Resources of type ${resourceType} have no settings here; topics (2) and brokers (4) have.`,
    );
  }
  // The empty name asks for the defaults of all brokers, of which this is the only one.
  if (resourceName !== '' && resourceName !== String(broker.brokerId)) {
    throw new MillraceError(
      'BROKER_REQUEST_INVALID',
      `There is no broker ${resourceName}; this is ${broker.brokerId}.`,
    );
  }
  return describeBrokerConfig(broker.settings);
}

function toConfig(entry: ConfigEntry, withSynonyms: boolean, withDocumentation: boolean): Result['configs'][number] {
  const shown = (value: string): string | null => (entry.sensitive ? null : value);
  return {
    name: entry.name,
    value: shown(entry.value),
    readOnly: entry.readOnly,
    configSource: configSource(entry.source),
    isSensitive: entry.sensitive,
    synonyms: withSynonyms
      ? entry.synonyms.map(({ name, value, source }) => ({ name, value: shown(value), source: configSource(source) }))
      : [],
    configType: configType(entry.type),
    documentation: withDocumentation ? entry.documentation : null,
  };
}
