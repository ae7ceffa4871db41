/**
 * Settings of a topic: what exists, what it may be, what it does. One table feeds validation, DescribeConfigs and the
 * documentation.
 *
 * A setting that does not act yet takes only the value that describes what Millrace does; any other is refused with
 * BROKER_CONFIG_UNSUPPORTED instead of being swallowed.
 */
import { MillraceError } from '../base/errors.ts';
import { suggestion } from '../base/nearest-name.ts';
import { CODEC, type CodecName } from '../model/record-batch.ts';
import type { RetentionLimits } from '../store/retention.ts';
import { ACCEPTED_SETTINGS } from './accepted-settings.ts';
import type { ConfigEntry, ConfigSynonym } from './config-entry.ts';
import type { TargetCodec } from './decompressor/recompress.ts';
import type { MessageIdLimits } from './message-ids/message-id-table.ts';
import {
  elementsOf,
  fraction,
  INT_MAX,
  integer,
  LONG_MAX,
  long,
  oneOf,
  only,
  type SettingDefinition,
  someOf,
} from './setting-forms.ts';
import { type BrokerSettings, DEFAULT_BROKER_SETTINGS } from './settings.ts';

/** Some 16 MB of UUIDs in each partition. */
const DEFAULT_DEDUP_ENTRIES = 100_000;
/** What one map holds with ease; a typing error must not cost more. */
const MAX_DEDUP_ENTRIES = 10_000_000;
/** Five hundred years: times stay exact when it is subtracted. */
const MAX_WINDOW_MS = 2 ** 44;

