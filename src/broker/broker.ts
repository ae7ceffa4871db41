/**
 * The broker: one data directory, its journal, and everything that stands on it. No socket and no protocol here; listeners
 * call these methods and translate.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { BufferPool } from '../base/buffer-pool.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { DiskSpace } from '../journal/disk.ts';
import { type Journal, transactOnce } from '../journal/journal.ts';
import { encryptionOf } from '../journal/open-disk.ts';
import {
  chunkDirectory,
  chunkPath,
  indexPath,
  journalDirectory,
  journalPath,
  numberedFiles,
} from '../journal/paths.ts';
import { fileSize } from '../journal/whole-file.ts';
import type { TimestampMatch } from '../model/timestamp-search.ts';
import { TopicPattern } from '../model/topic-pattern.ts';
import { CheckedPieces } from '../store/checked-pieces.ts';
import { FileHandles } from '../store/file-handles.ts';
import { chunkFile } from '../store/file-number.ts';
import type { Partition } from '../store/partition.ts';
import { PRODUCER_EXPIRATION_MS } from '../store/producer-table.ts';
import { PartitionReader } from '../store/reader.ts';
import { TailCache } from '../store/tail-cache.ts';
import { Backups } from './backup/backups.ts';
import type { BrokerOptions } from './broker-options.ts';
import { Checkpointer } from './checkpoints/checkpointer.ts';
import { rebuildIndex, repairIndexes } from './checkpoints/index-repair.ts';
import { removeLeftovers } from './checkpoints/leftovers.ts';
import { roundReserveBytes } from './checkpoints/seal-amounts.ts';
import { rollJournal } from './chunks/roll-journal.ts';
import { clusterCommands } from './cluster-state.ts';
import { Compactor } from './compaction/compactor.ts';
import { Decompressor } from './decompressor/decompressor.ts';
import { DiskGuard } from './disk-guard.ts';
import { FetchPath, type FetchRequest } from './fetch.ts';
import { Governor } from './governor/governor.ts';
import { localBytes } from './governor/local-bound.ts';
import type { GroupTopics } from './groups/consumer/consumer-groups.ts';
import { GroupCoordinator } from './groups/group-coordinator.ts';
import { type IdempotencyCounters, WriteCondition, type WriteConditionOptions } from './idempotency/write-condition.ts';
import { Lineage } from './lineage/lineage.ts';
import { MessageIds } from './message-ids/message-ids.ts';
import { type BrokerParts, openParts } from './open-parts.ts';
import { ProducePath, type ProduceRequest } from './produce.ts';
import { Producers } from './producers.ts';
import { Pushes } from './push/pushes.ts';
import { Quotas } from './quotas/quotas.ts';
import { ReadFailures } from './read-failures.ts';
import type { RecordReader } from './read-record.ts';
import { addChunks, type DataFiles } from './retention/data-files.ts';
import { FileHold } from './retention/file-hold.ts';
import { Reclaimer } from './retention/reclaimer.ts';
import { Sweeper } from './retention/sweeper.ts';
import { type BrokerSettings } from './settings.ts';
import { COMMAND } from './state-part.ts';
import { StreamSubscriptions } from './stream-subscriptions/stream-subscriptions.ts';
import { StreamReader } from './streams/stream-reader.ts';
import { Streams } from './streams/streams.ts';
import { CommitWatch } from './subscriptions/commit-watch.ts';
import type { Subscription } from './subscriptions/subscription.ts';
import { type SubscribeOptions, Subscriptions } from './subscriptions/subscriptions.ts';
import { Tiering } from './tiering/tiering.ts';
import { Timestamps } from './timestamps.ts';
import { Topics } from './topics.ts';
import type { TopicsState } from './topics-state.ts';
import { TransactionCoordinator } from './transactions/transaction-coordinator.ts';

export interface Health {
  readonly ready: boolean;
  /** For people, when not ready. */
  readonly reason?: string | undefined;
  readonly error?: MillraceError | undefined;
}

/** Producers that stopped are forgotten this often; each costs some 300 bytes a partition until then. */
const EXPIRE_PRODUCERS_EVERY_MS = 10 * 60 * 1000;

