/**
 * Opens a data directory: takes its lock, finds out how its files are written, loads the newest checkpoint, replays the
 * journal after it. What comes of it is what a broker is made of.
 */
import { basename } from 'node:path';
import { BufferPool } from '../base/buffer-pool.ts';
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { eventLoopLoad } from '../base/event-loop-load.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { CompressingDisk } from '../journal/compression/compressing-disk.ts';
import type { Disk, DiskLock } from '../journal/disk.ts';
import type { DataKeys } from '../journal/encryption/data-keys.ts';
import { EncryptedDisk } from '../journal/encryption/encrypted-disk.ts';
import { openDataKeys, refuseWithoutKeys } from '../journal/encryption/key-files.ts';
import type { JournalFile } from '../journal/journal.ts';
import { LocalJournal } from '../journal/local-journal.ts';
import { chunkPath, indexPath, journalPath, orderPath, restoringPath } from '../journal/paths.ts';
import type { ReplayStart } from '../journal/recovery.ts';
import { FileHandles } from '../store/file-handles.ts';
import { chunkFile, isChunk } from '../store/file-number.ts';
import { JournalMap } from '../store/journal-map.ts';
import { OrderFiles } from '../store/order-files.ts';
import { TailCache } from '../store/tail-cache.ts';
import type { BrokerOptions } from './broker-options.ts';
import { BrokerState } from './broker-state.ts';
import { CheckpointStore } from './checkpoints/checkpoint-store.ts';
import { Checkpointer } from './checkpoints/checkpointer.ts';
import { rollJournal } from './chunks/roll-journal.ts';
import { swapIn } from './chunks/swap-in.ts';
import { journalFileBytes } from './governor/local-bound.ts';
import { keyPrefixes } from './key-prefixes.ts';
import { addChunks, DataFiles } from './retention/data-files.ts';
import { type BrokerSettings, DEFAULT_BROKER_SETTINGS } from './settings.ts';

/** A dozen single records: with more of them at a time the loop has better things to do during a sync. */
const MAX_BLOCKING_SYNC_BYTES = 16 * 1024;

export interface BrokerParts {
  readonly random: () => number;
  readonly settings: BrokerSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lock: DiskLock;
  readonly pool: BufferPool;
  readonly tail: TailCache;
  readonly handles: FileHandles;
  readonly state: BrokerState;
  readonly journal: LocalJournal;
  readonly checkpointer: Checkpointer;
  readonly map: JournalMap;
  readonly orders: OrderFiles;
  readonly files: DataFiles;
  readonly directory: string;
  readonly disk: Disk;
  /** The files as they are, where the disk compresses or encrypts them. */
  readonly rawDisk: Disk;
  readonly keys: DataKeys | undefined;
  readonly startCompaction: BrokerOptions['startCompaction'];
  readonly startTier: BrokerOptions['startTier'];
}

/**
 * @throws JOURNAL_LOCKED (another process has it), JOURNAL_CORRUPT, STORE_CORRUPT (the place is named, nothing was changed),
 *   BACKUP_RESTORE_UNFINISHED, STORE_KEY_MISSING, JOURNAL_FORMAT_UNSUPPORTED, JOURNAL_IO, JOURNAL_NO_SPACE.
 */