/** What a topic does. Settings that Kafka has and that have nothing to act on here stand in accepted-settings.ts. */
export const TOPIC_SETTINGS = {
  ...ACCEPTED_SETTINGS,
  'cleanup.policy': {
    type: 'list',
    defaultValue: () => 'delete',
    refuse: someOf('delete', 'compact'),
    broker: 'log.cleanup.policy',
    documentation:
      'What happens to old records: delete (by retention), compact (the newest of each key stays), or both.',
  },
  'compression.type': {
    type: 'string',
    defaultValue: () => 'producer',
    refuse: oneOf('producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'),
    broker: 'compression.type',
    documentation: 'Codec that batches are stored in; producer keeps what the producer sent.',
  },
  'compression.gzip.level': {
    type: 'int',
    defaultValue: () => '-1',
    refuse: integer(-1, 9, [0]),
    broker: 'compression.gzip.level',
    documentation: 'Level of compression.type gzip: 1 to 9, or -1 for the default of the codec.',
  },
  'compression.lz4.level': {
    type: 'int',
    defaultValue: () => '9',
    refuse: only('9'),
    broker: 'compression.lz4.level',
    documentation: 'Level of compression.type lz4: the encoder has one.',
  },
  'compression.zstd.level': {
    type: 'int',
    defaultValue: () => '3',
    refuse: integer(-131_072, 22),
    broker: 'compression.zstd.level',
    documentation: 'Level of compression.type zstd.',
  },
  'dedup.max.entries': {
    type: 'int',
    defaultValue: () => String(DEFAULT_DEDUP_ENTRIES),
    refuse: integer(1, MAX_DEDUP_ENTRIES),
    documentation: 'Newest message ids that each partition remembers, with dedup.window.ms.',
  },
  'dedup.window.ms': {
    type: 'long',
    defaultValue: () => '0',
    refuse: long(0),
    documentation:
      'A record with a header message-id that came to its partition so recently is not stored again; its answer has the ' +
      'offset of the first. 0: ids are not looked at.',
  },
  'delete.retention.ms': {
    type: 'long',
    defaultValue: () => '86400000',
    refuse: long(0),
    broker: 'log.cleaner.delete.retention.ms',
    documentation:
      'How long a compacted topic keeps tombstones, from the first round of compaction on that has seen them.',
  },
  'max.compaction.lag.ms': {
    type: 'long',
    defaultValue: () => LONG_MAX,
    refuse: long(1),
    broker: 'log.cleaner.max.compaction.lag.ms',
    documentation: 'Longest that a record of a compacted topic may stay uncompacted.',
  },
  'max.message.bytes': {
    type: 'int',
    defaultValue: (settings) => String(settings.maxMessageBytes),
    refuse: integer(0, INT_MAX),
    broker: 'message.max.bytes',
    documentation: 'Largest record batch accepted, in bytes, after compression.',
  },
  'message.timestamp.after.max.ms': {
    type: 'long',
    defaultValue: () => LONG_MAX,
    refuse: long(0),
    broker: 'log.message.timestamp.after.max.ms',
    documentation: "How far a batch's timestamps may lie ahead of the broker's clock; only with CreateTime.",
  },
  'message.timestamp.before.max.ms': {
    type: 'long',
    defaultValue: () => LONG_MAX,
    refuse: long(0),
    broker: 'log.message.timestamp.before.max.ms',
    documentation: "How far a batch's timestamps may lie behind the broker's clock; only with CreateTime.",
  },
  'message.timestamp.difference.max.ms': {
    type: 'long',
    defaultValue: () => LONG_MAX,
    refuse: long(0),
    broker: 'log.message.timestamp.difference.max.ms',
    documentation: 'Older name for both of the above; where they are set, they hold.',
  },
  'message.timestamp.type': {
    type: 'string',
    defaultValue: () => 'CreateTime',
    refuse: oneOf('CreateTime', 'LogAppendTime'),
    broker: 'log.message.timestamp.type',
    documentation: "Whether a record's timestamp is the producer's (CreateTime) or the broker's (LogAppendTime).",
  },
  'min.cleanable.dirty.ratio': {
    type: 'double',
    defaultValue: () => '0.5',
    refuse: fraction(),
    broker: 'log.cleaner.min.cleanable.ratio',
    documentation: 'Share of a partition that is not compacted yet from which a compacted topic is compacted.',
  },
  'min.compaction.lag.ms': {
    type: 'long',
    defaultValue: () => '0',
    refuse: long(0),
    broker: 'log.cleaner.min.compaction.lag.ms',
    documentation: 'Shortest that a record of a compacted topic stays uncompacted.',
  },
  'retention.bytes': {
    type: 'long',
    defaultValue: (settings) => String(settings.retentionBytes),
    refuse: long(-1),
    broker: 'log.retention.bytes',
    documentation:
      'Size of a partition beyond which its oldest records are deleted; at least so much is kept. -1: no limit.',
  },
  'retention.ms': {
    type: 'long',
    defaultValue: (settings) => String(settings.retentionMs),
    refuse: long(-1),
    broker: 'log.retention.ms',
    documentation: 'Age, by their timestamps, beyond which records are deleted; -1: no limit.',
  },
  'retention.groups.wait.ms': {
    type: 'long',
    defaultValue: () => '-1',
    refuse: long(-1),
    documentation:
      'Records that retention would delete stay while a consumer group with offsets in the partition has not read them, but no longer ' +
      'than this beyond retention.ms. -1: groups do not matter.',
  },
  'retention.records': {
    type: 'long',
    defaultValue: () => '-1',
    refuse: long(-1),
    documentation:
      'Newest records that are kept in each partition, counted in offsets; older ones are deleted. -1: no limit.',
  },
} as const satisfies Record<string, SettingDefinition>;

export type TopicSettingName = keyof typeof TOPIC_SETTINGS;

/** What a topic has of its own; absent names have their defaults. */
export type TopicOverrides = ReadonlyMap<string, string>;

export interface ConfigChange {
  readonly name: string;
  /** `append` and `subtract`: elements of a setting that is a list. */
  readonly op: 'set' | 'delete' | 'append' | 'subtract';
  readonly value?: string | null;
}

/** The settings that the append path and retention read, parsed once. */
export interface TopicLimits {
  readonly maxBatchBytes: number;
  readonly logAppendTime: boolean;
  /** A batch's timestamps may lie so far behind the broker's clock, milliseconds; infinite without a limit. */
  readonly timestampBeforeMs: number;
  /** And so far ahead of it. */
  readonly timestampAfterMs: number;
  /** Codec that batches are stored in; undefined: the producer's. */
  readonly codec: TargetCodec | undefined;
  /** Without limits where the topic is only compacted. */
  readonly retention: RetentionLimits;
  /** Undefined: message ids are not looked at. */
  readonly messageIds: MessageIdLimits | undefined;
  /** Undefined: the topic is not compacted. */
  readonly compaction: CompactionRules | undefined;
}

