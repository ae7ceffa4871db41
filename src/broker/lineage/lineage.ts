/**
 * What caused a record, and what it caused (header `millrace-parent`).
 *
 * Up the records say themselves. Down there is an index, built from the journal when somebody asks, from where it was the
 * last time: who never asks pays nothing, and producers never do. It is in memory, and built anew after a restart.
 */
import { setImmediate } from 'node:timers/promises';
import { asBuffer } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { MinHeap } from '../../base/min-heap.ts';
import { BatchCursor } from '../../model/batch-cursor.ts';
import type { RecordHeader } from '../../model/record.ts';
import { CODEC, codec, lastOffset } from '../../model/record-batch.ts';
import { RecordCursor, recordBytes } from '../../model/record-codec.ts';
import {
  formatRecordPosition,
  PARENT_HEADER,
  parseRecordPosition,
  type RecordPosition,
} from '../../model/record-position.ts';
import { AbortedBatches } from '../aborted-batches.ts';
import type { Decompressor } from '../decompressor/decompressor.ts';
import { type CommitRun, runBytes, type Subscription } from '../subscriptions/subscription.ts';
import { LineageIndex } from './lineage-index.ts';

/** Some 200 bytes each. */
const MAX_EDGES = 200_000;
/** Records looked at for one page of descendants. */
const MAX_WALK = 20_000;
/** Causes that a record may name; more are not looked at. */
const MAX_PARENTS = 100;
/** Read in one turn of the event loop. */
const BYTES_PER_TURN = 1024 * 1024;
const MAX_POLL_MS = 32;

export interface LineageOptions {
  /** All topics, in the order of commits. */
  readonly subscribe: (start: 'earliest') => Subscription;
  readonly publishedCommit: () => number;
  readonly decompressor: Decompressor;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Descendant extends RecordPosition {
  /** 1: a child. */
  readonly depth: number;
  readonly sequence: number;
}

export interface DescendantPage {
  readonly descendants: readonly Descendant[];
  /** Whether there are more behind these. */
  readonly more: boolean;
  /** Whether what was found is all that there is up to now. */
  readonly complete: boolean;
}

export class Lineage {
  readonly #options: LineageOptions;
  readonly #index = new LineageIndex(MAX_EDGES);
  #seen = 0;
  #target = 0;
  #running: Promise<void> | undefined;
  /** Kept, so that nothing is looked at twice. */
  #subscription: Subscription | undefined;
  #stopped = false;
  /** Of batches that were looked into, for the metrics. */
  scannedBytes = 0;

  constructor(options: LineageOptions) {
    this.#options = options;
  }

