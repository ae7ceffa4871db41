/** What both config-changing APIs do. */
import { asMillraceError, MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import type { ConfigChange } from '../../broker/topic-config.ts';
import { ERROR_CODES } from '../../wire/index.ts';
import { TOPIC_RESOURCE } from './config-source.ts';
import { kafkaError } from './error-codes.ts';
import { findTopic } from './topic-lookup.ts';

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

interface Answer extends Resource {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** @param refusal where the request was found wrong already: why, in words. */
export async function changeConfig(
  resource: Resource,
  changes: readonly ConfigChange[],
  options: { readonly validateOnly: boolean; readonly replaceAll?: boolean },
  broker: Broker,
  refusal?: string,
): Promise<Answer> {
  const { resourceType, resourceName } = resource;
  try {
    if (refusal !== undefined) throw new MillraceError('BROKER_REQUEST_INVALID', refusal);
    if (resourceType !== TOPIC_RESOURCE) {
      throw new MillraceError(
        'BROKER_REQUEST_INVALID',
        `Only settings of topics (2) can be changed at run time, not those of resource type ${resourceType}; ` +
          "the broker's own are given at its start.",
      );
    }
    const topic = findTopic(broker, resourceName);
    if (topic === undefined) throw new MillraceError('BROKER_TOPIC_NOT_FOUND', `Topic ${resourceName} does not exist.`);
    await broker.topics.configure(topic, changes, options);
    return { errorCode: ERROR_CODES.NONE, errorMessage: null, resourceType, resourceName };
  } catch (error) {
    const { code, message } = asMillraceError(error);
    return { errorCode: kafkaError(code), errorMessage: message, resourceType, resourceName };
  }
}
