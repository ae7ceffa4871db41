/**
 * The broker's side of checkpoints: hands closed journal files to the worker, takes their ranges in, and lets the worker
 * go when there is nothing to do (it holds a second copy of the state).
 *
 * A failure costs nothing but memory and a longer replay: the journal alone holds everything. It is reported, and the
 * files that have no index yet are tried again with the next closed file, or after a while.
 *
 * ```
 *  add(file) ──► waiting ──fold──► worker ──indexed──► taking ──► partitions
 *                   ▲                 │ failed, died
 *                   └── retry ◄───────┘
 * ```
 */
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../base/clock.ts';
import { asMillraceError } from '../../base/errors.ts';
import { minorCollections } from '../../base/minor-collections.ts';
import { workerModule } from '../../base/worker-module.ts';
import type { DataKey } from '../../journal/encryption/data-keys.ts';
import type { FileNumber } from '../../store/file-number.ts';
import type { LogStore } from '../../store/log-store.ts';
import { PackedRanges } from '../../store/packed-ranges.ts';
import { QuietTime } from '../chunks/quiet-time.ts';
import type { SealedRound } from '../chunks/seal-round.ts';
import type { FileHoldParty } from '../retention/file-hold.ts';
import type { BrokerSettings } from '../settings.ts';
import type { TieredPlace, WholeChunk } from '../tiering/messages.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';
import { backlogBytes, dueBytes, urgentBytes } from './seal-amounts.ts';
import { UnsealedFiles } from './unsealed-files.ts';

/** After this long without a closed file the worker writes a checkpoint and ends. */
const IDLE_MS = 3_000;
/** After this long files that a worker failed on are tried again, should no other be closed before. */
const RETRY_MS = 60_000;
/** After so many failures in a row sealing counts as stalled: one may be of the moment. */
const STALLED_FAILURES = 3;
/** Ranges taken in per turn of the event loop: about a millisecond. */
const RANGES_PER_TURN = 2_000;

/** What of a `Worker` is used here; tests stand in for it. */
export interface CheckpointWorker {
  postMessage(message: ToWorker): void;
  on(event: 'message', listener: (message: FromWorker) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
  unref(): void;
}

export interface CheckpointerOptions {
  readonly directory: string;
  readonly settings: BrokerSettings;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly report: (problem: string) => void;
  /** Journal files with their indexes, chunks, and order files, that nothing needed any more and that are gone now. */
  readonly removed?: ((files: readonly FileNumber[], orders: readonly number[]) => void) | undefined;
  /** Data keys, where files are encrypted. */
  readonly keys?: readonly DataKey[] | undefined;
  /** Number of the next chunk, by the broker's state; undefined: nothing is sealed. */
  readonly nextChunk?: (() => number) | undefined;
  /** Chunks are written: swaps them in. Never rejects. */
  readonly sealed?: ((round: SealedRound) => Promise<void>) | undefined;
  /** Closes the active journal file, so that what it holds can be folded. */
  readonly roll?: (() => Promise<unknown>) | undefined;
  /** How busy the event loop was since the last call, 0 to 1: sealing waits for quiet. Undefined: it never waits. */
  readonly load?: (() => number) | undefined;
  readonly startWorker?: ((start: WorkerStart) => CheckpointWorker) | undefined;
}

/** Takes chunks that get no file. */
export interface StraightStore {
  /** The disk is what is short, and the store takes data. */
  wanted(): boolean;
  /** @throws where it cannot be stored. */
  put(whole: WholeChunk): Promise<TieredPlace>;
  /** What was put is referred to by now, or never will be. */
  settled(): void;
}

type Indexed = Extract<FromWorker, { kind: 'indexed' }>;

export class Checkpointer implements FileHoldParty {
  readonly #options: CheckpointerOptions;
  /** Takes the next files; undefined: the next file starts one, once none finishes. */
  #worker: CheckpointWorker | undefined;
  /** Was told to end when it is done. */
  #finishing: CheckpointWorker | undefined;
  /** A round could not begin: a worker finished, or the last round was being swapped in. */
  #sealWaits = false;
  /** All that run, also one that only finishes. */
  readonly #running = new Set<CheckpointWorker>();
  /** Closed files that no index was reported for, oldest first: what a new worker starts with. */
  #waiting: { file: number; sizeBytes: number }[] = [];
  /** Indexed, and being taken in one after the other: ranges of a partition must come in file order. */
  readonly #taking: PackedRanges[] = [];
  /** The swap that runs, or the last one, and the roll behind it. */
  sealing: Promise<void> = Promise.resolve();
  /** Last file that the worker in charge has folded, as far as it said. */
  #lastIndexed = 0;
  readonly #quiet: QuietTime;
  readonly #unsealed = new UnsealedFiles();
  /** The round that runs could not wait for quiet. */
  #pressed = false;
  /** Chunks of the last round are written and not yet referred to: a round that began now would take their numbers, and write over them. */
  #isSwapping = false;
  /** Of the round that runs: what it has written, that nothing refers to yet. */
  writingBytes = 0;
  /** In chunks, since the start. */
  sealedBytes = 0;
  /** Rounds that failed since the last that did not. */
  #failures = 0;
  /** Undefined: every chunk gets a file. */
  straightStore: StraightStore | undefined;
  /** Told when a file was closed, a chunk written, or a round swapped in; of the last, whether its room is waited for. */
  onNews: ((isWaitedFor: boolean) => void) | undefined;
  #idle: Timer | undefined;
  #retry: Timer | undefined;
  #closed = false;
  /** Who waits for a checkpoint of a file, or for the news that none will come soon. */
  readonly #awaited: { readonly file: number; readonly done: (reached: boolean) => void }[] = [];
  #held = false;
  /** Workers that were told to hold and have not answered. */
  readonly #holding: { readonly worker: CheckpointWorker; readonly done: () => void }[] = [];
  /** Last file whose state is in a checkpoint; 0: none since the start. */
  lastCheckpoint = 0;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#quiet = new QuietTime(options.clock, options.load);
  }

