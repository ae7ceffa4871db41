/**
 * What can be configured, declared as data: name, default, form, and what it means. The command line's help is made from
 * this table, so a setting that is not here does not exist. Names are Kafka's where Kafka has the setting.
 */
import { MillraceError } from '../base/errors.ts';
import { suggestion } from '../base/nearest-name.ts';
import { type BrokerSettings, DEFAULT_BROKER_SETTINGS } from '../broker/settings.ts';
import type { Address } from './address.ts';

/** One address for Kafka clients. */
export interface KafkaEndpoint extends Address {
  /** Says which of several is meant. */
  readonly name: string;
  /** Where its clients are told to connect, for brokers behind a proxy or in a container. Default: the address that each one used. */
  readonly advertised?: Address | undefined;
}

/** What `millrace serve` is started with. */
export interface ServerConfig {
  /** Holds the journal; one process at a time. Created where absent. */
  readonly dataDirectory: string;
  /** One at least; names are unique. */
  readonly kafka: readonly KafkaEndpoint[];
  readonly http: Address;
  /** Origins whose pages may call over HTTP; `*` for all, empty for none but the broker's own. */
  readonly corsOrigins: readonly string[];
  readonly broker: BrokerSettings;
}

/** Reachable from this machine alone: there is no authentication yet. */
export const DEFAULT_SERVER_CONFIG: ServerConfig = {
  dataDirectory: './data',
  kafka: [{ name: 'kafka', host: '127.0.0.1', port: 9092 }],
  http: { host: '127.0.0.1', port: 7123 },
  corsOrigins: [],
  broker: DEFAULT_BROKER_SETTINGS,
};

type SettingForm =
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'word'; readonly words: readonly string[] }
  /** Checked where it is used, but for how it begins where it is not empty. */
  | { readonly type: 'text'; readonly begins?: readonly string[] };

