/**
 * Retention: one pass over all partitions now and then, on one timer for all of them; an idle topic costs the look alone.
 * What the limits no longer keep is deleted by a command in the journal, `RECORDS_DELETED` with the new log start, in
 * commits of many partitions. Afterwards the reclaimer is told which files are still needed.
 *
 * ```
 *  timer ──► pass: retainedStart of each partition ──► RECORDS_DELETED ──► log starts move, waiting readers are told
 *                    └──► references ──► reclaimer ──► files without readable records go
 * ```
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { asMillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import type { LogStore } from '../../store/log-store.ts';
import type { Partition } from '../../store/partition.ts';
import { retainedStart, waitingStart } from '../../store/retention.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import { topicCommands } from '../topics-state.ts';
import { References } from './data-files.ts';
import { groupWaitMs, retentionOf } from './topic-retention.ts';

/** Partitions looked at in one turn of the event loop: about a millisecond. */
const PARTITIONS_PER_TURN = 5_000;
/** Deletions of one commit. */
const DELETIONS_PER_COMMIT = 1_000;

export interface SweeperOptions {
  readonly journal: Journal;
  readonly topics: () => Iterable<Topic>;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** The next offset of the consumer group that is furthest behind; undefined: none has one there. */
  readonly slowestOffset: (topic: string, partition: number) => number | undefined;
  /** After each pass: the files that are still needed. */
  readonly swept: (references: References) => Promise<void>;
}

interface Deletion {
  readonly partition: Partition;
  readonly logStartOffset: number;
}

export class Sweeper {
  /** Offsets, and bytes of whole extents, that retention deleted since the start. */
  readonly counters = { passes: 0, deletedOffsets: 0, deletedBytes: 0 };
  readonly #options: SweeperOptions;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.schedule(this.#options.intervalMs, () => {
      void this.sweep().finally(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** One pass; joins the one that runs. Never rejects: a failure is logged, and the next pass tries again. */
  sweep(): Promise<void> {
    this.#running ??= this.#pass()
      .catch((error: unknown) => {
        const { code, message } = asMillraceError(error);
        if (!this.#stopped) this.#options.logger.error(`Retention stopped half way: ${message}`, { code });
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #pass(): Promise<void> {
    this.counters.passes += 1;
    const { topics, store, clock, slowestOffset } = this.#options;
    const now = clock.now();
    let deletions: Deletion[] = [];
    let looked = 0;
    for (const topic of topics()) {
      const limits = retentionOf(topic);
      const waitMs = groupWaitMs(topic);
      for (const partition of topic.partitions) {
        let logStartOffset = retainedStart(partition, limits, now);
        if (waitMs >= 0 && logStartOffset > partition.logStartOffset) {
          const slowest = slowestOffset(topic.name, partition.index);
          logStartOffset = waitingStart(partition, limits, now, { start: logStartOffset, slowest, waitMs });
        }
        if (logStartOffset > partition.logStartOffset) deletions.push({ partition, logStartOffset });
        if (++looked % PARTITIONS_PER_TURN !== 0 && deletions.length < DELETIONS_PER_COMMIT) continue;
        await this.#delete(deletions);
        deletions = [];
        if (this.#stopped) return;
      }
    }
    await this.#delete(deletions);
    if (this.#stopped) return;
    await this.#options.swept(await this.#references(store));
  }

  async #delete(deletions: readonly Deletion[]): Promise<void> {
    if (deletions.length === 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      return;
    }
    const sizeBefore = deletions.reduce((sum, { partition }) => sum + partition.sizeBytes, 0);
    let offsets = 0;
    await transactOnce(this.#options.journal, (commit) => {
      offsets = 0;
      for (const { partition, logStartOffset } of deletions) {
        if (partition.deleted || partition.logStartOffset >= logStartOffset) continue;
        offsets += logStartOffset - partition.logStartOffset;
        commit.command(COMMAND.RECORDS_DELETED, topicCommands.recordsDeleted(partition.number, logStartOffset));
      }
    });
    const sizeAfter = deletions.reduce((sum, { partition }) => sum + partition.sizeBytes, 0);
    this.counters.deletedOffsets += offsets;
    this.counters.deletedBytes += Math.max(0, sizeBefore - sizeAfter);
  }

  async #references(store: LogStore): Promise<References> {
    const references = new References();
    let looked = 0;
    for (const { ranges, extents } of store.partitions()) {
      for (let i = 0; i < (ranges?.count ?? 0); i++) references.add(ranges?.file(i) as number);
      if (extents !== undefined && extents.count > 0) references.add(extents.file(0));
      if (++looked % PARTITIONS_PER_TURN === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return references;
  }
}