export async function openParts(options: BrokerOptions): Promise<BrokerParts> {
  const lock = await lockDirectory(options);
  try {
    return await recover(options, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function lockDirectory(options: BrokerOptions): Promise<DiskLock> {
  await options.disk.makeDirectory(options.directory);
  const lock = await options.disk.lockDirectory(options.directory);
  const names = await options.disk.list(options.directory);
  if (!names.includes(basename(restoringPath(options.directory)))) return lock;
  await lock.release();
  throw new MillraceError(
    'BACKUP_RESTORE_UNFINISHED',
    `A restore into ${options.directory} was not finished: what is there is not whole. Run it again; it begins anew.`,
    { details: { directory: options.directory } },
  );
}

/** Under the directory's lock. @throws STORE_KEY_MISSING, STORE_CORRUPT. */
async function openDisk({ directory, disk, clock, settings, masterKeys }: BrokerOptions): Promise<{
  readonly disk: Disk;
  readonly keys: DataKeys | undefined;
}> {
  const compression = settings?.storageCompression ?? DEFAULT_BROKER_SETTINGS.storageCompression;
  if (masterKeys === undefined) {
    await refuseWithoutKeys(disk, directory);
    return { disk: new CompressingDisk(disk, compression), keys: undefined };
  }
  const prefixes = keyPrefixes(settings?.encryptionPrefixes ?? DEFAULT_BROKER_SETTINGS.encryptionPrefixes);
  const keys = await openDataKeys(disk, directory, clock, masterKeys, prefixes);
  return { disk: new CompressingDisk(new EncryptedDisk(disk, keys), compression), keys };
}

async function recover(options: BrokerOptions, lock: DiskLock): Promise<BrokerParts> {
  const { directory, clock } = options;
  const { disk, keys } = await openDisk(options);
  const settings: BrokerSettings = { ...DEFAULT_BROKER_SETTINGS, ...options.settings };
  const logger = options.logger ?? silentLogger;
  const random = options.random ?? Math.random;
  const pool = new BufferPool(settings.poolBytes);
  const tail = new TailCache(settings.tailCacheBytes);
  const state = new BrokerState(settings);
  const report = (problem: string): void => logger.error(problem);
  const from = await loadCheckpoint(disk, directory, state, report);
  const handles = new FileHandles(disk);
  const dataFiles = new DataFiles();
  const checkpointer = new Checkpointer({
    directory,
    settings,
    store: state.store,
    clock,
    report,
    removed: (files, removedOrders) => {
      for (const file of removedOrders) handles.forget(orderPath(directory, file));
      orders.changed();
      const journals = files.filter((file) => !isChunk(file));
      // An open handle would keep the space of a removed file.
      for (const file of journals) handles.forget(journalPath(directory, file));
      for (const file of journals) handles.forget(indexPath(directory, file));
      for (const file of files) if (isChunk(file)) handles.forget(chunkPath(directory, -file));
      map.removed(journals);
      logger.info('Files without any readable record were removed.', {
        journalFiles: journals.length,
        chunks: files.length - journals.length,
        bytes: dataFiles.removed(files),
      });
    },
    keys: keys?.all,
    nextChunk: () => state.chunks.nextChunk,
    sealed: async (round) => {
      await addChunks(dataFiles, options, round.chunks);
      // A round that was not swapped in may have had a file of that number, which is gone.
      dataFiles.removed(round.tiered.map(({ chunk }) => chunkFile(chunk)));
      for (const { chunk } of round.tiered) handles.forget(chunkPath(directory, chunk));
      await swapIn(journal, round, logger);
    },
    roll: () => rollJournal(journal),
    load: options.startWorker === undefined ? eventLoopLoad() : undefined,
    startWorker: options.startWorker,
  });
  const map = new JournalMap(disk, directory);
  const orders = new OrderFiles(disk, directory);
  const journal = await LocalJournal.open({
    directory,
    disk,
    fold: state,
    clock,
    pool,
    memory: tail,
    observer: {
      begun: (file, commit) => map.begun(file, commit),
      rolled: (closed: JournalFile) => {
        dataFiles.added(closed.file, closed.sizeBytes);
        checkpointer.add(closed.file, closed.sizeBytes);
      },
      stopped: (error) => logger.error(error.message, { code: error.code }),
    },
    sync: settings.sync,
    syncIntervalMs: settings.syncIntervalMs,
    maxBlockingSyncBytes: MAX_BLOCKING_SYNC_BYTES,
    fileBytes: journalFileBytes(settings),
    maxStagedBytes: settings.maxStagedBytes,
    from,
    random,
    lock,
  });
  const { recovery } = journal;
  map.recovered(recovery.files);
  if (recovery.torn !== undefined) {
    const { file, position, bytes } = recovery.torn;
    logger.info('A torn tail that was never acknowledged was cut off the journal.', { file, position, bytes });
  }
  return {
    random,
    disk,
    rawDisk: options.disk,
    keys,
    settings,
    clock,
    logger,
    lock,
    pool,
    tail,
    handles,
    state,
    journal,
    checkpointer,
    map,
    orders,
    files: dataFiles,
    directory,
    startCompaction: options.startCompaction,
    startTier: options.startTier,
  };
}

/** @returns where replay begins; undefined: with the first file. The checkpoint's bytes, which may be many, are gone by then. */
async function loadCheckpoint(
  disk: Disk,
  directory: string,
  state: BrokerState,
  report: (problem: string) => void,
): Promise<ReplayStart | undefined> {
  const checkpoint = await new CheckpointStore(disk, directory).newest(Number.MAX_SAFE_INTEGER, (problem) =>
    report(`The start passes over a checkpoint: ${problem}`),
  );
  if (checkpoint === undefined) return undefined;
  const { file, commit, commitChecksum: checksum, sections } = checkpoint;
  state.restore(sections);
  return { file: file + 1, commit, checksum };
}
