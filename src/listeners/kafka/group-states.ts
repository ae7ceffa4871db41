import type { GroupPhase } from '../../broker/groups/api.ts';

/** Names that Kafka's tools show. */
export const GROUP_STATES = {
  empty: 'Empty',
  preparing: 'PreparingRebalance',
  completing: 'CompletingRebalance',
  stable: 'Stable',
  assigning: 'Assigning',
  reconciling: 'Reconciling',
  dead: 'Dead',
} as const satisfies Record<GroupPhase, string>;
