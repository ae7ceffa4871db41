/** Streams of the Durable Streams protocol, and the subscriptions to them. */
import type { Broker } from '../../broker/broker.ts';
import type { MetricDefinition } from './metrics.ts';

export const STREAM_METRICS: readonly MetricDefinition<Broker>[] = [
  {
    name: 'millrace_streams',
    kind: 'gauge',
    unit: 'count',
    help: 'Topics that are streams of the Durable Streams protocol.',
    read: (broker) => broker.streams.size,
  },
  {
    name: 'millrace_stream_subscriptions',
    kind: 'gauge',
    unit: 'count',
    help: 'Subscriptions to streams.',
    read: (broker) => broker.subscriptions.size,
  },
  {
    name: 'millrace_stream_wakes_total',
    kind: 'counter',
    unit: 'count',
    help: 'Wakes of subscriptions to streams.',
    read: (broker) => broker.subscriptions.counters.wakes,
  },
  {
    name: 'millrace_stream_acks_total',
    kind: 'counter',
    unit: 'count',
    help: 'Offsets that workers of subscriptions acknowledged.',
    read: (broker) => broker.subscriptions.counters.acks,
  },
  {
    name: 'millrace_stream_leases_expired_total',
    kind: 'counter',
    unit: 'count',
    help: 'Wakes that ended because their worker went silent.',
    read: (broker) => broker.subscriptions.counters.leasesExpired,
  },
  {
    name: 'millrace_webhook_calls_total',
    kind: 'counter',
    unit: 'count',
    help: 'Webhooks called.',
    read: (broker) => broker.subscriptions.counters.webhookCalls,
  },
  {
    name: 'millrace_webhook_failures_total',
    kind: 'counter',
    unit: 'count',
    help: 'Webhook calls that failed and are tried again.',
    read: (broker) => broker.subscriptions.counters.webhookFailures,
  },
];