  get edges(): number {
    return this.#index.edges;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Reads on to what is published now, `waitMs` at most. @returns whether it came so far. */
  async catchUp(waitMs: number, gone: () => boolean): Promise<boolean> {
    const target = this.#options.publishedCommit();
    const { clock } = this.#options;
    const deadline = clock.monotonic() + waitMs;
    this.#target = Math.max(this.#target, target);
    if (this.#seen < target) this.#running ??= this.#run();
    let pollMs = 1;
    // Looked at now and then and not waited for: the reading may go on for long after this.
    while (this.#running !== undefined && this.#seen < target && clock.monotonic() < deadline && !gone()) {
      await new Promise<void>((resolve) => clock.schedule(pollMs, resolve));
      pollMs = Math.min(MAX_POLL_MS, pollMs * 2);
    }
    return this.#seen >= target;
  }

  /**
   * What a record caused, directly or not, in the order of commits: new ones come last, so pages fit together.
   *
   * @param after `sequence` of the last one of the page before; -1: from the beginning.
   */
  descendants(
    root: RecordPosition,
    { maxDepth, limit, after }: { readonly maxDepth: number; readonly limit: number; readonly after: number },
  ): DescendantPage {
    const heap = new MinHeap<Descendant>(({ sequence }) => sequence);
    const seen = new Set([formatRecordPosition(root)]);
    const found: Descendant[] = [];
    const expand = (position: RecordPosition, depth: number): void => {
      for (const child of this.#index.childrenOf(position)) heap.push({ ...child, depth });
    };
    expand(root, 1);
    for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
      const key = formatRecordPosition(next);
      if (seen.has(key)) continue;
      if (seen.size > MAX_WALK) return { descendants: found, more: false, complete: false };
      seen.add(key);
      if (next.sequence > after) {
        if (found.length === limit) return { descendants: found, more: true, complete: !this.#index.overflowed };
        found.push(next);
      }
      if (next.depth < maxDepth) expand(next, next.depth + 1);
    }
    return { descendants: found, more: false, complete: !this.#index.overflowed };
  }

  async #run(): Promise<void> {
    const { subscribe, logger } = this.#options;
    try {
      for (let restarts = 0; ; ) {
        this.#subscription ??= subscribe('earliest');
        try {
          await this.#readOn(this.#subscription);
          return;
        } catch (error) {
          // What lay between was deleted: nobody can ask for it any more.
          if (!(error instanceof MillraceError) || error.code !== 'BROKER_CURSOR_EXPIRED' || restarts++ > 2)
            throw error;
          this.#subscription.rest();
          this.#subscription = undefined;
        }
      }
    } catch (error) {
      if (!this.#stopped) logger.error(`The index of causes cannot be built on: ${String(error)}`);
    } finally {
      this.#subscription?.rest();
      this.#running = undefined;
    }
  }

  /** To the target, or the end, or an open transaction that holds what comes behind it back. */
  async #readOn(subscription: Subscription): Promise<void> {
    let turnBytes = 0;
    while (!this.#stopped && this.#seen < this.#target) {
      const step = await subscription.next();
      this.#seen = Math.max(this.#seen, subscription.seen.commit);
      if (step.kind !== 'run') return;
      await this.#look(step.run);
      turnBytes += step.run.sizeBytes;
      if (turnBytes < BYTES_PER_TURN) continue;
      turnBytes = 0;
      await setImmediate();
    }
  }

  async #look(run: CommitRun): Promise<void> {
    const { firstOffset } = run;
    const bytes = runBytes(run);
    this.scannedBytes += bytes.length;
    const aborted = new AbortedBatches(run.abortedTransactions);
    const batch = new BatchCursor(bytes);
    while (batch.next() === 'batch') {
      const { position } = batch;
      if (aborted.hides(bytes, position) || lastOffset(bytes, position) < firstOffset) continue;
      const records = await this.#opened(bytes, position);
      // Most batches name no cause; that is seen without going through their records.
      if (records === undefined || !asBuffer(records).includes(PARENT_HEADER)) continue;
      this.#note(run, new RecordCursor(bytes, position, records));
    }
  }

  /** Undefined where it cannot be opened: its readers are told. */
  async #opened(bytes: Uint8Array, position: number): Promise<Uint8Array | undefined> {
    if (codec(bytes, position) === CODEC.none) return recordBytes(bytes, position);
    try {
      return await this.#options.decompressor.open(bytes, position);
    } catch {
      return undefined;
    }
  }

  #note({ topic, partition, firstOffset }: CommitRun, records: RecordCursor): void {
    try {
      while (records.next()) {
        const { offset } = records;
        const parents = offset < firstOffset || records.headerCount === 0 ? [] : parentsOf(records.headers);
        if (parents.length > 0) this.#index.add({ topic: topic.name, partition: partition.index, offset }, parents);
      }
    } catch {
      // A damaged batch names nothing further.
    }
  }
}

/** The records that caused one, as its headers say; what is no place is none. */
export function parentsOf(headers: readonly RecordHeader[]): RecordPosition[] {
  const parents: RecordPosition[] = [];
  for (const { key, value } of headers) {
    if (key !== PARENT_HEADER || value === null || parents.length === MAX_PARENTS) continue;
    const position = parseRecordPosition(asBuffer(value).toString('utf8'));
    if (position !== undefined) parents.push(position);
  }
  return parents;
}
