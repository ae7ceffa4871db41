/**
 * Reading: collects whole batches from several partitions, and waits for more where there are too few.
 *
 * ```
 *  fetch ──► collect ──► enough, an error, or no wait? ──yes──► settled
 *                │ no                                             ▲
 *                └──► parked: waits on every partition ──advanced / time up──► collect
 * ```
 * An answer that memory can give is given inside the call; only disk reads and waiting involve promises and timers.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { asMillraceError, type ErrorCode } from '../base/errors.ts';
import { batchSizeBytes, lastOffset } from '../model/record-batch.ts';
import type { Partition, PartitionWaiter } from '../store/partition.ts';
import { GatherBuffer, ReadResult } from '../store/read-result.ts';
import type { PartitionReader } from '../store/reader.ts';
import type { AbortedTransaction } from '../store/transaction-index.ts';

export const FOR_EVER = Number.POSITIVE_INFINITY;

export interface FetchRequest {
  /** Wait until this many bytes are there in sum; 0: never wait. */
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Cut to what the broker allows; FOR_EVER is for its own readers, and costs no timer. */
  readonly maxWaitMs: number;
  /** Stop at the last stable offset instead of the high watermark. */
  readonly readCommitted: boolean;
  readonly items: readonly FetchItem[];
  /**
   * Where the request waits for other partitions than those of its items, or for more than there are items: it is told
   * to begin and to end waiting, and calls `advanced` and `gone` itself, after it has added the item they are about.
   */
  readonly waits?: FetchWaits | undefined;
  /** Once, perhaps inside `fetch`; then the items hold the answer until `releaseFetch`. Not after `cancelFetch`. */
  settled(): void;
  /** Kept by the fetch path. */
  operation?: FetchOperation | undefined;
}

export interface FetchWaits {
  begin(operation: FetchOperation): void;
  end(operation: FetchOperation): void;
  /** Adds items for what happened since the last look; true where there was something. */
  refresh(): boolean;
}

const NONE_ABORTED: readonly AbortedTransaction[] = [];

/** One partition of a fetch, and what was read. */
export class FetchItem {
  readonly partition: Partition | undefined;
  readonly offset: number;
  readonly maxBytes: number;
  /** Set beforehand (unknown topic...) the item is skipped. */
  error: ErrorCode | undefined;
  highWatermark = -1;
  lastStableOffset = -1;
  logStartOffset = -1;
  /** Whole batches, verbatim; the first one contains `offset`. Valid until `releaseFetch`. */
  slices: readonly Uint8Array[] = [];
  sizeBytes = 0;
  /** Of those that overlap the slices; the reader drops their records. Only where committed records are read. */
  abortedTransactions: readonly AbortedTransaction[] = NONE_ABORTED;
  /** Kept by the fetch path. */
  result: ReadResult | undefined;

  constructor(partition: Partition | undefined, offset: number, maxBytes: number) {
    this.partition = partition;
    this.offset = offset;
    this.maxBytes = maxBytes;
  }
}

/** After the answer's bytes were written, or its socket died. Safe to call twice. */
export function releaseFetch(request: FetchRequest): void {
  for (const item of request.items) {
    item.result?.release();
    item.result = undefined;
    item.slices = [];
  }
}

/** The client went away: a parked fetch is dropped; `settled` is not called any more. */
export function cancelFetch(request: FetchRequest): void {
  request.operation?.cancel();
}

export interface FetchCounters {
  requests: number;
  bytes: number;
  parked: number;
}

export interface FetchPathOptions {
  readonly reader: PartitionReader;
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  /** Told of every read that failed, with the offset that was asked for: the answer has no more than a code. */
  readonly failed?: ((partition: Partition, offset: number, error: unknown) => void) | undefined;
}

export class FetchPath {
  /** `parked` counts the fetches that wait now. */
  readonly counters: FetchCounters = { requests: 0, bytes: 0, parked: 0 };
  readonly options: FetchPathOptions;
  readonly #parked = new Set<FetchOperation>();
  #closed = false;

  constructor(options: FetchPathOptions) {
    this.options = options;
  }

  fetch(request: FetchRequest): void {
    this.counters.requests += 1;
    const operation = new FetchOperation(this, request);
    request.operation = operation;
    operation.start();
  }

  /** For operations only. */
  park(operation: FetchOperation): void {
    this.#parked.add(operation);
    this.counters.parked = this.#parked.size;
  }

  /** For operations only. */
  unpark(operation: FetchOperation): void {
    this.#parked.delete(operation);
    this.counters.parked = this.#parked.size;
  }

