/**
 * The broker's side of compaction: looks now and then which partitions are due, has a round of them rewritten by a worker
 * thread, and swaps the result in with one commit. One round at a time; a worker lives as long as its round.
 *
 * ```
 *  timer ──► plan ──► worker: chunks, durable ──► BATCHES_COMPACTED ──► reads go to the chunks, old files go in time
 *              ▲                                        │ what moved meanwhile is left out
 *              └────────────────────────────────────────┘
 * ```
 */
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../base/clock.ts';
import { asMillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { workerModule } from '../../base/worker-module.ts';
import type { DiskSpace } from '../../journal/disk.ts';
import type { DataKeys } from '../../journal/encryption/data-keys.ts';
import { type CommitNumber, transactOnce } from '../../journal/journal.ts';
import type { LocalJournal } from '../../journal/local-journal.ts';
import type { FileNumber } from '../../store/file-number.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import type { LogStore } from '../../store/log-store.ts';
import type { Partition } from '../../store/partition.ts';
import { rollJournal } from '../chunks/roll-journal.ts';
import type { BrokerSettings } from '../settings.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import type { CompactionRules } from '../topic-config.ts';
import { type Cleanable, cleanable, compactionOf, isDue, taskOf } from './compaction-plan.ts';
import {
  type CompactedSwap,
  type CompactionState,
  compactionCommands,
  type PartitionCompaction,
} from './compaction-state.ts';
import type {
  CompactedPartition,
  CompactionAnswer,
  CompactionStart,
  CompactionTask,
  FromCompactionWorker,
} from './messages.ts';

/** Topics looked at in one turn of the event loop. */
const TOPICS_PER_TURN = 5_000;
/** Partitions of one round: its swap is one command, applied in about a millisecond. */
const MAX_TASKS = 1_000;
/** Bytes of one round, where it is more than one partition: so that its swap does not wait for too long. */
const MAX_ROUND_BYTES = 1024 * 1024 * 1024;
/** A partition that could not be read is left alone so long. */
const RETRY_MS = 10 * 60 * 1000;

/** What of a `Worker` is used here; tests stand in for it. */
export interface CompactionWorker {
  on(event: 'message', listener: (message: FromCompactionWorker) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
}

export interface CompactorOptions {
  readonly directory: string;
  readonly settings: BrokerSettings;
  readonly journal: LocalJournal;
  readonly state: CompactionState;
  readonly store: LogStore;
  readonly topics: () => Iterable<Topic>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly space: () => Promise<DiskSpace>;
  /** The file is in the object store alone, or may be soon. */
  readonly isAway: (file: FileNumber) => boolean;
  /** Oldest commit in the journal. */
  readonly firstCommit: () => Promise<CommitNumber>;
  /** Chunks are on the disk, and will be used or removed. */
  readonly written: (chunks: CompactionAnswer['chunks']) => Promise<void>;
  /** Undefined: nothing is encrypted. */
  readonly keys?: DataKeys | undefined;
  readonly startWorker?: ((start: CompactionStart) => CompactionWorker) | undefined;
}

interface Found {
  readonly partition: Partition;
  readonly what: Cleanable;
  readonly rules: CompactionRules;
  /** Of its topic. */
  readonly name: string;
}

interface Due {
  readonly partition: Partition;
  readonly task: CompactionTask;
  readonly bytes: number;
}

export class Compactor {
  /** Since the start. */
  readonly counters = {
    rounds: 0,
    failedRounds: 0,
    partitions: 0,
    refusedSwaps: 0,
    keptRecords: 0,
    droppedRecords: 0,
    readBytes: 0,
    writtenBytes: 0,
  };
  /** Partitions that were due at the last look, and the dirtiest of all. */
  readonly last = { duePartitions: 0, maxDirtyRatio: 0, seconds: 0 };
  readonly #options: CompactorOptions;
  /** Until when partitions are left alone that could not be read; ms, monotonic. */
  readonly #avoid = new Map<number, number>();
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #worker: CompactionWorker | undefined;
  #stopped = false;

  constructor(options: CompactorOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.schedule(this.#options.settings.compactionCheckMs, () => {
      void this.compact().finally(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#worker?.terminate();
    await this.#running;
  }

  /** What of a partition is compacted and what is not; undefined: its topic is not compacted. */
  cleanable(topic: Topic, partition: Partition): Cleanable | undefined {
    const rules = compactionOf(topic);
    const { state, clock, isAway } = this.#options;
    return rules && cleanable(partition, rules, state, clock.now(), isAway);
  }

  /** How far the partition is compacted; undefined: it never was. */
  progress(partition: Partition): PartitionCompaction | undefined {
    return this.#options.state.of(partition.number);
  }

  /** Rounds until nothing is due; joins those that run. Never rejects: a failure is logged, and the next look tries again. */
  compact(): Promise<void> {
    this.#running ??= this.#rounds()
      .catch((error: unknown) => {
        const { code, message } = asMillraceError(error);
        if (this.#stopped) return;
        this.counters.failedRounds += 1;
        this.#options.logger.error(`Compaction stopped half way: ${message}`, { code });
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #rounds(): Promise<void> {
    while (!this.#stopped) {
      const due = await this.#plan();
      if (due.length === 0 || this.#stopped) return;
      if (!(await this.#round(due))) return;
    }
  }

  /** @returns partitions of the next round, the dirtiest of all that are due. */
  async #plan(): Promise<Due[]> {
    const { clock, journal, state, firstCommit, keys } = this.#options;
    const now = clock.now();
    const found: Found[] = [];
    let looked = 0;
    let dirtiest = 0;
    let rollIsDue = false;
    for (const topic of this.#options.topics()) {
      if (++looked % TOPICS_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      const rules = compactionOf(topic);
      if (rules === undefined) continue;
      for (const partition of topic.partitions) {
        const what = cleanable(partition, rules, state, now, this.#options.isAway);
        dirtiest = Math.max(dirtiest, what.dirtyRatio);
        rollIsDue ||= waitsIn(journal.activeFile.file, partition, now - rules.maxLagMs);
        if (isDue(what, rules) && !this.#isAvoided(partition.number))
          found.push({ partition, what, rules, name: topic.name });
      }
    }
    this.last.duePartitions = found.length;
    this.last.maxDirtyRatio = dirtiest;
    if (rollIsDue && found.length === 0) await rollJournal(journal);
    if (found.length === 0) return [];
    const oldest = await firstCommit();
    const due = found
      .sort((a, b) => b.what.dirtyRatio - a.what.dirtyRatio)
      .map(({ partition, what, rules, name }): Due => {
        const task = taskOf(partition, what, rules, state, oldest, keys?.prefixOf(name) ?? '');
        return { partition, task, bytes: what.cleanBytes + what.dirtyBytes };
      });
    return await this.#fitting(due);
  }

  /** As many as a round takes, and as the disk has room for. */
  async #fitting(due: readonly Due[]): Promise<Due[]> {
    const { space, settings } = this.#options;
    const { usableBytes } = await space();
    const room = usableBytes < 0 ? Number.POSITIVE_INFINITY : usableBytes - settings.minFreeBytes;
    const taken: Due[] = [];
    let bytes = 0;
    for (const each of due) {
      if (taken.length === MAX_TASKS || (taken.length > 0 && bytes + each.bytes > MAX_ROUND_BYTES)) break;
      if (bytes + each.bytes > room) {
        this.#options.logger.error('A partition is not compacted: the disk has no room for a second copy of it.', {
          partition: each.partition.number,
          bytes: each.bytes,
          usableBytes,
        });
        continue;
      }
      taken.push(each);
      bytes += each.bytes;
    }
    return taken.sort((a, b) => a.task.partition - b.task.partition);
  }

  /** @returns false where nothing came of it: the next look tries again. */
  async #round(due: readonly Due[]): Promise<boolean> {
    const { clock, settings, directory, state, logger, keys } = this.#options;
    const begun = clock.monotonic();
    this.counters.rounds += 1;
    const answer = await this.#work({
      directory,
      keys: keys?.all,
      compression: settings.storageCompression,
      round: {
        tasks: due.map(({ task }) => task),
        firstChunk: state.nextChunk,
        chunkBytes: settings.chunkBytes,
        keyBytes: settings.compactionKeyBytes,
        bytesPerSecond: settings.compactionBytesPerSecond,
        now: clock.now(),
      },
    });
    this.counters.readBytes += answer.bytesRead;
    this.counters.writtenBytes += answer.bytesWritten;
    if (this.#stopped) return false;
    const swapped = await this.#swap(due, answer);
    this.last.seconds = (clock.monotonic() - begun) / 1000;
    logger.info('Partitions were compacted.', {
      partitions: swapped,
      bytesRead: answer.bytesRead,
      bytesWritten: answer.bytesWritten,
    });
    return swapped > 0;
  }

  #work(start: CompactionStart): Promise<CompactionAnswer> {
    return new Promise((resolve, reject) => {
      const worker = (this.#options.startWorker ?? startThread)(start);
      this.#worker = worker;
      worker.on('message', (message) => {
        if (message.kind === 'done') resolve(message);
        else reject(new Error(message.message));
        void worker.terminate();
      });
      worker.on('error', reject);
      worker.on('exit', () => reject(new Error('the worker ended before its work did')));
    });
  }

  /** @returns partitions that are read from the new chunks now, or need not be looked at again. */
  async #swap(due: readonly Due[], answer: CompactionAnswer): Promise<number> {
    const { journal, state, written } = this.#options;
    const byNumber = new Map(due.map((each) => [each.task.partition, each]));
    for (const each of answer.partitions) if (each.outcome === 'failed') this.#leaveAlone(each);
    await written(answer.chunks);
    const nextChunk = state.nextChunk + answer.chunks.length;
    let swaps: CompactedSwap[] = [];
    if (journal.congested) await new Promise<void>((resolve) => journal.onRelief(resolve));
    await transactOnce(journal, (commit) => {
      swaps = [];
      for (const each of answer.partitions) {
        const planned = byNumber.get(each.partition) as Due;
        if (each.outcome === 'compacted' && isAsPlanned(planned)) swaps.push(swapOf(each, planned.task));
      }
      // Also without any: it says that the chunks' numbers are used, and that they may go.
      commit.command(COMMAND.BATCHES_COMPACTED, compactionCommands.compacted({ nextChunk, partitions: swaps }));
    });
    this.counters.partitions += swaps.length;
    this.counters.refusedSwaps += answer.partitions.length - swaps.length;
    for (const each of answer.partitions) {
      if (each.outcome !== 'compacted') continue;
      this.counters.keptRecords += each.keptRecords;
      this.counters.droppedRecords += each.droppedRecords;
    }
    return swaps.length;
  }

  #leaveAlone({ partition, problem }: Extract<CompactedPartition, { outcome: 'failed' }>): void {
    this.#avoid.set(partition, this.#options.clock.monotonic() + RETRY_MS);
    this.#options.logger.error(problem, { partition });
  }

  #isAvoided(partition: number): boolean {
    const until = this.#avoid.get(partition);
    if (until === undefined) return false;
    if (until > this.#options.clock.monotonic()) return true;
    this.#avoid.delete(partition);
    return false;
  }
}

/** The oldest of what the partition has in the active journal file is from before the time. */
function waitsIn(activeFile: number, { extents }: Partition, before: number): boolean {
  if (!Number.isFinite(before) || extents === undefined || extents.count === 0) return false;
  // Closed ones come by themselves, once they have their index.
  if (extents.file(0) !== activeFile) return false;
  const oldest = extents.maxTimestamp(0);
  return oldest >= 0 && oldest <= before;
}

/**
 * The partition's first ranges are still those that were rewritten: neither sealing nor another round has moved them. Some
 * may be gone with the log start.
 */
function isAsPlanned({ partition, task }: Due): boolean {
  if (partition.deleted) return false;
  const { ranges } = partition;
  const planned = task.ranges.filter(({ endOffset }) => endOffset > partition.logStartOffset);
  if (ranges === undefined || planned.length === 0) return false;
  return planned.every((range, i) => i < ranges.count && isSame(ranges.at(i), range));
}

function isSame(one: FileRange, other: FileRange): boolean {
  return one.file === other.file && one.baseOffset === other.baseOffset && one.endOffset === other.endOffset;
}

function swapOf(
  { partition, ranges, dirtyFrom, cleanEnd }: Extract<CompactedPartition, { outcome: 'compacted' }>,
  { abortedBefore }: CompactionTask,
): CompactedSwap {
  return { partition, dirtyFrom, cleanEnd, abortedBefore, ranges };
}

function startThread(start: CompactionStart): CompactionWorker {
  const worker = new Worker(workerModule(import.meta.url, './worker'), {
    workerData: start,
    name: 'millrace-compaction',
  });
  worker.unref();
  return worker;
}