/** Topics, records, groups and transactions over one journal; no socket. */
export class Broker {
  readonly settings: BrokerSettings;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly pool: BufferPool;
  readonly topics: Topics;
  readonly producers: Producers;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  /** Of topics that store a message once. */
  readonly messageIds: MessageIds;
  readonly streams: Streams;
  readonly streamReader: StreamReader;
  readonly subscriptions: StreamSubscriptions;
  readonly pushes: Pushes;
  readonly lineage: Lineage;
  /** For single records. */
  readonly recordReader: RecordReader;
  /** Uniform in [0, 1); for what need not be unpredictable. */
  readonly random: () => number;
  readonly quotas: Quotas;
  readonly idempotency: IdempotencyCounters = { replayed: 0, conflicts: 0 };
  readonly decompressor = new Decompressor();
  /** Of its own: producers of recompressed topics do not wait behind readers. */
  readonly recompressor = new Decompressor();
  /** Paths with their counters, for the metrics. */
  readonly producePath: ProducePath;
  readonly fetchPath: FetchPath;
  readonly tail: TailCache;
  readonly handles: FileHandles;
  readonly checkpointer: Checkpointer;
  /** For subscriptions that have come to the end. */
  readonly commits = new CommitWatch();
  /** Deletes what the topics' limits no longer keep. */
  readonly retention: Sweeper;
  /** Chunks in an object store. */
  readonly tiering: Tiering;
  /** Slows producers down to what sealing and tiering manage, so that the disk stays within its bound. */
  readonly governor: Governor;
  /** Keeps the newest record of each key of compacted topics. */
  readonly compactor: Compactor;
  /** Refuses writes before the disk is full. */
  readonly diskGuard: DiskGuard;
  readonly files: DataFiles;
  /** For work that reads the data directory as a whole. */
  readonly fileHold: FileHold;
  readonly backups: Backups;
  readonly #parts: BrokerParts;
  readonly #reader: PartitionReader;
  readonly #subscriptions: Subscriptions;
  readonly #timestamps: Timestamps;
  #expiry: Timer | undefined;
  #closed: Promise<void> | undefined;

