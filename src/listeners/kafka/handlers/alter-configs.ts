/** AlterConfigs 0-2: what is named is set, everything else of the resource goes back to its default. */
import { alterConfigs } from '../../../wire/messages/alter-configs.ts';
import { changeConfig, refusalOf, repeatedResources } from '../change-config.ts';
import { handler } from '../handler.ts';

export const handle = handler(alterConfigs, async (request, { broker }) => {
  const { validateOnly, resources } = request;
  const repeated = repeatedResources(resources);
  const responses = await Promise.all(
    resources.map((resource) =>
      changeConfig(
        resource,
        resource.configs.map(({ name, value }) => ({ name, op: 'set', value })),
        { validateOnly, replaceAll: true },
        broker,
        refusalOf(resource, repeated, resource.configs.find(({ value }) => value === null)?.name),
      ),
    ),
  );
  return { responses };
});
