/** IncrementalAlterConfigs 0-1: sets and deletes single settings. No setting here takes a list that could be appended to. */
import type { ConfigChange } from '../../../broker/topic-config.ts';
import { type IncrementalAlterConfigsRequest, incrementalAlterConfigs } from '../../../wire/index.ts';
import { changeConfig } from '../change-config.ts';
import { handler } from '../handler.ts';

type AskedChange = IncrementalAlterConfigsRequest['resources'][number]['configs'][number];

const SET = 0;
const DELETE = 1;

export const handleIncrementalAlterConfigs = handler(incrementalAlterConfigs, [0, 1], async (request, { broker }) => {
  const { validateOnly } = request;
  const responses = await Promise.all(
    request.resources.map((resource) => {
      const changes = resource.configs.map(toChange);
      const refused = changes.indexOf(undefined);
      const refusal =
        refused < 0
          ? undefined
          : `Setting ${resource.configs[refused]?.name}: only set (0) and delete (1) are possible, not operation ` +
            `${resource.configs[refused]?.configOperation}.`;
      return changeConfig(resource, changes as ConfigChange[], { validateOnly }, broker, refusal);
    }),
  );
  return { responses };
});

function toChange({ name, configOperation, value }: AskedChange): ConfigChange | undefined {
  if (configOperation === SET) return { name, op: 'set', value };
  return configOperation === DELETE ? { name, op: 'delete' } : undefined;
}
