/** The broker's own settings under the names that Kafka's tools ask for. Read only: they are set at start. */
import type { ConfigEntry, ConfigType } from './config-entry.ts';
import { type BrokerSettings, DEFAULT_BROKER_SETTINGS } from './settings.ts';

type Row = readonly [
  name: string,
  type: ConfigType,
  value: (settings: BrokerSettings) => string,
  documentation: string,
];

const ROWS: readonly Row[] = [
  [
    'auto.create.topics.enable',
    'boolean',
    (s) => String(s.autoCreateTopics),
    'Create missing topics that clients name.',
  ],
  ['broker.id', 'int', (s) => String(s.brokerId), 'Id of this broker.'],
  ['compression.type', 'string', () => 'producer', 'Batches are stored as the producer compressed them.'],
  ['default.replication.factor', 'int', () => '1', 'One copy, on stable storage before it is acknowledged.'],
  ['fetch.max.bytes', 'int', (s) => String(s.fetchMaxBytes), 'Largest fetch answer.'],
  [
    'group.initial.rebalance.delay.ms',
    'int',
    (s) => String(s.groupInitialRebalanceDelayMs),
    'How long a new group waits for more members.',
  ],
  ['group.max.session.timeout.ms', 'int', (s) => String(s.groupMaxSessionTimeoutMs), 'Longest session timeout.'],
  ['group.min.session.timeout.ms', 'int', (s) => String(s.groupMinSessionTimeoutMs), 'Shortest session timeout.'],
  ['log.cleanup.policy', 'list', () => 'delete', 'What happens to old records.'],
  ['log.message.timestamp.type', 'string', () => 'CreateTime', "Default of a topic's message.timestamp.type."],
  ['log.retention.bytes', 'long', () => '-1', 'Records are kept whatever their size.'],
  ['log.retention.ms', 'long', () => '-1', 'Records are kept whatever their age.'],
  ['message.max.bytes', 'int', (s) => String(s.maxMessageBytes), "Default of a topic's max.message.bytes."],
  ['millrace.journal.sync', 'string', (s) => s.sync, 'When commits are synced: always, interval or never.'],
  ['min.insync.replicas', 'int', () => '1', 'Accepted for compatibility.'],
  ['num.partitions', 'int', (s) => String(s.defaultPartitions), 'Partitions of a topic created without a number.'],
];

export function describeBrokerConfig(settings: BrokerSettings): readonly ConfigEntry[] {
  return ROWS.map(([name, type, value, documentation]) => {
    const isDefault = value(settings) === value(DEFAULT_BROKER_SETTINGS);
    return {
      name,
      value: value(settings),
      isDefault,
      source: isDefault ? 'default' : 'broker',
      readOnly: true,
      sensitive: false,
      type,
      documentation,
    };
  });
}
