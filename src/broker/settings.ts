/** Settings of the broker core, with the reason for each default. Listeners and server have their own. */
import { totalmem } from 'node:os';
import type { StorageCompression } from '../journal/compression/compressing-disk.ts';
import type { SyncPolicy } from '../journal/journal.ts';

/** `reachable`: while the store takes data. */
export type TierThrottle = 'reachable' | 'always' | 'never';

/** Settings of a broker; `millrace serve --help` lists them by their names with their defaults. */
export interface BrokerSettings {
  /** Id that Kafka clients see; an address book entry, not a process. */
  readonly brokerId: number;
  /** `journal.sync`: when commits are synced (`src/journal/journal.ts`). */
  readonly sync: SyncPolicy;
  /** Time between syncs with `sync` = `interval`. */
  readonly syncIntervalMs: number;
  /** A journal file is closed at this size; less means more files, more means more to replay after a crash. */
  readonly journalFileBytes: number;
  /** Staged bytes that wait for the disk; beyond them appends are refused (JOURNAL_OVERLOADED). */
  readonly maxStagedBytes: number;
  /** Most recent journal bytes kept in memory for readers of the tail. */
  readonly tailCacheBytes: number;
  /** Freed large buffers kept for reuse. */
  readonly poolBytes: number;
  /** Topics that a Kafka client names are created when they are missing (`auto.create.topics.enable`). */
  readonly autoCreateTopics: boolean;
  /** Partitions of a topic created without a number (`num.partitions`). */
  readonly defaultPartitions: number;
  /** Largest number of partitions of one topic; protects against a typing error. */
  readonly maxPartitionsPerTopic: number;
  /** Largest number of partitions of the broker. */
  readonly maxPartitions: number;
  /** `replication.factor.max`: what clients may ask for without an error; there is one copy in any case. */
  readonly maxReplicationFactor: number;
  /** Default of `max.message.bytes`. */
  readonly maxMessageBytes: number;
  /** `log.retention.ms`: default of a topic's `retention.ms`; -1: records are kept whatever their age. */
  readonly retentionMs: number;
  /** `log.retention.bytes`: default of `retention.bytes`, for a partition; -1: whatever their size. */
  readonly retentionBytes: number;
  /** `log.retention.check.interval.ms`: how often old records are looked for, and files that hold nothing readable. */
  readonly retentionCheckMs: number;
  /** Once files of this size together hold nothing readable, a new journal file is begun so that they can go. */
  readonly reclaimBytes: number;
  /** Once closed journal files of this size have come since the last round, their batches are sealed into chunks; 0: never. */
  readonly sealBytes: number;
  /** Batches that retention deletes before this time is over stay in the journal: rewriting them would not pay. */
  readonly sealMinRemainingMs: number;
  /** A partition with so much to seal gets chunks of its own; smaller ones share packs. */
  readonly ownChunkBytes: number;
  /** With so much waiting to be sealed a round begins although the broker is busy. */
  readonly sealBacklogBytes: number;
  /** Size that chunks are made of, and the memory that making one takes. */
  readonly chunkBytes: number;
  /** `log.cleaner.backoff.ms`: how often compacted topics are looked at. */
  readonly compactionCheckMs: number;
  /** `log.cleaner.dedupe.buffer.size`: memory for the keys of one partition, 24 bytes each; more keys take more rounds. */
  readonly compactionKeyBytes: number;
  /** `log.cleaner.io.max.bytes.per.second`: what compaction reads and writes; 0: no limit. */
  readonly compactionBytesPerSecond: number;
  /** `storage.compression`: of sealed records on the disk. */
  readonly storageCompression: StorageCompression;
  /** `tier.store`: where chunks are copied to, as a URL; empty: nowhere. */
  readonly tierStore: string;
  /** Where master keys come from: `file:PATH`, `env:NAME`, `command:LINE`; empty: nothing is encrypted. */
  readonly encryptionKeySource: string;
  /** Prefixes of topics that have data keys of their own, separated by commas. */
  readonly encryptionPrefixes: string;
  /** `tier.local.bytes`: beyond this size of chunks and closed journal files, the oldest chunks that are in the store leave the disk. */
  readonly tierLocalBytes: number;
  /** `tier.local.ms`: chunks whose newest record is older leave the disk; -1: age does not matter. */
  readonly tierLocalMs: number;
  /** `tier.throttle`: when producers are slowed down so that the disk stays within its bound. */
  readonly tierThrottle: TierThrottle;
  /** `tier.throttle.min.bytes`: bytes a second that they may write together in any case. */
  readonly tierThrottleMinBytes: number;
  /** `tier.cache.bytes`: disk space for what is read from the store. */
  readonly tierCacheBytes: number;
  /** `tier.delete.grace.ms`: objects that nobody reads any more are deleted after this time. */
  readonly tierGraceMs: number;
  /** `tier.check.interval.ms`: how often chunks are looked for that are to move. */
  readonly tierCheckMs: number;
  /** `disk.min.free.bytes`: with less free space writes are refused, while there is still room to clean up; 0: never. */
  readonly minFreeBytes: number;
  /** Largest fetch answer, however much the client asks for (`fetch.max.bytes`). */
  readonly fetchMaxBytes: number;
  /** Longest a fetch may be parked. */
  readonly fetchMaxWaitMs: number;
  /** A checkpoint is written when at least this much journal came since the last. */
  readonly checkpointBytes: number;
  /** `group.initial.rebalance.delay.ms`: how long a new group waits for more members; Kafka's 3 s makes every start slow. */
  readonly groupInitialRebalanceDelayMs: number;
  readonly groupMinSessionTimeoutMs: number;
  readonly groupMaxSessionTimeoutMs: number;
  /** `group.max.size`: members of one consumer group. */
  readonly groupMaxSize: number;
  /** `group.consumer.session.timeout.ms`: members of the new group protocol that are silent so long are removed. */
  readonly consumerSessionTimeoutMs: number;
  /** `group.consumer.heartbeat.interval.ms`: how often members of the new group protocol are told to heartbeat at least. */
  readonly consumerHeartbeatIntervalMs: number;
  /** `group.consumer.max.size`. */
  readonly consumerMaxSize: number;
  /** `offsets.retention.minutes`: committed offsets of a group without members are kept so long. */
  readonly offsetsRetentionMinutes: number;
  /** `transaction.max.timeout.ms`: how long an open transaction may hold back read-committed consumers at most. */
  readonly transactionMaxTimeoutMs: number;
  /** Memory of the message ids of all topics; beyond it partitions forget their oldest before `dedup.max.entries`. */
  readonly messageIdMaxBytes: number;
}