export interface Setting {
  readonly name: string;
  readonly key: keyof BrokerSettings;
  readonly form: SettingForm;
  readonly documentation: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

function bytes(min: number, max: number): SettingForm {
  return { type: 'integer', min, max };
}

export const SETTINGS: readonly Setting[] = [
  {
    name: 'journal.sync',
    key: 'sync',
    form: { type: 'word', words: ['always', 'interval', 'never'] },
    documentation:
      'when written records are synced to stable storage; anything but always may lose acknowledged ones at a power loss',
  },
  {
    name: 'journal.sync.interval.ms',
    key: 'syncIntervalMs',
    form: { type: 'integer', min: 1, max: 3_600_000 },
    documentation: 'time between syncs with journal.sync=interval',
  },
  {
    name: 'journal.file.bytes',
    key: 'journalFileBytes',
    form: bytes(MIB, 2 * GIB),
    documentation: 'a journal file is closed at this size',
  },
  {
    name: 'checkpoint.bytes',
    key: 'checkpointBytes',
    form: bytes(MIB, 64 * GIB),
    documentation:
      'a checkpoint is written once this much journal came since the last; less makes a start after a crash faster',
  },
  {
    name: 'journal.staged.max.bytes',
    key: 'maxStagedBytes',
    form: bytes(MIB, 4 * GIB),
    documentation: 'bytes that may wait for the disk; beyond them writes are refused as overload',
  },
  {
    name: 'tail.cache.bytes',
    key: 'tailCacheBytes',
    form: bytes(MIB, 64 * GIB),
    documentation: 'memory for the most recent records, which readers at the end of topics share',
  },
  {
    name: 'auto.create.topics.enable',
    key: 'autoCreateTopics',
    form: { type: 'boolean' },
    documentation: 'topics that a client names are created when they are missing',
  },
  {
    name: 'num.partitions',
    key: 'defaultPartitions',
    form: { type: 'integer', min: 1, max: 10_000 },
    documentation: 'partitions of a topic created without a number',
  },
  {
    name: 'replication.factor.max',
    key: 'maxReplicationFactor',
    form: { type: 'integer', min: 1, max: 32_767 },
    documentation: 'replication factor that clients may ask for; there is one copy, this is for tools that insist',
  },
  {
    name: 'message.max.bytes',
    key: 'maxMessageBytes',
    form: bytes(KIB, GIB),
    documentation: 'largest record batch, unless the topic says otherwise (max.message.bytes)',
  },
  {
    name: 'fetch.max.bytes',
    key: 'fetchMaxBytes',
    form: bytes(KIB, GIB),
    documentation: 'largest answer to a fetch, however much the client asks for',
  },
  {
    name: 'seal.bytes',
    key: 'sealBytes',
    form: { type: 'integer', min: 0, max: 64 * GIB },
    documentation:
      'once closed journal files of this size have come, their records are rewritten side by side by topic; 0: never',
  },
  {
    name: 'log.cleaner.backoff.ms',
    key: 'compactionCheckMs',
    form: { type: 'integer', min: 100, max: 86_400_000 },
    documentation: 'how often compacted topics are looked at',
  },
  {
    name: 'log.cleaner.dedupe.buffer.size',
    key: 'compactionKeyBytes',
    form: { type: 'integer', min: 1024 * 1024, max: 4 * GIB },
    documentation:
      'memory for the keys of the partition that is compacted, 24 bytes each; with more keys it takes more rounds',
  },
  {
    name: 'log.cleaner.io.max.bytes.per.second',
    key: 'compactionBytesPerSecond',
    form: { type: 'integer', min: 0, max: 64 * GIB },
    documentation: 'what compaction reads and writes; 0: no limit',
  },
  {
    name: 'storage.compression',
    key: 'storageCompression',
    form: { type: 'word', words: ['none', 'zstd'] },
    documentation:
      'how records are compressed on the disk once they are sealed, where it pays; what is there already stays as it is',
  },
  {
    name: 'tier.store',
    key: 'tierStore',
    form: { type: 'text', begins: ['s3://', 'dir:///'] },
    documentation:
      'object store that sealed records are copied to, s3://BUCKET/PREFIX?endpoint=URL&region=NAME or dir:///PATH; empty: none',
  },
  {
    name: 'tier.local.bytes',
    key: 'tierLocalBytes',
    form: { type: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER },
    documentation:
      'records on the disk beyond this size leave it, the oldest first, once they are sealed and in the store',
  },
  {
    name: 'tier.local.ms',
    key: 'tierLocalMs',
    form: { type: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER },
    documentation: 'sealed records older than this leave the disk once they are in the store; -1: age does not matter',
  },
  {
    name: 'tier.throttle',
    key: 'tierThrottle',
    form: { type: 'word', words: ['reachable', 'always', 'never'] },
    documentation:
      'when producers are slowed down to what sealing and the store manage, so that the disk stays within 1.2 times tier.local.bytes: ' +
      'while the store takes data, also while it is down, or never',
  },
  {
    name: 'tier.throttle.min.bytes',
    key: 'tierThrottleMinBytes',
    form: bytes(1024, 1024 * GIB),
    documentation: 'bytes a second that producers may write together however little the store takes',
  },
  {
    name: 'tier.cache.bytes',
    key: 'tierCacheBytes',
    form: bytes(16 * MIB, 1024 * GIB),
    documentation: 'disk space for records that were read back from the store',
  },
  {
    name: 'tier.delete.grace.ms',
    key: 'tierGraceMs',
    form: { type: 'integer', min: 1_000, max: 30 * 86_400_000 },
    documentation: 'objects that nobody reads any more are deleted after this time',
  },
  {
    name: 'tier.check.interval.ms',
    key: 'tierCheckMs',
    form: { type: 'integer', min: 100, max: 86_400_000 },
    documentation: 'how often sealed records are looked for that are to move',
  },
  {
    name: 'encryption.key.source',
    key: 'encryptionKeySource',
    form: { type: 'text', begins: ['file:', 'env:', 'command:'] },
    documentation:
      'where master keys come from that encrypt everything at rest: file:PATH, env:NAME or command:LINE; empty: nothing is encrypted',
  },
  {
    name: 'encryption.prefixes',
    key: 'encryptionPrefixes',
    form: { type: 'text' },
    documentation:
      'prefixes of topics with keys of their own, which can be deleted to make them unreadable: food/,billing/eu/; empty: none',
  },
  {
    name: 'disk.min.free.bytes',
    key: 'minFreeBytes',
    form: { type: 'integer', min: 0, max: 1024 * GIB },
    documentation: 'with less free space on the disk, writes are refused and reads go on; 0: never',
  },
  {
    name: 'log.retention.ms',
    key: 'retentionMs',
    form: { type: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER },
    documentation: 'age beyond which records are deleted, unless the topic says otherwise (retention.ms); -1 keeps all',
  },
  {
    name: 'log.retention.bytes',
    key: 'retentionBytes',
    form: { type: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER },
    documentation:
      'size of a partition beyond which old records are deleted, unless the topic says otherwise (retention.bytes); -1 keeps all',
  },
  {
    name: 'log.retention.check.interval.ms',
    key: 'retentionCheckMs',
    form: { type: 'integer', min: 100, max: 86_400_000 },
    documentation: 'how often old records are looked for, and files whose space can be given back',
  },
  {
    name: 'group.initial.rebalance.delay.ms',
    key: 'groupInitialRebalanceDelayMs',
    form: { type: 'integer', min: 0, max: 60_000 },
    documentation: 'how long a new consumer group waits for more members',
  },
  {
    name: 'group.min.session.timeout.ms',
    key: 'groupMinSessionTimeoutMs',
    form: { type: 'integer', min: 1, max: 86_400_000 },
    documentation: 'shortest session timeout that a member of a consumer group may ask for',
  },
  {
    name: 'group.max.session.timeout.ms',
    key: 'groupMaxSessionTimeoutMs',
    form: { type: 'integer', min: 1, max: 86_400_000 },
    documentation: 'longest session timeout that a member of a consumer group may ask for',
  },
  {
    name: 'group.max.size',
    key: 'groupMaxSize',
    form: { type: 'integer', min: 1, max: 100_000 },
    documentation: 'most members of one consumer group',
  },
  {
    name: 'group.consumer.session.timeout.ms',
    key: 'consumerSessionTimeoutMs',
    form: { type: 'integer', min: 100, max: 86_400_000 },
    documentation: 'how long a member of the new group protocol may be silent before it is removed',
  },
  {
    name: 'group.consumer.heartbeat.interval.ms',
    key: 'consumerHeartbeatIntervalMs',
    form: { type: 'integer', min: 10, max: 3_600_000 },
    documentation:
      'how often members of the new group protocol are told to heartbeat at least; few members: every second',
  },
  {
    name: 'group.consumer.max.size',
    key: 'consumerMaxSize',
    form: { type: 'integer', min: 1, max: 100_000 },
    documentation: 'most members of one consumer group of the new protocol',
  },
  {
    name: 'offsets.retention.minutes',
    key: 'offsetsRetentionMinutes',
    form: { type: 'integer', min: 1, max: 2_147_483_647 },
    documentation: 'how long committed offsets of a consumer group without members are kept',
  },
  {
    name: 'node.id',
    key: 'brokerId',
    form: { type: 'integer', min: 0, max: 2_147_483_647 },
    documentation: 'id of this broker as Kafka clients see it',
  },
];

/**
 * Applies settings by name on the defaults.
 *
 * @throws MillraceError CONFIG_INVALID for a name that is not in the table or a value out of its form.
 */
export function brokerSettings(assignments: Iterable<readonly [name: string, value: string]>): BrokerSettings {
  const changed: Record<string, string | number | boolean> = {};
  for (const [name, value] of assignments) {
    const setting = SETTINGS.find((candidate) => candidate.name === name);
    if (setting === undefined) {
      const known = SETTINGS.map((candidate) => candidate.name);
      const hint = suggestion(name, known) || ` Known ones are ${known.join(', ')}.`;
      throw new MillraceError('CONFIG_INVALID', `There is no setting \`${name}\`.${hint}`, {
        details: { setting: name },
      });
    }
    changed[setting.key] = parseValue(setting, value);
  }
  return { ...DEFAULT_BROKER_SETTINGS, ...changed };
}

function parseValue(setting: Setting, text: string): string | number | boolean {
  const { form } = setting;
  switch (form.type) {
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true';
      throw invalid(setting, text, 'true or false');
    case 'word':
      if (form.words.includes(text)) return text;
      throw invalid(setting, text, form.words.join(', '));
    case 'text':
      if (text === '' || form.begins?.some((word) => text.startsWith(word)) !== false) return text;
      throw invalid(setting, text, `empty or begin with ${form.begins.join(' or ')}`);
    case 'integer': {
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= form.min && value <= form.max) return value;
      throw invalid(setting, text, `a whole number from ${form.min} to ${form.max}`);
    }
    default:
      return form satisfies never;
  }
}

function invalid(setting: Setting, text: string, expected: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', `${setting.name} must be ${expected}, not \`${text}\`.`, {
    details: { setting: setting.name, value: text },
  });
}
