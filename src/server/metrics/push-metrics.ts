/** Pushes: deliveries of records to HTTP endpoints. */
import type { Broker } from '../../broker/broker.ts';
import type { MetricDefinition } from './metrics.ts';

export const PUSH_METRICS: readonly MetricDefinition<Broker>[] = [
  {
    name: 'millrace_pushes',
    kind: 'gauge',
    unit: 'count',
    help: 'Pushes that exist, paused ones included.',
    read: (broker) => broker.pushes.size,
  },
  {
    name: 'millrace_push_lag_records',
    kind: 'gauge',
    unit: 'records',
    help: 'Records that can be read and were not taken yet, by push.',
    read: (broker) =>
      [...broker.pushes.list()].map((push) => ({ labels: { push: push.id }, value: broker.pushes.lag(push) })),
  },
  {
    name: 'millrace_push_deliveries_in_flight',
    kind: 'gauge',
    unit: 'count',
    help: 'Deliveries under way.',
    read: (broker) => broker.pushes.inFlight,
  },
  {
    name: 'millrace_push_deliveries_total',
    kind: 'counter',
    unit: 'count',
    help: 'Deliveries begun.',
    read: (broker) => broker.pushes.counters.deliveries,
  },
  {
    name: 'millrace_push_failures_total',
    kind: 'counter',
    unit: 'count',
    help: 'Deliveries that failed: no answer, or one that took nothing.',
    read: (broker) => broker.pushes.counters.failures,
  },
  {
    name: 'millrace_push_records_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records that applications took.',
    read: (broker) => broker.pushes.counters.records,
  },
  {
    name: 'millrace_push_rewinds_total',
    kind: 'counter',
    unit: 'count',
    help: 'Answers incorrect_base_offset: the application was elsewhere than its cursor.',
    read: (broker) => broker.pushes.counters.rewinds,
  },
  {
    name: 'millrace_push_dead_letters_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records that went to a dead-letter topic.',
    read: (broker) => broker.pushes.counters.deadLetters,
  },
];
