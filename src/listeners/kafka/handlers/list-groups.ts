/** ListGroups 0-5: by state and by type (classic, or consumer for the protocol of KIP-848). */
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { listGroups } from '../../../wire/messages/list-groups.ts';
import { GROUP_STATES } from '../group-states.ts';
import { handler } from '../handler.ts';

export const handle = handler(listGroups, (request, { broker }) => {
  const states = lowerCase(request.statesFilter);
  const types = lowerCase(request.typesFilter);
  const groups = broker.groups.list().map(({ groupId, type, protocolType, phase }) => ({
    groupId,
    protocolType,
    groupState: GROUP_STATES[phase],
    groupType: type,
  }));
  return {
    errorCode: ERROR_CODES.NONE,
    groups: groups.filter(
      ({ groupState, groupType }) =>
        (states.size === 0 || states.has(groupState.toLowerCase())) && (types.size === 0 || types.has(groupType)),
    ),
  };
});

function lowerCase(words: readonly string[]): Set<string> {
  return new Set(words.map((word) => word.toLowerCase()));
}