  /**
   * Opens the directory (open-parts.ts) and begins the work in the background.
   *
   * @throws JOURNAL_LOCKED (another process has it), JOURNAL_CORRUPT, STORE_CORRUPT (the place is named, nothing was
   *   changed), JOURNAL_FORMAT_UNSUPPORTED, JOURNAL_IO, JOURNAL_NO_SPACE.
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    const parts = await openParts(options);
    let broker: Broker | undefined;
    try {
      broker = new Broker(parts);
      await broker.#start();
      return broker;
    } catch (error) {
      // Nothing may go on writing once the lock is given back.
      await broker?.close();
      await parts.lock.release();
      throw error;
    }
  }

  private constructor(parts: BrokerParts) {
    this.#parts = parts;
    this.settings = parts.settings;
    this.random = parts.random;
    this.clock = parts.clock;
    this.journal = parts.journal;
    this.pool = parts.pool;
    this.tail = parts.tail;
    this.handles = parts.handles;
    this.checkpointer = parts.checkpointer;
    this.files = parts.files;
    this.fileHold = new FileHold([parts.checkpointer]);
    const { journal, state, clock, settings, directory, pool, keys, startTier } = parts;
    state.onPublished = () => {
      this.commits.published();
      this.pushes.published();
    };
    this.#reader = new PartitionReader({
      tail: parts.tail,
      handles: parts.handles,
      pool,
      checked: new CheckedPieces(clock),
      clock,
      paths: {
        journalFile: (file) => journalPath(directory, file),
        indexFile: (file) => indexPath(directory, file),
        chunkFile: (chunk) => chunkPath(directory, chunk),
        cold: {
          sizeOf: (chunk) => this.tiering.cache.sizeOf(chunk),
          expect: (chunk, following) => this.tiering.cache.expect(chunk, following),
          read: (stretch, into) => this.tiering.cache.read(stretch, into),
          lease: (stretch, from) => this.tiering.cache.lease(stretch, from),
        },
        rebuildIndex: async (file, fault) => {
          parts.logger.error(`Index file ${indexPath(directory, file)} is built again: ${fault}.`);
          await rebuildIndex(parts.disk, directory, file);
        },
      },
    });
    this.tiering = new Tiering({
      directory,
      disk: parts.disk,
      clock,
      logger: parts.logger,
      settings,
      journal,
      state: state.tier,
      handles: parts.handles,
      files: parts.files,
      openBytes: () => journal.activeFile.sizeBytes + parts.checkpointer.writingBytes,
      topics: () => this.topics.list(),
      clusterId: () => this.clusterId,
      isHeld: () => this.fileHold.held,
      startWorker: startTier === undefined ? undefined : () => startTier(keys?.all),
    });
    parts.checkpointer.onNews = (isWaitedFor) => this.tiering.news(isWaitedFor);
    parts.checkpointer.straightStore = {
      wanted: () => this.governor.isTight && this.tiering.tierer.last.reachable,
      put: (whole) => this.tiering.tierer.store(whole),
      settled: () => this.tiering.tierer.straightSettled(),
    };
    this.governor = new Governor({
      clock,
      localBytes: localBytes(settings),
      minBytesPerSecond: settings.tierThrottleMinBytes,
      heldBytes: () => this.tiering.heldBytes() + roundReserveBytes(settings) - parts.checkpointer.writingBytes,
      writtenBytes: () => this.producePath.counters.bytes,
      drainedBytes: () => (parts.checkpointer.sealedBytes + this.tiering.tierer.counters.uploadedBytes) / 2,
      engaged: () => this.#governs(),
    });
    this.backups = new Backups({
      directory,
      disk: parts.rawDisk,
      keys: parts.keys,
      clock,
      journal,
      checkpointer: parts.checkpointer,
      state,
      files: parts.files,
      hold: this.fileHold,
      cache: this.tiering.cache,
      clusterId: () => this.clusterId,
    });
    this.topics = new Topics({
      journal,
      state: state.topics,
      store: state.store,
      clock,
      settings,
      newId: () => randomBytes(16).toString('hex'),
    });
    this.#subscriptions = new Subscriptions({
      directory,
      map: parts.map,
      orders: parts.orders,
      tail: parts.tail,
      handles: parts.handles,
      pool,
      reader: this.#reader,
      partitionOf: (number) => state.store.partition(number),
      topicOf: (partition) => this.topics.ofPartition(partition),
      publishedCommit: () => journal.status().publishedCommit,
    });
    this.diskGuard = new DiskGuard({
      space: () => parts.disk.space(directory),
      clock,
      logger: parts.logger,
      minFreeBytes: settings.minFreeBytes,
    });
    const reclaimer = new Reclaimer({
      journal,
      checkpointer: parts.checkpointer,
      files: parts.files,
      logger: parts.logger,
      reclaimBytes: settings.reclaimBytes,
      isHeld: () => this.fileHold.held,
    });
    this.retention = new Sweeper({
      journal,
      topics: () => this.topics.list(),
      store: state.store,
      clock,
      logger: parts.logger,
      intervalMs: settings.retentionCheckMs,
      slowestOffset: (topic, partition) => state.groups.slowestOffset(topic, partition),
      swept: (references) => reclaimer.reclaim(references),
    });
    this.compactor = new Compactor({
      directory,
      settings,
      journal,
      state: state.compaction,
      store: state.store,
      topics: () => this.topics.list(),
      clock,
      logger: parts.logger,
      space: () => parts.disk.space(directory),
      firstCommit: async () => {
        await parts.map.loadOlder();
        return parts.map.firstCommit;
      },
      written: async (chunks) => await addChunks(parts.files, { directory, disk: parts.rawDisk }, chunks),
      isAway: (file) => state.tier.place(-file) !== undefined,
      keys,
      startWorker: parts.startCompaction,
    });
    this.producers = new Producers(journal, state.cluster);
    const readFailures = new ReadFailures({
      clock,
      logger: parts.logger,
      topicOf: ({ number }) => this.topics.ofPartition(number)?.name,
    });
    this.fetchPath = new FetchPath({
      reader: this.#reader,
      pool,
      clock,
      maxBytes: settings.fetchMaxBytes,
      maxWaitMs: settings.fetchMaxWaitMs,
      failed: (partition, offset, error) => readFailures.failed(partition, offset, error),
    });
    this.quotas = new Quotas({ journal, clock, state: state.quotas });
    this.#timestamps = new Timestamps(this.#reader, this.decompressor);
    this.groups = new GroupCoordinator({
      journal,
      state: state.groups,
      clock,
      settings: { ...settings, offsetsRetentionMs: settings.offsetsRetentionMinutes * 60_000 },
      newMemberId: (clientId) => `${clientId}-${randomBytes(16).toString('hex')}`,
      partitionExists: (topic, partition) => this.topics.find(topic)?.partition(partition) !== undefined,
      topics: groupTopics(state.topics),
      hasPendingOffset: (group, topic, partition) => state.transactions.hasPendingOffset(group, topic, partition),
      logger: parts.logger,
    });
    this.transactions = new TransactionCoordinator({
      journal,
      state: state.transactions,
      store: state.store,
      clock,
      settings,
      allocateProducerId: () => this.producers.allocateProducerId(),
      findPartition: (topic, partition) => this.topics.find(topic)?.partition(partition),
      groups: this.groups,
      logger: parts.logger,
    });
    this.messageIds = new MessageIds({
      state: state.messageIds,
      opener: this.recompressor,
      maxBytes: settings.messageIdMaxBytes,
    });
    const { messageIds } = this;
    const rules = { state: state.transactions, joining: this.transactions.joining, messageIds };
    this.producePath = new ProducePath(journal, clock, rules, this.recompressor, this.diskGuard);
    this.streams = new Streams({
      journal,
      state: state.streams,
      topics: this.topics,
      clock,
      counters: this.producePath.counters,
    });
    this.streamReader = new StreamReader(this.fetchPath, this.decompressor);
    this.subscriptions = new StreamSubscriptions({
      journal,
      state: state.subscriptions,
      streams: this.streams,
      clock,
      logger: parts.logger,
      random: parts.random,
      newWakeId: () => `w_${randomBytes(12).toString('base64url')}`,
      newKeys: newSubscriptionKeys,
    });
    this.streams.setHooks(this.subscriptions);
    this.recordReader = { fetchPath: this.fetchPath, decompressor: this.decompressor };
    this.lineage = new Lineage({
      subscribe: (start) => this.subscribe({ patterns: [new TopicPattern('**')], start, readCommitted: true }),
      publishedCommit: () => journal.status().publishedCommit,
      decompressor: this.decompressor,
      clock,
      logger: parts.logger,
    });
    this.pushes = new Pushes({
      journal,
      state: state.pushes,
      topics: this.topics,
      topicsVersion: () => state.topics.version,
      reader: this.recordReader,
      clock,
      logger: parts.logger,
      random: parts.random,
    });
  }

  get clusterId(): string {
    return this.#parts.state.cluster.clusterId;
  }

  get brokerId(): number {
    return this.settings.brokerId;
  }

  /** Hot path. Order: per partition in call order; one request is one transaction. See `ProducePath.produce`. */
  produce(request: ProduceRequest): Promise<void> | undefined {
    return this.producePath.produce(request);
  }

