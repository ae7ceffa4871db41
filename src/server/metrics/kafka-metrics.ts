/** The Kafka listener. */
import type { KafkaMetrics } from '../../listeners/kafka/metrics.ts';
import { SERVED_APIS } from '../../listeners/kafka/registry.ts';
import type { MetricDefinition } from './metrics.ts';

export const KAFKA_METRICS: readonly MetricDefinition<KafkaMetrics>[] = [
  {
    name: 'millrace_kafka_connections',
    kind: 'gauge',
    unit: 'count',
    help: 'Open Kafka connections.',
    read: (kafka) => kafka.connections,
  },
  {
    name: 'millrace_kafka_connections_accepted_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections accepted.',
    read: (kafka) => kafka.accepted,
  },
  {
    name: 'millrace_kafka_connections_refused_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections turned away at the limit.',
    read: (kafka) => kafka.refused,
  },
  {
    name: 'millrace_kafka_connections_rejected_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections closed for what they sent: malformed, too large or unknown requests.',
    read: (kafka) => kafka.rejected,
  },
  {
    name: 'millrace_kafka_connections_idle_closed_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections closed because nothing came for too long.',
    read: (kafka) => kafka.idleClosed,
  },
  {
    name: 'millrace_kafka_requests_total',
    kind: 'counter',
    unit: 'requests',
    help: 'Requests received, by API; those never used are left out.',
    read: (kafka) =>
      SERVED_APIS.map(({ key, name }) => ({ labels: { api: name }, value: kafka.requests[key] ?? 0 })).filter(
        ({ value }) => value > 0,
      ),
  },
  {
    name: 'millrace_kafka_fetch_sessions',
    kind: 'gauge',
    unit: 'count',
    help: 'Fetch sessions (KIP-227) now.',
    read: (kafka) => kafka.fetchSessions,
  },
  {
    name: 'millrace_kafka_fetch_session_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Memory of the fetch sessions, approximately.',
    read: (kafka) => kafka.fetchSessionBytes,
  },
  {
    name: 'millrace_kafka_fetch_sessions_created_total',
    kind: 'counter',
    unit: 'count',
    help: 'Fetch sessions opened.',
    read: (kafka) => kafka.fetchSessionsCreated,
  },
  {
    name: 'millrace_kafka_fetch_sessions_evicted_total',
    kind: 'counter',
    unit: 'count',
    help: 'Fetch sessions given up for others.',
    read: (kafka) => kafka.fetchSessionsEvicted,
  },
  {
    name: 'millrace_kafka_received_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes received.',
    read: (kafka) => kafka.bytesIn,
  },
  {
    name: 'millrace_kafka_sent_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes sent.',
    read: (kafka) => kafka.bytesOut,
  },
  {
    name: 'millrace_kafka_held_request_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Memory of requests that have arrived in part.',
    read: (kafka) => kafka.landingBytes,
  },
  {
    name: 'millrace_kafka_held_answer_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Fetched bytes that their sockets have not taken.',
    read: (kafka) => kafka.fetchedBytes,
  },
];
