/**
 * Settings of a topic: what exists, what it may be, what it does. One table feeds validation, DescribeConfigs and the
 * documentation.
 *
 * A setting that does not act yet takes only the value that describes what Millrace does; any other is refused with
 * BROKER_CONFIG_UNSUPPORTED instead of being swallowed.
 */
import { MillraceError } from '../base/errors.ts';
import type { ConfigEntry, ConfigType } from './config-entry.ts';
import type { BrokerSettings } from './settings.ts';

interface SettingDefinition {
  readonly type: ConfigType;
  readonly defaultValue: (settings: BrokerSettings) => string;
  /** Says what is wrong with the value, or nothing. */
  readonly refuse: (value: string) => Refusal | undefined;
  readonly documentation: string;
}

interface Refusal {
  readonly code: 'BROKER_CONFIG_INVALID' | 'BROKER_CONFIG_UNSUPPORTED';
  readonly expected: string;
}

const INT_MAX = 2_147_483_647;

function integer(min: number, max: number): SettingDefinition['refuse'] {
  return (value) =>
    /^-?\d{1,16}$/.test(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : { code: 'BROKER_CONFIG_INVALID', expected: `a whole number from ${min} to ${max}` };
}

function oneOf(...values: readonly string[]): SettingDefinition['refuse'] {
  return (value) =>
    values.includes(value) ? undefined : { code: 'BROKER_CONFIG_INVALID', expected: values.join(' or ') };
}

/** The setting is known, but only `value` (or what `also` takes) is what Millrace does today. */
function only(value: string, also: (value: string) => boolean = () => false): SettingDefinition['refuse'] {
  return (given) =>
    given === value || also(given)
      ? undefined
      : { code: 'BROKER_CONFIG_UNSUPPORTED', expected: `${value}: other values do not act yet` };
}

export const TOPIC_SETTINGS = {
  'cleanup.policy': {
    type: 'list',
    defaultValue: () => 'delete',
    refuse: only('delete'),
    documentation: 'What happens to old records: delete (by retention) is supported.',
  },
  'compression.type': {
    type: 'string',
    defaultValue: () => 'producer',
    refuse: only('producer'),
    documentation: 'Codec that batches are stored in; producer keeps what the producer sent.',
  },
  'max.message.bytes': {
    type: 'int',
    defaultValue: (settings) => String(settings.maxMessageBytes),
    refuse: integer(0, INT_MAX),
    documentation: 'Largest record batch accepted, in bytes, after compression.',
  },
  'message.timestamp.type': {
    type: 'string',
    defaultValue: () => 'CreateTime',
    refuse: oneOf('CreateTime', 'LogAppendTime'),
    documentation: "Whether a record's timestamp is the producer's (CreateTime) or the broker's (LogAppendTime).",
  },
  'min.insync.replicas': {
    type: 'int',
    defaultValue: () => '1',
    refuse: integer(1, INT_MAX),
    documentation: 'Accepted for compatibility: an acknowledged record is on stable storage, whatever stands here.',
  },
  'retention.bytes': {
    type: 'long',
    defaultValue: () => '-1',
    refuse: only('-1'),
    documentation: 'Size beyond which old records are deleted; -1 keeps all.',
  },
  'retention.ms': {
    type: 'long',
    defaultValue: () => '-1',
    refuse: only('-1'),
    documentation: 'Age beyond which old records are deleted; -1 keeps all.',
  },
} as const satisfies Record<string, SettingDefinition>;

export type TopicSettingName = keyof typeof TOPIC_SETTINGS;

/** What a topic has of its own; absent names have their defaults. */
export type TopicOverrides = ReadonlyMap<string, string>;

export interface ConfigChange {
  readonly name: string;
  readonly op: 'set' | 'delete';
  readonly value?: string | null;
}

/** The settings that the append path reads, parsed once. */
export interface TopicLimits {
  readonly maxBatchBytes: number;
  readonly logAppendTime: boolean;
}

export function topicLimits(overrides: TopicOverrides | undefined, settings: BrokerSettings): TopicLimits {
  return {
    maxBatchBytes: Number(overrides?.get('max.message.bytes') ?? settings.maxMessageBytes),
    logAppendTime: overrides?.get('message.timestamp.type') === 'LogAppendTime',
  };
}

/**
 * @returns the overrides after the changes.
 * @throws BROKER_CONFIG_INVALID (unknown name, bad value), BROKER_CONFIG_UNSUPPORTED (known, but does not act yet).
 */
export function applyChanges(before: TopicOverrides | undefined, changes: readonly ConfigChange[]): TopicOverrides {
  const after = new Map(before);
  for (const change of changes) {
    const definition = definitionOf(change.name);
    if (change.op === 'delete' || change.value === null || change.value === undefined) after.delete(change.name);
    else after.set(change.name, accepted(change.name, definition, change.value));
  }
  return after;
}

export function describeTopicConfig(overrides: TopicOverrides | undefined, settings: BrokerSettings): ConfigEntry[] {
  return Object.entries<SettingDefinition>(TOPIC_SETTINGS).map(([name, definition]) => {
    const own = overrides?.get(name);
    return {
      name,
      value: own ?? definition.defaultValue(settings),
      isDefault: own === undefined,
      source: own === undefined ? 'default' : 'topic',
      readOnly: false,
      sensitive: false,
      type: definition.type,
      documentation: definition.documentation,
    };
  });
}

function definitionOf(name: string): SettingDefinition {
  const definition = (TOPIC_SETTINGS as Record<string, SettingDefinition | undefined>)[name];
  if (definition !== undefined && Object.hasOwn(TOPIC_SETTINGS, name)) return definition;
  throw new MillraceError(
    'BROKER_CONFIG_INVALID',
    `Unknown topic setting '${name.slice(0, 100)}'. Known: ${Object.keys(TOPIC_SETTINGS).join(', ')}.`,
    { details: { setting: name.slice(0, 100) } },
  );
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
