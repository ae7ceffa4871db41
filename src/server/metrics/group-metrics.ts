/** Consumer groups of both protocols. */
import type { Broker } from '../../broker/broker.ts';
import type { MetricDefinition } from './metrics.ts';

export const GROUP_METRICS: readonly MetricDefinition<Broker>[] = [
  {
    name: 'millrace_groups',
    kind: 'gauge',
    unit: 'count',
    help: 'Consumer groups, by the phase they are in.',
    read: (broker) => {
      const phases = { empty: 0, preparing: 0, completing: 0, assigning: 0, reconciling: 0, stable: 0, dead: 0 };
      for (const group of broker.groups.list()) phases[group.phase] += 1;
      return Object.entries(phases).map(([phase, value]) => ({ labels: { phase }, value }));
    },
  },
  {
    name: 'millrace_group_rebalances_total',
    kind: 'counter',
    unit: 'count',
    help: 'Generations that classic groups formed, and targets that groups of the new protocol got.',
    read: (broker) => broker.groups.counters.rebalances,
  },
  {
    name: 'millrace_group_expired_members_total',
    kind: 'counter',
    unit: 'count',
    help: 'Members removed because they went silent.',
    read: (broker) => broker.groups.counters.expiredMembers,
  },
  {
    name: 'millrace_group_committed_offsets_total',
    kind: 'counter',
    unit: 'count',
    help: 'Offsets that groups stored, one for each partition.',
    read: (broker) => broker.groups.counters.committedOffsets,
  },
  {
    name: 'millrace_group_expired_offsets_total',
    kind: 'counter',
    unit: 'count',
    help: 'Offsets forgotten because nobody asked for them in offsets.retention.minutes.',
    read: (broker) => broker.groups.counters.expiredOffsets,
  },
];
