/** ListGroups 0-5: classic groups only, of which all are. */
import { ERROR_CODES, listGroups } from '../../../wire/index.ts';
import { GROUP_STATES } from '../group-states.ts';
import { handler } from '../handler.ts';

const GROUP_TYPE = 'classic';

export const handleListGroups = handler(listGroups, [0, 5], (request, { broker }) => {
  const { statesFilter, typesFilter } = request;
  const states = new Set(statesFilter.map((state) => state.toLowerCase()));
  const isAskedType = typesFilter.length === 0 || typesFilter.some((type) => type.toLowerCase() === GROUP_TYPE);
  const listed = isAskedType ? broker.groups.list() : [];
  const groups = listed.map(({ groupId, protocolType, phase }) => ({
    groupId,
    protocolType,
    groupState: GROUP_STATES[phase],
    groupType: GROUP_TYPE,
  }));
  return {
    errorCode: ERROR_CODES.NONE,
    groups: groups.filter(({ groupState }) => states.size === 0 || states.has(groupState.toLowerCase())),
  };
});