  /** For `ProduceRequest.condition`: ends that must be where they were seen, and a key that makes the write happen once. */
  writeCondition(options: Pick<WriteConditionOptions, 'ends' | 'keyed' | 'written'>): WriteCondition {
    return new WriteCondition({
      ...options,
      state: this.#parts.state.idempotencyKeys,
      counters: this.idempotency,
      now: this.clock.now(),
      topicById: (id) => this.topics.byId(id),
    });
  }

  get idempotencyKeys(): number {
    return this.#parts.state.idempotencyKeys.size;
  }

  /** See `FetchRequest`. */
  fetch(request: FetchRequest): void {
    this.fetchPath.fetch(request);
  }

  /** First record at or after the time (ms since 1970), or -1 and -1. */
  async offsetForTimestamp(partition: Partition, timestamp: number): Promise<TimestampMatch> {
    return await this.#timestamps.firstAtOrAfter(partition, timestamp);
  }

  /** The record with the largest timestamp, or -1 and -1. */
  async maxTimestampOffset(partition: Partition): Promise<TimestampMatch> {
    return await this.#timestamps.latest(partition);
  }

  /** Data directory, as it was given. */
  get directory(): string {
    return this.#parts.directory;
  }

  /** Of the file system that holds the data directory. */
  async space(): Promise<DiskSpace> {
    return await this.#parts.disk.space(this.directory);
  }

  /** Timestamp of the record at the log start, as its batch gives it; undefined for an empty partition, or without one. */
  async oldestTimestamp(partition: Partition): Promise<number | undefined> {
    return await this.#timestamps.oldest(partition);
  }

  /** See `Topics.deleteRecords`. */
  async deleteRecords(partition: Partition, beforeOffset: number): Promise<number> {
    return await this.topics.deleteRecords(partition, beforeOffset);
  }

  /** Topics by glob, read in the order of commits. `BROKER_CURSOR_*` come with its first `next`. */
  subscribe(options: SubscribeOptions): Subscription {
    return this.#subscriptions.open(options);
  }

  health(): Health {
    const status = this.journal.status();
    if (status.state === 'running') return { ready: true };
    if (status.error === undefined) return { ready: false, reason: `the journal is ${status.state}` };
    return { ready: false, reason: status.error.message, error: status.error };
  }

