/** DeleteGroups 0-2: groups without members, with their offsets. */
import { deleteGroups } from '../../../wire/messages/delete-groups.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';

export const handle = handler(deleteGroups, async (request, { broker }) => {
  const results = await Promise.all(
    request.groupsNames.map(async (groupId) => ({
      groupId,
      errorCode: kafkaError(await broker.groups.delete(groupId)),
    })),
  );
  return { results };
});
