/** IncrementalAlterConfigs 0-1: sets and deletes single settings, and changes elements of those that are lists. */
import type { ConfigChange } from '../../../broker/topic-config.ts';
import {
  type IncrementalAlterConfigsRequest,
  incrementalAlterConfigs,
} from '../../../wire/messages/incremental-alter-configs.ts';
import { changeConfig, refusalOf, repeatedResources } from '../change-config.ts';
import { handler } from '../handler.ts';

type AskedChange = IncrementalAlterConfigsRequest['resources'][number]['configs'][number];

/** By operation number (KIP-339). */
const OPERATIONS: readonly ConfigChange['op'][] = ['set', 'delete', 'append', 'subtract'];

export const handle = handler(incrementalAlterConfigs, async (request, { broker }) => {
  const { validateOnly, resources } = request;
  const repeated = repeatedResources(resources);
  const responses = await Promise.all(
    resources.map((resource) => {
      const { configs } = resource;
      const unknown = configs.find(({ configOperation }) => OPERATIONS[configOperation] === undefined);
      const withoutValue = configs.find(({ configOperation, value }) => configOperation !== 1 && value === null);
      const refusal =
        unknown === undefined
          ? refusalOf(resource, repeated, withoutValue?.name)
          : `Setting ${unknown.name}: there is no operation ${unknown.configOperation}; known are 0 to 3.`;
      return changeConfig(
        resource,
        refusal === undefined ? configs.map(toChange) : [],
        { validateOnly },
        broker,
        refusal,
      );
    }),
  );
  return { responses };
});

function toChange({ name, configOperation, value }: AskedChange): ConfigChange {
  return { name, op: OPERATIONS[configOperation] ?? 'set', value };
}
