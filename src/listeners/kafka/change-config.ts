/** What both config-changing APIs do. */
import { asMillraceError, MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import type { ConfigChange } from '../../broker/topic-config.ts';
import { ERROR_CODES } from '../../wire/error-codes.ts';
import { TOPIC_RESOURCE } from './config-source.ts';
import { isNew } from './distinct.ts';
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

interface AskedResource extends Resource {
  readonly configs: readonly { readonly name: string }[];
}

/** Resources that a request names more than once; which of the changes should hold is nobody's guess. */
export function repeatedResources(resources: readonly Resource[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(resources.map(keyOf).filter((key) => !isNew(seen, key)));
}

/** Why a resource's changes cannot be meant as they stand, in words; Kafka refuses the same. */
export function refusalOf(
  resource: AskedResource,
  repeated: ReadonlySet<string>,
  withoutValue: string | undefined,
): string | undefined {
  if (repeated.has(keyOf(resource))) return `${resource.resourceName} stands in the request more than once.`;
  const seen = new Set<string>();
  const twice = resource.configs.find(({ name }) => !isNew(seen, name));
  if (twice !== undefined) return `Setting ${twice.name} stands in the request more than once.`;
  return withoutValue === undefined ? undefined : `Setting ${withoutValue} has no value (null); delete it instead.`;
}

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType} ${resourceName}`;
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