/** What holds where nothing else is said. */
export const DEFAULT_BROKER_SETTINGS: BrokerSettings = {
  brokerId: 1,
  sync: 'always',
  syncIntervalMs: 1000,
  journalFileBytes: 256 * 1024 * 1024,
  maxStagedBytes: 64 * 1024 * 1024,
  // A sixteenth of a small machine, and never more than serves a consumer that lags by part of a second.
  tailCacheBytes: Math.min(32 * 1024 * 1024, Math.floor(totalmem() / 16)),
  poolBytes: 16 * 1024 * 1024,
  autoCreateTopics: true,
  defaultPartitions: 1,
  maxPartitionsPerTopic: 10_000,
  maxPartitions: 4_000_000,
  // More would promise copies that nobody makes.
  maxReplicationFactor: 1,
  maxMessageBytes: 1_048_588,
  retentionMs: 7 * 24 * 60 * 60 * 1000,
  retentionBytes: -1,
  // Kafka's is 5 minutes; a pass over 100,000 partitions takes some 10 ms, and space that is free should show.
  retentionCheckMs: 20_000,
  reclaimBytes: 32 * 1024 * 1024,
  minFreeBytes: 256 * 1024 * 1024,
  sealBytes: 512 * 1024 * 1024,
  sealMinRemainingMs: 60 * 60 * 1000,
  ownChunkBytes: 8 * 1024 * 1024,
  // Many producers compress themselves, and a broker that reads what it wrote without a copy is the faster one.
  storageCompression: 'none',
  tierStore: '',
  encryptionKeySource: '',
  encryptionPrefixes: '',
  tierLocalBytes: 8 * 1024 * 1024 * 1024,
  tierLocalMs: -1,
  tierThrottle: 'reachable',
  // A store that takes less than this is down in all but name: it must not slow writes for that.
  tierThrottleMinBytes: 16 * 1024 * 1024,
  tierCacheBytes: 1024 * 1024 * 1024,
  // Longer than any read that was planned before, and than a clock that is off.
  tierGraceMs: 60 * 60 * 1000,
  tierCheckMs: 5_000,
  compactionCheckMs: 15_000,
  compactionKeyBytes: 128 * 1024 * 1024,
  // Half of what one core hashes and copies: a round must not be felt by producers.
  compactionBytesPerSecond: 64 * 1024 * 1024,
  sealBacklogBytes: 8 * 1024 * 1024 * 1024,
  chunkBytes: 32 * 1024 * 1024,
  fetchMaxBytes: 55 * 1024 * 1024,
  fetchMaxWaitMs: 60_000,
  checkpointBytes: 512 * 1024 * 1024,
  groupInitialRebalanceDelayMs: 50,
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupMaxSize: 1_000,
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5_000,
  consumerMaxSize: 1_000,
  offsetsRetentionMinutes: 7 * 24 * 60,
  transactionMaxTimeoutMs: 900_000,
  // A sixteenth of a small machine; 1.6 million UUIDs in 256 MiB.
  messageIdMaxBytes: Math.min(256 * 1024 * 1024, Math.floor(totalmem() / 16)),
};
