/** The broker's own settings under the names that Kafka's tools ask for. Read only: they are set at start. */
import { BROKER_FACTS } from './broker-facts.ts';
import type { ConfigEntry, ConfigSynonym, ConfigType } from './config-entry.ts';
import type { SettingDefinition } from './setting-forms.ts';
import { type BrokerSettings, DEFAULT_BROKER_SETTINGS } from './settings.ts';
import { TOPIC_SETTINGS } from './topic-config.ts';

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
  ['default.replication.factor', 'int', () => '1', 'One copy, on stable storage before it is acknowledged.'],
  ['fetch.max.bytes', 'int', (s) => String(s.fetchMaxBytes), 'Largest fetch answer.'],
  [
    'group.consumer.heartbeat.interval.ms',
    'int',
    (s) => String(s.consumerHeartbeatIntervalMs),
    'How often members of the new group protocol heartbeat at least; few members: every second.',
  ],
  [
    'group.consumer.max.size',
    'int',
    (s) => String(s.consumerMaxSize),
    'Most members of one group of the new protocol.',
  ],
  [
    'group.consumer.session.timeout.ms',
    'int',
    (s) => String(s.consumerSessionTimeoutMs),
    'How long members of the new group protocol may be silent.',
  ],
  [
    'group.initial.rebalance.delay.ms',
    'int',
    (s) => String(s.groupInitialRebalanceDelayMs),
    'How long a new group waits for more members.',
  ],
  ['group.max.session.timeout.ms', 'int', (s) => String(s.groupMaxSessionTimeoutMs), 'Longest session timeout.'],
  ['group.max.size', 'int', (s) => String(s.groupMaxSize), 'Most members of one group.'],
  ['group.min.session.timeout.ms', 'int', (s) => String(s.groupMinSessionTimeoutMs), 'Shortest session timeout.'],
  [
    'log.retention.check.interval.ms',
    'long',
    (s) => String(s.retentionCheckMs),
    'How often old records are looked for.',
  ],
  ['millrace.journal.sync', 'string', (s) => s.sync, 'When commits are synced: always, interval or never.'],
  ['node.id', 'int', (s) => String(s.brokerId), 'Id of this broker.'],
  ['num.partitions', 'int', (s) => String(s.defaultPartitions), 'Partitions of a topic created without a number.'],
  [
    'offsets.retention.minutes',
    'int',
    (s) => String(s.offsetsRetentionMinutes),
    'How long committed offsets of a group without members are kept.',
  ],
];

/** In order of the names, each once. */
export function describeBrokerConfig(settings: BrokerSettings): readonly ConfigEntry[] {
  const rows = new Map(ALL_ROWS.map((row) => [row[0], row]));
  return [...rows.values()].sort(([a], [b]) => (a < b ? -1 : 1)).map((row) => describe(row, settings));
}

/** Later rows replace earlier ones of the same name: what stands above is said of the broker itself. */
const ALL_ROWS: readonly Row[] = [
  ...Object.entries<SettingDefinition>(TOPIC_SETTINGS).flatMap(([name, definition]): Row[] => {
    const { broker, type, defaultValue, documentation } = definition;
    return broker === undefined ? [] : [[broker, type, defaultValue, `Default of a topic's ${name}. ${documentation}`]];
  }),
  ...BROKER_FACTS.map(([name, type, value, documentation]): Row => [name, type, () => value, documentation]),
  ...ROWS,
];

function describe([name, type, valueOf, documentation]: Row, settings: BrokerSettings): ConfigEntry {
  const value = valueOf(settings);
  const preset: ConfigSynonym = { name, value: valueOf(DEFAULT_BROKER_SETTINGS), source: 'default' };
  const isDefault = value === preset.value;
  return {
    name,
    value,
    isDefault,
    source: isDefault ? 'default' : 'broker',
    readOnly: true,
    sensitive: false,
    type,
    documentation,
    synonyms: isDefault ? [preset] : [{ name, value, source: 'broker' }, preset],
  };
}