  /** Nothing is sealed, and it does not look as if this were over soon. */
  get stalled(): boolean {
    return this.#failures >= STALLED_FAILURES;
  }

  /** Closed files whose extents are still in memory. */
  get waitingFiles(): number {
    return this.#waiting.length + this.#taking.length;
  }

  /** A file was closed and is durable; called in file order. */
  add(file: number, sizeBytes: number): void {
    if (this.#closed) return;
    this.#waiting.push({ file, sizeBytes });
    this.addUnsealed(file, sizeBytes);
    this.#idle?.cancel();
    if (this.#worker !== undefined) say(this.#worker, { kind: 'fold', file, sizeBytes });
    else if (this.#finishing === undefined) this.#start();
    this.onNews?.(false);
  }

  /** A file that an earlier run has closed and folded, and not sealed. */
  addUnsealed(file: number, sizeBytes: number): void {
    this.#unsealed.add(file, sizeBytes);
  }

  /**
   * Resolves when a checkpoint holds the state up to the end of a file, closed or about to be, and what nothing needs any
   * more is gone. False: the worker failed, or the broker closes.
   */
  async checkpointThrough(file: number): Promise<boolean> {
    if (this.lastCheckpoint >= file) return true;
    if (this.#closed) return false;
    return await new Promise<boolean>((done) => {
      this.#awaited.push({ file, done });
      // Folded already, though its ranges may still be being taken in: nothing asks for the checkpoint any more.
      this.#checkpointAwaited();
    });
  }

  async hold(): Promise<void> {
    this.#held = true;
    await Promise.all([...this.#running].map((worker) => this.#holdOne(worker)));
  }

  letGo(): void {
    this.#held = false;
    for (const worker of this.#running) say(worker, { kind: 'hold', held: false });
  }

  /** Ends the workers wherever they are: what they write is there whole or not at all. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    this.#retry?.cancel();
    this.#quiet.end();
    this.#worker = undefined;
    this.#answerAwaited(Number.POSITIVE_INFINITY, false);
    await Promise.all([...this.#running].map((worker) => worker.terminate()));
    this.#running.clear();
    for (const { done } of this.#holding.splice(0)) done();
  }

  async #holdOne(worker: CheckpointWorker): Promise<void> {
    await new Promise<void>((done) => {
      this.#holding.push({ worker, done });
      say(worker, { kind: 'hold', held: true });
    });
  }

  #answerHolding(worker: CheckpointWorker): void {
    for (const waiting of this.#holding.splice(0)) {
      if (waiting.worker === worker) waiting.done();
      else this.#holding.push(waiting);
    }
  }

  #start(): CheckpointWorker {
    this.#retry?.cancel();
    const { directory, settings, keys } = this.#options;
    const start = { directory, settings, held: this.#held, keys, collects: minorCollections.isAllowed };
    const worker = (this.#options.startWorker ?? startThread)(start);
    this.#worker = worker;
    this.#running.add(worker);
    worker.on('message', (message) => this.#onMessage(worker, message));
    worker.on('error', (error) => this.#broke(worker, `The checkpoint worker failed: ${error.message}`));
    worker.on('exit', () => {
      this.#lost(worker, 'The checkpoint worker ended before its work did.');
      this.#running.delete(worker);
      this.#answerHolding(worker);
      if (worker === this.#finishing) this.#finished();
      // One that was told to finish and failed at it: whoever waits would wait for ever.
      if (this.#running.size === 0) this.#answerAwaited(this.#lastIndexed, false);
    });
    worker.unref();
    for (const { file, sizeBytes } of this.#waiting) say(worker, { kind: 'fold', file, sizeBytes });
    return worker;
  }

  /** What came while it finished waits for the next worker: two would write the same files. */
  #finished(): void {
    this.#finishing = undefined;
    if (this.#closed || this.#worker !== undefined) return;
    // Files that are folded lead to a round by themselves.
    if (this.#waiting.length > 0) this.#start();
    else if (this.#sealWaits) this.#sealThenFinish();
  }

  #onMessage(worker: CheckpointWorker, message: FromWorker): void {
    if (this.#closed) return;
    switch (message.kind) {
      case 'indexed':
        // What a worker still says that was given up is not heard: its files are another one's by now.
        if (worker === this.#worker) this.#indexed(message);
        break;
      case 'checkpointed':
        this.lastCheckpoint = Math.max(this.lastCheckpoint, message.file);
        // Retention may have emptied them before any round came.
        for (const file of message.removed) this.#unsealed.drop(file);
        if (message.removed.length + message.removedOrders.length > 0) {
          this.#options.removed?.(message.removed, message.removedOrders);
        }
        this.#answerAwaited(message.file, true);
        break;
      case 'passed-over':
        this.#options.report(`The checkpoint worker passes over a checkpoint: ${message.problem}`);
        break;
      case 'progress':
        this.writingBytes += message.sizeBytes;
        this.sealedBytes += message.sizeBytes;
        this.onNews?.(false);
        break;
      case 'store':
        void this.#store(worker, message);
        break;
      case 'sealed':
        // Its chunks have the numbers of the next round's.
        if (worker === this.#worker) this.#onSealed(message);
        break;
      case 'held':
        this.#answerHolding(worker);
        break;
      case 'failed':
        this.#broke(worker, `Indexing and checkpointing stopped: ${message.message}`);
        break;
      default:
        message satisfies never;
    }
  }

  /** Also one that only finishes: a checkpoint is missing, or what was to be removed is there still. */
  #broke(worker: CheckpointWorker, problem: string): void {
    if (worker === this.#finishing && !this.#closed) this.#options.report(problem);
    this.#lost(worker, problem);
  }

  /** The worker in charge does nothing more; its files stay in line. */
  #lost(worker: CheckpointWorker, problem: string): void {
    if (this.#worker !== worker || this.#closed) return;
    this.#worker = undefined;
    this.writingBytes = 0;
    this.straightStore?.settled();
    this.#failures += 1;
    this.#idle?.cancel();
    this.#quiet.end();
    this.#options.report(problem);
    this.#answerAwaited(Number.POSITIVE_INFINITY, false);
    void worker.terminate();
    this.#retry = this.#options.clock.schedule(RETRY_MS, () => {
      if (this.#worker !== undefined || this.#finishing !== undefined) return;
      if (this.#waiting.length > 0) this.#start();
      // In the middle of a round: the next file may be long in coming.
      else this.#sealThenFinish();
    });
  }

  #indexed(message: Indexed): void {
    const first = this.#waiting[0];
    if (first === undefined || first.file !== message.file) return;
    this.#waiting.shift();
    this.#lastIndexed = message.file;
    this.#checkpointAwaited();
    const ranges = new PackedRanges(message.file, message.ranges);
    this.#taking.push(ranges);
    if (this.#taking.length === 1) this.#takeIn(ranges, 0);
  }

  #takeIn(ranges: PackedRanges, from: number): void {
    if (this.#closed) return;
    const to = Math.min(from + RANGES_PER_TURN, ranges.count);
    for (let i = from; i < to; i++) this.#options.store.partition(ranges.partition(i))?.indexed(ranges.at(i));
    if (to < ranges.count) {
      setImmediate(() => this.#takeIn(ranges, to));
      return;
    }
    this.#taking.shift();
    const next = this.#taking[0];
    if (next !== undefined) this.#takeIn(next, 0);
    else if (this.#waiting.length === 0) this.#sealThenFinish();
  }

  /** All closed files are folded and taken in: what they hold may be sealed, once there is quiet for it. */
  #sealThenFinish(): void {
    const { nextChunk } = this.#options;
    // It may wait for hours, and the worker has a second copy of the state.
    this.#finishWhenIdle();
    this.#sealWaits = this.#isSwapping;
    if (nextChunk === undefined || this.#isSwapping) return;
    this.#quiet.wait(
      () => this.#isPressing,
      () => {
        // Files that came meanwhile lead here again.
        if (this.waitingFiles === 0) this.#seal(nextChunk());
      },
    );
  }

  #seal(nextChunk: number): void {
    const { settings } = this.#options;
    if (this.#worker === undefined && this.#unsealed.bytes < dueBytes(settings)) return;
    if (this.#finishing !== undefined) {
      this.#sealWaits = true;
      return;
    }
    this.#idle?.cancel();
    const worker = this.#worker ?? this.#start();
    this.#pressed = this.#isPressing;
    // What holds the room that the store's tier is to give back goes with the rest, however soon retention deletes it.
    const all = this.#pressed && settings.tierStore !== '';
    const straight = all && this.straightStore?.wanted() === true;
    const now = this.#options.clock.now();
    say(worker, { kind: 'seal', file: this.#lastIndexed, now, nextChunk, all, straight });
    // What comes faster than a round that rests seals it would fill the disk: then it does not rest.
    const limit = urgentBytes(settings);
    this.#quiet.report((busy) => say(worker, { kind: 'load', busy: busy && this.#unsealed.bytes < limit }));
  }

  async #store(worker: CheckpointWorker, whole: WholeChunk): Promise<void> {
    const { chunk, bytes } = whole;
    const sizeBytes = bytes.length;
    const place = await this.straightStore?.put(whole).catch((error: unknown) => {
      this.#options.report(`A chunk was not put into the object store: ${asMillraceError(error).message}`);
      return undefined;
    });
    if (place !== undefined) this.sealedBytes += sizeBytes;
    say(worker, { kind: 'stored', chunk, place });
  }

  #onSealed(round: SealedRound): void {
    this.#quiet.end();
    const isDone = round.commands.length > 0;
    this.#failures = isDone || round.problems.length === 0 ? 0 : this.#failures + 1;
    for (const problem of round.problems) this.#options.report(problem);
    this.#unsealed.dropThrough(round.through);
    if (!isDone) this.straightStore?.settled();
    if (isDone) this.sealing = this.#swapAndRoll(round);
    if (this.waitingFiles === 0) this.#finishWhenIdle();
  }

  /**
   * The next round begins once the swap of this one is folded, and what was sealed goes then, too. Where either is waited for,
   * the journal is rolled: with slow producers, or none, the next file would be closed late, or never.
   */
  async #swapAndRoll(round: SealedRound): Promise<void> {
    const { settings, sealed, roll } = this.#options;
    const isWaitedFor = this.#pressed && settings.tierStore !== '';
    this.#isSwapping = true;
    try {
      await sealed?.(round);
    } finally {
      this.#isSwapping = false;
    }
    if (this.#sealWaits && this.waitingFiles === 0 && !this.#closed) this.#sealThenFinish();
    this.straightStore?.settled();
    this.writingBytes = 0;
    this.onNews?.(isWaitedFor);
    if (this.#closed || !(isWaitedFor || this.#unsealed.bytes >= dueBytes(settings))) return;
    // A journal that refuses has said so: then nothing more is sealed.
    await roll?.().catch(() => undefined);
  }

  /** So much waits that a round cannot wait for quiet. */
  get #isPressing(): boolean {
    return this.#unsealed.bytes >= backlogBytes(this.#options.settings);
  }

  /** Asks for the checkpoint that somebody waits for, once its file is folded. */
  #checkpointAwaited(): void {
    if (this.#worker === undefined) return;
    if (this.#awaited.some(({ file }) => file <= this.#lastIndexed)) say(this.#worker, { kind: 'checkpoint' });
  }

  #answerAwaited(file: number, reached: boolean): void {
    for (const waiting of this.#awaited.splice(0)) {
      if (waiting.file <= file) waiting.done(reached);
      else this.#awaited.push(waiting);
    }
  }

  #finishWhenIdle(): void {
    this.#idle?.cancel();
    this.#idle = this.#options.clock.schedule(IDLE_MS, () => {
      const worker = this.#worker;
      if (worker === undefined) return;
      this.#finishing = worker;
      this.#worker = undefined;
      say(worker, { kind: 'finish' });
    });
  }
}

function say(worker: CheckpointWorker, message: ToWorker): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  worker.postMessage(message);
}

function startThread(start: WorkerStart): CheckpointWorker {
  return new Worker(workerModule(import.meta.url, './worker'), {
    workerData: start,
    resourceLimits: {
      // The state of a large broker must fit; the default of a worker is that of a small one.
      maxOldGenerationSizeMb: 4096,
      // What it allocates stays, or is let go at once: more room for young objects is only more memory.
      maxYoungGenerationSizeMb: 4,
    },
  });
}