/** How a topic is compacted (`src/broker/compaction`). */
export interface CompactionRules {
  /** Share of bytes not compacted yet from which it is worth a round. */
  readonly minDirtyRatio: number;
  /** Records younger than this stay as they are, milliseconds. */
  readonly minLagMs: number;
  /** Older ones are compacted whatever the share; infinite: no limit. */
  readonly maxLagMs: number;
  /** Tombstones stay so long after the first round that has seen them. */
  readonly deleteRetentionMs: number;
}

export function topicLimits(overrides: TopicOverrides | undefined, settings: BrokerSettings): TopicLimits {
  return {
    maxBatchBytes: Number(overrides?.get('max.message.bytes') ?? settings.maxMessageBytes),
    logAppendTime: overrides?.get('message.timestamp.type') === 'LogAppendTime',
    timestampBeforeMs: timestampLimit(overrides, 'message.timestamp.before.max.ms'),
    timestampAfterMs: timestampLimit(overrides, 'message.timestamp.after.max.ms'),
    codec: targetCodec(overrides),
    retention: deletes(overrides)
      ? {
          maxAgeMs: Number(overrides?.get('retention.ms') ?? settings.retentionMs),
          maxBytes: Number(overrides?.get('retention.bytes') ?? settings.retentionBytes),
          maxRecords: Number(overrides?.get('retention.records') ?? -1),
        }
      : NO_RETENTION,
    compaction: compactionRules(overrides),
    messageIds: messageIdLimits(overrides),
  };
}

const NO_RETENTION: RetentionLimits = { maxAgeMs: -1, maxBytes: -1, maxRecords: -1 };

function policies(overrides: TopicOverrides | undefined): readonly string[] {
  return elementsOf(overrides?.get('cleanup.policy') ?? 'delete');
}

function deletes(overrides: TopicOverrides | undefined): boolean {
  return policies(overrides).includes('delete');
}

function compactionRules(overrides: TopicOverrides | undefined): CompactionRules | undefined {
  if (!policies(overrides).includes('compact')) return undefined;
  return {
    minDirtyRatio: Number(overrides?.get('min.cleanable.dirty.ratio') ?? 0.5),
    minLagMs: msLimit(overrides?.get('min.compaction.lag.ms') ?? '0'),
    maxLagMs: msLimit(overrides?.get('max.compaction.lag.ms') ?? LONG_MAX),
    deleteRetentionMs: Math.min(msLimit(overrides?.get('delete.retention.ms') ?? '86400000'), MAX_DELETE_RETENTION_MS),
  };
}

/** A horizon beyond what a record's timestamp can be would say nothing: this is 2,800 years. */
const MAX_DELETE_RETENTION_MS = 2 ** 46;

/** Beyond what a double holds exactly there is no such time. */
function msLimit(value: string): number {
  return Number(value) > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : Number(value);
}

function messageIdLimits(overrides: TopicOverrides | undefined): MessageIdLimits | undefined {
  // Beyond what a double holds exactly: for ever.
  const windowMs = Math.min(Number(overrides?.get('dedup.window.ms') ?? 0), MAX_WINDOW_MS);
  if (windowMs === 0) return undefined;
  return { windowMs, maxEntries: Number(overrides?.get('dedup.max.entries') ?? DEFAULT_DEDUP_ENTRIES) };
}

function timestampLimit(overrides: TopicOverrides | undefined, name: TopicSettingName): number {
  const value = overrides?.get(name) ?? overrides?.get('message.timestamp.difference.max.ms') ?? LONG_MAX;
  return msLimit(value);
}

const CODEC_NAMES: Readonly<Record<string, CodecName | undefined>> = {
  uncompressed: 'none',
  gzip: 'gzip',
  snappy: 'snappy',
  lz4: 'lz4',
  zstd: 'zstd',
};

