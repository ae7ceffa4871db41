/**
 * Folds closed journal files into a state of its own, beside the running broker: the fold is pure, so the last checkpoint
 * and the files after it give the same state that the broker has, without the broker pausing to be copied.
 *
 * Per file: fold, write the index, hand out the ranges; now and then, write a checkpoint, and remove the oldest journal
 * files once nothing in them is of use.
 */
import { MillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import { scanFile } from '../../journal/file-scan.ts';
import { encryptionOf } from '../../journal/open-disk.ts';
import {
  chunkDirectory,
  chunkPath,
  indexPath,
  journalDirectory,
  journalPath,
  numberedFiles,
} from '../../journal/paths.ts';
import { fileSize, writeWhole } from '../../journal/whole-file.ts';
import { chunkFile, type FileNumber, isChunk } from '../../store/file-number.ts';
import { IndexBuilder } from '../../store/index-file.ts';
import type { PackedRanges } from '../../store/packed-ranges.ts';
import { BrokerState } from '../broker-state.ts';
import { PackedPlan, type PlannedPart } from '../chunks/packed-plan.ts';
import { planSeal, type SealWish } from '../chunks/seal-plan.ts';
import { NOTHING_SEALED, type RoundOptions, type SealedRound, sealRound } from '../chunks/seal-round.ts';
import { FIRST_COMPACTED_CHUNK } from '../compaction/compaction-state.ts';
import type { BrokerSettings } from '../settings.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { OrderKeeper } from './order-keeper.ts';
import { dueBytes, maxRoundBytes } from './seal-amounts.ts';

export interface Removed {
  /** Journal files and chunks. */
  readonly removed: readonly FileNumber[];
  /** Order files, by the numbers of their journal files. */
  readonly removedOrders: readonly number[];
}

/** Who looks after the memory of the thread. */
export interface FolderMemory {
  /** What a step needed is garbage. */
  stepped(): void;
  /** So is the state, once nothing that was begun before has it any more. */
  letGo(): void;
}

const NOBODY: FolderMemory = { stepped: () => undefined, letGo: () => undefined };

export class Folder {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #settings: BrokerSettings;
  readonly #checkpoints: CheckpointStore;
  readonly #orders: OrderKeeper;
  /** Nothing is removed: somebody reads the directory as a whole. */
  held = false;
  #state: BrokerState | undefined;
  /** Last file folded in; 0 before the first. */
  #file = 0;
  #commit = 0;
  #commitChecksum = 0;
  #bytesSinceCheckpoint = 0;
  /** Of the chunks, in the last checkpoint. */
  #removableBefore = 1;
  /** Files of the two newest checkpoints that were loaded or written here, so known to be sound. */
  #soundCheckpoint: number | undefined;
  #soundBefore: number | undefined;

  readonly #memory: FolderMemory;
  readonly #passedOver: (problem: string) => void;

  /** @param passedOver told of checkpoints that could not be used when the state was loaded. */
  constructor(
    disk: Disk,
    directory: string,
    settings: BrokerSettings,
    memory: FolderMemory = NOBODY,
    passedOver: (problem: string) => void = () => undefined,
  ) {
    this.#disk = disk;
    this.#memory = memory;
    this.#passedOver = passedOver;
    this.#directory = directory;
    this.#settings = settings;
    this.#checkpoints = new CheckpointStore(disk, directory);
    this.#orders = new OrderKeeper(disk, directory);
  }

  /** True when a checkpoint is worth its writing: enough has come, or files can go that were sealed. */
  get due(): boolean {
    if (this.#bytesSinceCheckpoint >= this.#settings.checkpointBytes) return true;
    return this.hasNews && this.#state?.chunks.removableBefore !== this.#removableBefore;
  }

  get hasNews(): boolean {
    return this.#bytesSinceCheckpoint > 0;
  }

  /** Folds the file in (and those before it that no checkpoint has), and writes its index. */
  async fold(file: number, sizeBytes: number): Promise<PackedRanges> {
    return await this.#foldOne(await this.folded(file - 1), file, sizeBytes);
  }

  /** The state up to the end of a file, or of a later one. */
  async folded(file: number): Promise<BrokerState> {
    let state = this.#state;
    if (state === undefined) {
      state = await this.#load(file);
      this.#memory.stepped();
    }
    while (this.#file < file) {
      const next = this.#file + 1;
      await this.#foldOne(state, next, await this.#sizeOf(next));
    }
    return state;
  }

  /** @returns last file that the newest checkpoint holds. */
  async checkpoint(): Promise<number> {
    if (this.#state !== undefined && this.hasNews) {
      await this.#checkpoints.write(
        {
          file: this.#file,
          commit: this.#commit,
          commitChecksum: this.#commitChecksum,
          sectionCount: this.#state.sectionCount,
          sections: this.#sections(this.#state),
        },
        this.held ? undefined : this.#soundCheckpoint,
      );
      this.#soundBefore = this.#soundCheckpoint;
      this.#soundCheckpoint = this.#file;
      this.#bytesSinceCheckpoint = 0;
      this.#removableBefore = this.#state.chunks.removableBefore;
    }
    return this.#file;
  }

  *#sections(state: BrokerState): ReturnType<BrokerState['snapshot']> {
    for (const section of state.snapshot()) {
      yield section;
      this.#memory.stepped();
    }
  }

  /** Whether a round of sealing has enough to do, and the one before is folded. */
  async sealDue(nextChunk: number): Promise<boolean> {
    return (await this.#sealThrough(nextChunk)) !== undefined;
  }

  /**
   * Writes chunks of what closed files have brought; the commands swap them in. See `ToWorker`. The state is let go meanwhile: a
   * checkpoint has it.
   */
  async seal(
    nextChunk: number,
    {
      now,
      all,
      ...options
    }: Pick<RoundOptions, 'memory' | 'pace' | 'wrote' | 'toStore'> & Pick<SealWish, 'now' | 'all'>,
  ): Promise<SealedRound> {
    const through = await this.#sealThrough(nextChunk);
    if (through === undefined) return NOTHING_SEALED;
    const last = this.#file;
    const plan = async (merge: boolean): Promise<PackedPlan> => {
      const packed = await this.#plan(last, { through, merge, now, all });
      // Nothing here has the state any more, as a variable would.
      this.#letGo();
      return packed;
    };
    const [disk, directory, settings] = [this.#disk, this.#directory, this.#settings];
    return await sealRound({ disk, directory, settings, plan, firstChunk: nextChunk, through, ...options });
  }

  async #plan(last: number, wish: SealWish): Promise<PackedPlan> {
    return new PackedPlan(this.#planned(await this.folded(last), wish));
  }

  *#planned(state: BrokerState, wish: SealWish): Generator<PlannedPart, void, undefined> {
    for (const part of planSeal(state, this.#settings, wish)) {
      const topic = state.topics.ofPartition(part.partition);
      const prefix = topic === undefined ? '' : (encryptionOf(this.#disk)?.keys.prefixOf(topic.name) ?? '');
      yield { ...part, prefix, isCompacted: topic?.limits.compaction !== undefined };
    }
  }

  #letGo(): void {
    if (this.hasNews || this.#soundCheckpoint !== this.#file) return;
    this.#state = undefined;
    this.#memory.letGo();
  }

  /** The last file of the next round; undefined: not yet. */
  async #sealThrough(nextChunk: number): Promise<number | undefined> {
    const state = this.#state;
    const { sealBytes } = this.#settings;
    if (state === undefined || sealBytes === 0 || state.chunks.nextChunk !== nextChunk) return undefined;
    const files = numberedFiles(await this.#disk.list(journalDirectory(this.#directory)), 'journal');
    let bytes = 0;
    let through = 0;
    for (const file of files) {
      if (file <= state.chunks.sealedThrough || file > this.#file) continue;
      const sizeBytes = await this.#sizeOf(file).catch(ifGone);
      // Retention left nothing in it, and it was removed since the list was made.
      if (sizeBytes === undefined) continue;
      through = file;
      bytes += sizeBytes;
      if (bytes >= maxRoundBytes(this.#settings)) break;
    }
    return bytes >= dueBytes(this.#settings) ? through : undefined;
  }

  /**
   * Removes journal files, from the oldest on, and their indexes, when two sound checkpoints hold their state and no
   * partition has a readable batch in them. Decided on this state, which is that of durable files alone: the broker's own
   * may know of a deletion that a crash takes back. Oldest first and one by one, so the files that stay have no gap.
   *
   * Chunks go when no partition has a readable batch in them, wherever they stand.
   *
   * What is readable of a removed file stands in chunks: in which order it was written is kept in an order file.
   *
   * Files may be folded and sealed meanwhile: what is dead is looked up at one moment, and nothing brings it back.
   *
   * @param state that of the last checkpoint, whatever was folded into it since.
   * @returns the files that are gone.
   */
  async removeDead(state = this.#state): Promise<FileNumber[]> {
    if (state === undefined || this.#soundBefore === undefined || this.held) return [];
    const keepFrom = Math.min(this.#soundBefore + 1, oldestReferenced(state));
    const folder = journalDirectory(this.#directory);
    const removed: number[] = [];
    for (const file of numberedFiles(await this.#disk.list(folder), 'journal')) {
      if (file >= keepFrom || this.held) break;
      await this.#orders.keep(file, await this.#sizeOf(file), state.store);
      await this.#disk.remove(journalPath(this.#directory, file));
      await this.#disk.remove(indexPath(this.#directory, file));
      await this.#disk.syncDirectory(folder);
      removed.push(file);
    }
    return this.held ? removed : [...removed, ...(await this.#removeDeadChunks(state))];
  }

  /** @returns order files that are gone, by the numbers of their journal files. */
  async removeDeadOrders(state = this.#state): Promise<number[]> {
    return state === undefined || this.held ? [] : await this.#orders.removeDead(state.store);
  }

  /**
   * Removes what the checkpoint that was just written has set free: to be called later, beside what comes next. By its own state: the
   * one that is there by then may be half loaded.
   */
  removal(): () => Promise<Removed> {
    const state = this.#state;
    return async () => {
      if (state === undefined) return { removed: [], removedOrders: [] };
      const removed = await this.removeDead(state);
      return { removed, removedOrders: await this.removeDeadOrders(state) };
    };
  }

  async #removeDeadChunks(state: BrokerState): Promise<FileNumber[]> {
    const folder = chunkDirectory(this.#directory);
    const chunks = numberedFiles(await this.#disk.list(folder), 'chunk');
    // Both at the same moment: a fold may come in between that tells of a chunk and refers to it.
    const referenced = state.store.referencedFiles();
    const dead = chunks.filter((chunk) => isToldWhole(state, chunk) && !referenced.has(chunkFile(chunk)));
    const removed: FileNumber[] = [];
    for (const chunk of dead) {
      await this.#disk.remove(chunkPath(this.#directory, chunk));
      removed.push(chunkFile(chunk));
    }
    if (removed.length > 0) await this.#disk.syncDirectory(folder);
    return removed;
  }

  async #load(lastFile: number): Promise<BrokerState> {
    const state = new BrokerState(this.#settings);
    const problems: string[] = [];
    const checkpoint = await this.#checkpoints.newest(lastFile, (problem) => problems.push(problem));
    const known = this.#soundCheckpoint;
    // What was removed was not needed by its state. A worker that begins anew takes an older one, and removes nothing at first.
    if (known !== undefined && checkpoint?.file !== known) {
      throw new MillraceError(
        'STORE_IO',
        `Checkpoint ${known} cannot be read again: ${problems.join(' ') || 'it is gone.'}`,
        {
          details: { file: known },
        },
      );
    }
    for (const problem of problems) this.#passedOver(problem);
    if (checkpoint !== undefined) state.restore(checkpoint.sections);
    this.#file = checkpoint?.file ?? 0;
    this.#commit = checkpoint?.commit ?? 0;
    this.#commitChecksum = checkpoint?.commitChecksum ?? 0;
    this.#soundCheckpoint = checkpoint?.file;
    this.#bytesSinceCheckpoint = 0;
    this.#removableBefore = state.chunks.removableBefore;
    this.#state = state;
    return state;
  }

  async #foldOne(state: BrokerState, file: number, sizeBytes: number): Promise<PackedRanges> {
    try {
      return await this.#foldWhole(state, file, sizeBytes);
    } catch (error) {
      // It may have half a file in it: nobody is to go on with that.
      this.#state = undefined;
      throw error;
    }
  }

  async #foldWhole(state: BrokerState, file: number, sizeBytes: number): Promise<PackedRanges> {
    const path = journalPath(this.#directory, file);
    const index = new IndexBuilder(file);
    const end = await scanFile(this.#disk, path, file, sizeBytes, {
      batchHeaders: (run, size) => {
        state.store.batchHeaders(run);
        index.add(run, size);
      },
      command: (type, body, commit) => state.command(type, body, commit),
    });
    if (end.commit > 0) {
      this.#commit = end.commit;
      this.#commitChecksum = end.checksum;
      state.published(end.commit);
    }
    this.#memory.stepped();
    const { bytes, ranges } = index.build(() => this.#memory.stepped());
    await writeWhole(this.#disk, journalDirectory(this.#directory), indexPath(this.#directory, file), [bytes]);
    for (let i = 0; i < ranges.count; i++) state.store.partition(ranges.partition(i))?.indexed(ranges.at(i));
    this.#file = file;
    this.#bytesSinceCheckpoint += sizeBytes;
    return ranges;
  }

  async #sizeOf(file: number): Promise<number> {
    return await fileSize(this.#disk, journalPath(this.#directory, file));
  }
}

/** The round that wrote the chunk is folded: partitions that it has batches of refer to it. */
function isToldWhole({ chunks, compaction }: BrokerState, chunk: number): boolean {
  return chunk < (chunk < FIRST_COMPACTED_CHUNK ? chunks.removableBefore : compaction.nextChunk);
}

function ifGone(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

/** The oldest journal file that a partition has readable batches in; infinite where there is none. */
function oldestReferenced(state: BrokerState): number {
  let oldest = Number.POSITIVE_INFINITY;
  for (const { ranges } of state.store.partitions()) {
    for (let i = 0; i < (ranges?.count ?? 0); i++) {
      const file = ranges?.file(i) as number;
      if (isChunk(file)) continue;
      // The others of the partition are in later files.
      oldest = Math.min(oldest, file);
      break;
    }
  }
  return oldest;
}