  /** Nothing is parked from here on: a fetch is answered with what there is. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Answers everything that waits, with what there is. */
  close(): void {
    this.#closed = true;
    for (const operation of [...this.#parked]) operation.answerNow();
  }
}

/** `cancelled`: nobody waits for the answer any more; a read that is under way still has to end. */
type State = 'collecting' | 'parked' | 'done' | 'cancelled';

export class FetchOperation implements PartitionWaiter {
  readonly #path: FetchPath;
  readonly #request: FetchRequest;
  #state: State = 'collecting';
  #timer: Timer | undefined;
  #deadline = 0;
  /** Bytes that became readable while parked, on top of those collected before. */
  #arrivedBytes = 0;
  #collectedBytes = 0;
  #roundBytes = 0;
  #lastRound = false;
  /** More than we would give is never there. */
  readonly #minBytes: number;
  readonly #gather: GatherBuffer;

  constructor(path: FetchPath, request: FetchRequest) {
    this.#path = path;
    this.#request = request;
    this.#minBytes = Math.min(request.minBytes, request.maxBytes, path.options.maxBytes);
    this.#gather = new GatherBuffer(path.options.pool);
  }

  start(): void {
    const { clock, maxWaitMs } = this.#path.options;
    const waitMs = this.#request.maxWaitMs;
    this.#deadline = waitMs === FOR_EVER ? FOR_EVER : clock.monotonic() + Math.min(waitMs, maxWaitMs);
    this.#collect();
  }

  advanced(partition: Partition, bytes: number): void {
    if (this.#state !== 'parked') return;
    if (this.#request.readCommitted && partition.transactions !== undefined) {
      // What arrived is not what became stable: an open transaction hides it, and its end shows all of it at once.
      const item = this.#request.items.find((each) => each.partition === partition);
      if (item?.lastStableOffset !== partition.lastStableOffset) this.#resume();
      return;
    }
    this.#arrivedBytes += bytes;
    if (this.#collectedBytes + this.#arrivedBytes >= this.#minBytes) this.#resume();
  }

  /** Only what is asked for counts: a reader at the end of an emptied partition goes on waiting. */
  trimmed(partition: Partition): void {
    if (this.#state !== 'parked') return;
    const lost = this.#request.items.some(
      (item) => item.partition === partition && item.offset < partition.logStartOffset,
    );
    if (lost) this.answerNow();
  }

  gone(): void {
    if (this.#state === 'parked') this.answerNow();
  }

  cancel(): void {
    switch (this.#state) {
      case 'parked':
        this.#unpark();
        this.#state = 'done';
        break;
      case 'done':
        releaseFetch(this.#request);
        break;
      case 'collecting':
        // The read that is under way ends by itself, and its bytes are released then: what it adds after an early
        // release would belong to nobody.
        this.#state = 'cancelled';
        break;
      case 'cancelled':
        break;
      default:
        this.#state satisfies never;
    }
  }

  answerNow(): void {
    this.#lastRound = true;
    if (this.#state === 'parked') this.#resume();
  }

  #resume(): void {
    this.#unpark();
    this.#state = 'collecting';
    this.#collect();
  }

  /** Reads what there is; goes on without a promise as long as memory has it. */
  #collect(): void {
    this.#roundBytes = 0;
    this.#collectFrom(0, Math.min(this.#request.maxBytes, this.#path.options.maxBytes));
  }

  #collectFrom(first: number, budgetBytes: number): void {
    let budget = budgetBytes;
    const { items } = this.#request;
    for (let i = first; i < items.length; i++) {
      const item = items[i] as FetchItem;
      const pending = this.#readItem(item, budget);
      if (pending !== undefined) {
        const before = budget;
        pending.then(
          () => this.#collectedLater(item, i, before),
          (error: unknown) => this.#failedLater(item, i, before, error),
        );
        return;
      }
      budget -= item.sizeBytes;
      this.#roundBytes += item.sizeBytes;
    }
    this.#collected();
  }

  #collectedLater(item: FetchItem, index: number, budget: number): void {
    if (this.#state === 'cancelled') {
      this.#gather.release();
      this.#state = 'done';
      releaseFetch(this.#request);
      return;
    }
    finishItem(item, this.#request.readCommitted);
    refuseTrimmed(item);
    this.#roundBytes += item.sizeBytes;
    this.#collectFrom(index + 1, budget - item.sizeBytes);
  }

  #failedLater(item: FetchItem, index: number, budget: number, error: unknown): void {
    this.#fail(item, error);
    this.#collectedLater(item, index, budget);
  }

  #fail(item: FetchItem, error: unknown): void {
    refuse(item, asMillraceError(error).code);
    if (item.partition !== undefined) this.#path.options.failed?.(item.partition, item.offset, error);
  }

  /** Reads one partition; undefined when its answer stands. */
  #readItem(item: FetchItem, budgetBytes: number): Promise<void> | undefined {
    const { partition } = item;
    if (partition === undefined || item.result !== undefined) return undefined;
    if (item.error !== undefined && item.highWatermark < 0) return undefined;
    item.error = partition.deleted ? 'BROKER_PARTITION_NOT_FOUND' : undefined;
    if (item.error !== undefined) return undefined;
    item.highWatermark = partition.highWatermark;
    item.lastStableOffset = partition.lastStableOffset;
    item.logStartOffset = partition.logStartOffset;
    item.abortedTransactions = NONE_ABORTED;
    const endOffset = this.#request.readCommitted ? item.lastStableOffset : item.highWatermark;
    if (!(item.offset >= item.logStartOffset && item.offset <= item.highWatermark)) {
      item.error = 'STORE_OFFSET_OUT_OF_RANGE';
      return undefined;
    }
    const maxBytes = Math.min(item.maxBytes, budgetBytes);
    // The first partition with data answers with a batch at least; the others only while there is room.
    const atLeastOne = this.#roundBytes === 0;
    if (item.offset >= endOffset || (maxBytes <= 0 && !atLeastOne)) return undefined;
    item.result = new ReadResult(this.#gather);
    try {
      const limits = { endOffset, maxBytes, atLeastOne };
      const pending = this.#path.options.reader.read(partition, item.offset, limits, item.result);
      if (pending === undefined) finishItem(item, this.#request.readCommitted);
      return pending;
    } catch (error) {
      this.#fail(item, error);
      return undefined;
    }
  }

  #collected(): void {
    let sizeBytes = 0;
    let failed = false;
    this.#gather.release();
    for (const item of this.#request.items) {
      sizeBytes += item.sizeBytes;
      if (item.error !== undefined) failed = true;
    }
    const remaining = this.#deadline - this.#path.options.clock.monotonic();
    const ends = this.#lastRound || this.#path.closed || failed;
    if (ends || sizeBytes >= this.#minBytes || remaining <= 0) {
      this.#settle(sizeBytes);
      return;
    }
    this.#collectedBytes = sizeBytes;
    const refreshed = this.#request.waits?.refresh() === true;
    const moved = refreshed || this.#request.items.some((item) => hasMoved(item));
    // What was collected is read again when more is there: holding it would pin memory for the whole wait.
    releaseFetch(this.#request);
    for (const item of this.#request.items) item.sizeBytes = 0;
    // While the disk was read, more may have come that nobody told us of, since we were not waiting yet.
    if (moved) this.#collect();
    else this.#park(remaining);
  }

  #settle(sizeBytes: number): void {
    this.#state = 'done';
    this.#path.counters.bytes += sizeBytes;
    this.#request.settled();
  }

  #park(waitMs: number): void {
    this.#state = 'parked';
    this.#arrivedBytes = 0;
    const { waits } = this.#request;
    if (waits !== undefined) waits.begin(this);
    else for (const item of this.#request.items) item.partition?.wait(this);
    if (waitMs !== FOR_EVER) this.#timer = this.#path.options.clock.schedule(waitMs, () => this.answerNow());
    this.#path.park(this);
  }

  #unpark(): void {
    this.#timer?.cancel();
    const { waits } = this.#request;
    if (waits !== undefined) waits.end(this);
    else for (const item of this.#request.items) item.partition?.stopWaiting(this);
    this.#path.unpark(this);
  }
}

function hasMoved(item: FetchItem): boolean {
  const { partition } = item;
  return partition !== undefined && (partition.highWatermark !== item.highWatermark || partition.deleted);
}

function finishItem(item: FetchItem, readCommitted: boolean): void {
  item.result?.finish();
  item.slices = item.result?.slices ?? [];
  item.sizeBytes = item.result?.sizeBytes ?? 0;
  if (readCommitted) addAborted(item);
}

/** Which records of the answer were aborted, for the reader to drop. */
function addAborted(item: FetchItem): void {
  const { partition, slices, offset } = item;
  const transactions = partition?.transactions;
  const last = slices.at(-1);
  if (partition === undefined || transactions === undefined || last === undefined) return;
  if (transactions.hasAbortedFrom(offset)) {
    item.abortedTransactions = transactions.abortedIn(offset, endOffsetOf(last));
  }
}

/**
 * While the disk was read the log start may have moved past what was asked for: the read then found nothing, or went on
 * behind the gap, and the knowledge of aborts is gone.
 */
function refuseTrimmed(item: FetchItem): void {
  const { partition, offset } = item;
  if (partition === undefined || item.error !== undefined || offset >= partition.logStartOffset) return;
  refuse(item, 'STORE_OFFSET_OUT_OF_RANGE');
  item.logStartOffset = partition.logStartOffset;
}

/** Offset behind the last record of whole batches. */
function endOffsetOf(batches: Uint8Array): number {
  let last = 0;
  for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) last = at;
  return lastOffset(batches, last) + 1;
}

function refuse(item: FetchItem, error: ErrorCode): void {
  item.error = error;
  item.result?.release();
  item.result = undefined;
  item.slices = [];
  item.sizeBytes = 0;
}