  /** Answers what waits, syncs what was staged, ends the background work, gives the directory back. Safe to call twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #start(): Promise<void> {
    const { state, journal, checkpointer, clock, disk, directory, logger } = this.#parts;
    if (state.cluster.clusterId === '') {
      const clusterId = randomBytes(16).toString('base64url');
      await transactOnce(journal, (commit) =>
        commit.command(COMMAND.CLUSTER_FORMATTED, clusterCommands.formatted(clusterId, clock.now())),
      );
    }
    await removeLeftovers(disk, directory, state.store);
    await repairIndexes(disk, directory, state.store.partitions(), (problem) => logger.error(problem));
    await this.#countFiles();
    await this.#rollPlainFile();
    for (const file of journal.recovery.files.slice(0, -1)) checkpointer.add(file.file, file.sizeBytes);
    this.retention.start();
    this.compactor.start();
    this.tiering.start();
    await this.diskGuard.start();
    this.groups.start();
    this.transactions.start();
    this.streams.start();
    this.subscriptions.start();
    this.pushes.start();
    this.#scheduleExpiry();
  }

  async #close(): Promise<void> {
    this.#expiry?.cancel();
    this.diskGuard.stop();
    const swept = this.retention.stop();
    const compacted = this.compactor.stop();
    const tiered = this.tiering.stop();
    this.groups.stop();
    this.transactions.stop();
    this.streams.stop();
    this.subscriptions.stop();
    this.pushes.stop();
    this.lineage.stop();
    this.fetchPath.close();
    this.#reader.close();
    try {
      await this.journal.close();
    } finally {
      await this.checkpointer.close();
      await swept;
      await compacted;
      await tiered;
      await this.decompressor.close();
      await this.recompressor.close();
      await this.handles.close();
      this.tail.clear();
      await this.#parts.lock.release();
    }
  }

  /** Whether producers who wait would give the disk room. */
  #governs(): boolean {
    const { tierStore, tierThrottle, sealBytes } = this.settings;
    if (tierStore === '' || tierThrottle === 'never' || sealBytes === 0) return false;
    // While files are held, or nothing is sealed, nothing leaves however long they wait.
    if (this.fileHold.held || this.checkpointer.stalled) return false;
    return tierThrottle === 'always' || this.tiering.tierer.last.reachable;
  }

  /** Closed journal files, those of before the checkpoint included. */
  async #countFiles(): Promise<void> {
    const { disk, rawDisk, directory, files, journal, state, checkpointer } = this.#parts;
    const active = journal.activeFile.file;
    for (const chunk of numberedFiles(await disk.list(chunkDirectory(directory)), 'chunk')) {
      files.added(chunkFile(chunk), await fileSize(rawDisk, chunkPath(directory, chunk)));
    }
    for (const file of numberedFiles(await disk.list(journalDirectory(directory)), 'journal')) {
      if (file >= active) continue;
      const sizeBytes = await fileSize(disk, journalPath(directory, file));
      files.added(file, sizeBytes);
      if (file > state.chunks.sealedThrough) checkpointer.addUnsealed(file, sizeBytes);
    }
  }

  /** What was begun before encryption goes on as it is, so it is closed, and what comes from now on is encrypted. */
  async #rollPlainFile(): Promise<void> {
    const { disk, journal, directory } = this.#parts;
    const encryption = encryptionOf(disk);
    if (encryption === undefined) return;
    const { file, sizeBytes } = journal.activeFile;
    if (sizeBytes === 0 || (await encryption.dataKeyOf(journalPath(directory, file))) !== undefined) return;
    await rollJournal(journal);
  }

  #scheduleExpiry(): void {
    this.#expiry = this.clock.schedule(EXPIRE_PRODUCERS_EVERY_MS, () => {
      this.#parts.state.store.expireProducers(this.clock.now() - PRODUCER_EXPIRATION_MS);
      this.#parts.state.messageIds.expire(this.clock.now());
      this.#scheduleExpiry();
    });
  }
}

/** What groups whose assignors run here need to know of topics. */
function groupTopics(topics: TopicsState): GroupTopics {
  return {
    get version() {
      return topics.version;
    },
    *names() {
      for (const { name } of topics.list()) yield name;
    },
    find: (name) => {
      const topic = topics.find(name);
      return topic === undefined ? undefined : { id: topic.id, partitionCount: topic.partitionCount };
    },
    nameOf: (topicId) => topics.byId(topicId)?.name,
  };
}

function newSubscriptionKeys() {
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' })),
    tokenSecret: new Uint8Array(randomBytes(32)),
  };
}
