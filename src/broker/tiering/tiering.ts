/** The object store tier of a broker, put together: the worker's link, the cache that reads go through, and what moves chunks. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Disk } from '../../journal/disk.ts';
import type { Journal } from '../../journal/journal.ts';
import { cachePath, chunkPath } from '../../journal/paths.ts';
import type { FileHandles } from '../../store/file-handles.ts';
import { chunkFile } from '../../store/file-number.ts';
import type { DataFiles } from '../retention/data-files.ts';
import type { BrokerSettings } from '../settings.ts';
import type { Topic } from '../topic.ts';
import { ChunkCache } from './chunk-cache.ts';
import { TierLink, type TierWorker } from './tier-link.ts';
import type { TierState } from './tier-state.ts';
import { Tierer } from './tierer.ts';

export interface TieringOptions {
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: BrokerSettings;
  readonly journal: Journal;
  readonly state: TierState;
  readonly handles: FileHandles;
  readonly files: DataFiles;
  /** Of the active journal file, and of chunks that are being made. */
  readonly openBytes: () => number;
  readonly topics: () => Iterable<Topic>;
  readonly isHeld: () => boolean;
  readonly clusterId: () => string;
  /** Undefined: there is no store. What an earlier run has moved there cannot be read then, and reads say so. */
  readonly startWorker: (() => TierWorker) | undefined;
}

export class Tiering {
  readonly cache: ChunkCache;
  readonly tierer: Tierer;
  readonly #options: TieringOptions;
  readonly #link: TierLink;

  constructor(options: TieringOptions) {
    this.#options = options;
    const { directory, state, settings, handles, files, clock, logger, journal, topics, clusterId, isHeld } = options;
    this.#link = new TierLink(options.startWorker);
    this.cache = new ChunkCache({
      link: this.#link,
      state,
      maxBytes: settings.tierCacheBytes,
      isLocal: (chunk) => files.has(chunkFile(chunk)),
      path: (chunk) => cachePath(directory, chunk),
      clock,
      readFile: (path, into, position) => handles.read(path, into, position),
      dropped: (path) => handles.forget(path),
    });
    this.#link.onDied = () => this.cache.forgetAll();
    this.tierer = new Tierer({
      journal,
      state,
      link: this.#link,
      cache: this.cache,
      topics,
      clock,
      logger,
      settings,
      clusterId,
      newId: () => randomBytes(8).toString('hex'),
      local: () => files.chunkSizes(),
      journalBytes: () => files.journals().bytes + options.openBytes(),
      removeLocal: (chunk) => this.#removeLocal(chunk),
      isHeld,
    });
  }

  /** @param isWaitedFor chunks are there, and the disk wants their room. */
  news(isWaitedFor: boolean): void {
    this.tierer.makeRoom();
    if (isWaitedFor) this.tierer.nudge();
  }

  /** Bytes of records on the disk that cannot leave it yet. */
  heldBytes(): number {
    const { files, openBytes } = this.#options;
    return files.journals().bytes + openBytes() + this.tierer.waitingBytes();
  }

  start(): void {
    const { startWorker, state, logger } = this.#options;
    if (startWorker !== undefined) {
      this.tierer.start();
      // There is something to read.
      if (state.size > 0) this.#link.start();
    } else if (state.size > 0) {
      logger.error('Records are in an object store, but tier.store is not set: they cannot be read.', {
        chunks: state.size,
      });
    }
  }

  async stop(): Promise<void> {
    await this.tierer.stop();
  }

  /** First nobody opens it any more, then it goes: reads that were planned look anew. */
  async #removeLocal(chunk: number): Promise<void> {
    const { disk, directory, files, handles } = this.#options;
    const path = chunkPath(directory, chunk);
    files.removed([chunkFile(chunk)]);
    handles.forget(path);
    await disk.remove(path);
  }
}