function targetCodec(overrides: TopicOverrides | undefined): TargetCodec | undefined {
  const name = CODEC_NAMES[overrides?.get('compression.type') ?? 'producer'];
  if (name === undefined) return undefined;
  const level = overrides?.get(`compression.${name}.level`);
  return { codec: CODEC[name], level: level === undefined ? undefined : Number(level) };
}

/**
 * @returns the overrides after the changes.
 * @throws BROKER_CONFIG_INVALID (unknown name, bad value, not a list), BROKER_CONFIG_UNSUPPORTED (known, but does not act
 *   yet).
 */
export function applyChanges(
  before: TopicOverrides | undefined,
  changes: readonly ConfigChange[],
  settings: BrokerSettings = DEFAULT_BROKER_SETTINGS,
): TopicOverrides {
  const after = new Map(before);
  for (const { name, op, value } of changes) {
    const definition = definitionOf(name);
    if (op === 'delete' || value === null || value === undefined) after.delete(name);
    else if (op === 'set') after.set(name, accepted(name, definition, value));
    else {
      const now = after.get(name) ?? definition.defaultValue(settings);
      after.set(name, accepted(name, definition, changedList(name, definition, op, now, value)));
    }
  }
  return after;
}

function changedList(
  name: string,
  { type }: SettingDefinition,
  op: 'append' | 'subtract',
  now: string,
  value: string,
): string {
  if (type !== 'list') {
    throw new MillraceError(
      'BROKER_CONFIG_INVALID',
      `Topic setting ${name} is no list, so nothing can be appended to it or subtracted from it.`,
      { details: { setting: name } },
    );
  }
  const elements = new Set(elementsOf(now));
  for (const each of elementsOf(value)) {
    if (op === 'append') elements.add(each);
    else elements.delete(each);
  }
  return [...elements].join(',');
}

/** In order of the names. */
export function describeTopicConfig(overrides: TopicOverrides | undefined, settings: BrokerSettings): ConfigEntry[] {
  return SETTING_ROWS.map(([name, definition]) => {
    const synonyms = synonymsOf(name, definition, overrides?.get(name), settings);
    const { value, source } = synonyms[0] as ConfigSynonym;
    return {
      name,
      value,
      isDefault: source === 'default',
      source,
      readOnly: false,
      sensitive: false,
      type: definition.type,
      documentation: definition.documentation,
      synonyms,
    };
  });
}

const SETTING_ROWS = Object.entries<SettingDefinition>(TOPIC_SETTINGS).sort(([a], [b]) => (a < b ? -1 : 1));

/** Where the value could come from, the one that holds first. */
function synonymsOf(
  name: string,
  definition: SettingDefinition,
  own: string | undefined,
  settings: BrokerSettings,
): ConfigSynonym[] {
  const synonyms: ConfigSynonym[] = [];
  const atBroker = definition.defaultValue(settings);
  const preset = definition.defaultValue(DEFAULT_BROKER_SETTINGS);
  const brokerName = definition.broker ?? name;
  if (own !== undefined) synonyms.push({ name, value: own, source: 'topic' });
  if (atBroker !== preset) synonyms.push({ name: brokerName, value: atBroker, source: 'broker' });
  synonyms.push({ name: brokerName, value: preset, source: 'default' });
  return synonyms;
}

function definitionOf(name: string): SettingDefinition {
  const definition = (TOPIC_SETTINGS as Record<string, SettingDefinition | undefined>)[name];
  if (definition !== undefined && Object.hasOwn(TOPIC_SETTINGS, name)) return definition;
  const known = SETTING_ROWS.map(([row]) => row);
  const hint = suggestion(name, known) || ` Known: ${known.join(', ')}.`;
  throw new MillraceError('BROKER_CONFIG_INVALID', `Unknown topic setting '${name.slice(0, 100)}'.${hint}`, {
    details: { setting: name.slice(0, 100) },
  });
}

function accepted(name: string, definition: SettingDefinition, value: string): string {
  const refusal = definition.refuse(value);
  if (refusal === undefined) return value;
  throw new MillraceError(
    refusal.code,
    `Topic setting ${name} cannot be '${value.slice(0, 100)}'; expected ${refusal.expected}.`,
    { details: { setting: name, value: value.slice(0, 100) } },
  );
}
