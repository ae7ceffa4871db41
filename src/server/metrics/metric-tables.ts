/**
 * Metrics, declared as data: name, kind, unit, what it counts, and where its value stands. The rooms only add to plain
 * numbers; everything is read when `/metrics` is asked for. docs/metrics.md is made from these tables, in this order.
 *
 * Names are API: append, never rename.
 */
import type { Broker } from '../../broker/broker.ts';
import type { MessageIds } from '../../broker/message-ids/message-ids.ts';
import type { Transactions } from '../../broker/transactions/api.ts';
import type { HttpCounters } from '../../listeners/http/counters.ts';
import type { KafkaMetrics } from '../../listeners/kafka/metrics.ts';
import type { WebSocketCounters } from '../../listeners/ws/counters.ts';
import type { DiskCounters } from '../metered-disk.ts';
import { BACKUP_METRICS } from './backup-metrics.ts';
import { BROKER_METRICS } from './broker-metrics.ts';
import { COMPACTION_METRICS } from './compaction-metrics.ts';
import { DISK_METRICS } from './disk-metrics.ts';
import { GROUP_METRICS } from './group-metrics.ts';
import { HTTP_METRICS } from './http-metrics.ts';
import { KAFKA_METRICS } from './kafka-metrics.ts';
import { MESSAGE_ID_METRICS } from './message-id-metrics.ts';
import { type BoundMetric, bindMetrics, type MetricDefinition } from './metrics.ts';
import { PUSH_METRICS } from './push-metrics.ts';
import { STORAGE_METRICS } from './storage-metrics.ts';
import { STREAM_METRICS } from './stream-metrics.ts';
import { TIER_METRICS } from './tier-metrics.ts';
import { TRANSACTION_METRICS } from './transaction-metrics.ts';
import { WEB_SOCKET_METRICS } from './web-socket-metrics.ts';

/** What the tables read from, by the name that their rows give it. */
export interface MetricSources {
  readonly broker: Broker;
  readonly transactions: Transactions;
  readonly messageIds: MessageIds;
  readonly disk: DiskCounters;
  readonly kafka: KafkaMetrics;
  readonly http: HttpCounters;
  readonly webSocket: WebSocketCounters;
}

export interface MetricTable {
  /** Heading in docs/metrics.md. */
  readonly title: string;
  readonly definitions: readonly MetricDefinition<never>[];
  readonly bind: (sources: MetricSources) => BoundMetric[];
}

export const METRIC_TABLES: readonly MetricTable[] = [
  table('Broker', BROKER_METRICS, 'broker'),
  table('Storage', STORAGE_METRICS, 'broker'),
  table('Compaction', COMPACTION_METRICS, 'broker'),
  table('Object store', TIER_METRICS, 'broker'),
  table('Backup', BACKUP_METRICS, 'broker'),
  table('Consumer groups', GROUP_METRICS, 'broker'),
  table('Transactions', TRANSACTION_METRICS, 'transactions'),
  table('Repeated messages', MESSAGE_ID_METRICS, 'messageIds'),
  table('Streams', STREAM_METRICS, 'broker'),
  table('Push', PUSH_METRICS, 'broker'),
  table('Disk', DISK_METRICS, 'disk'),
  table('Kafka', KAFKA_METRICS, 'kafka'),
  table('HTTP', HTTP_METRICS, 'http'),
  table('WebSocket', WEB_SOCKET_METRICS, 'webSocket'),
];

export function bindAllMetrics(sources: MetricSources): BoundMetric[] {
  return METRIC_TABLES.flatMap(({ bind }) => bind(sources));
}

function table<K extends keyof MetricSources>(
  title: string,
  definitions: readonly MetricDefinition<MetricSources[K]>[],
  source: K,
): MetricTable {
  return { title, definitions, bind: (sources) => bindMetrics(definitions, sources[source]) };
}
