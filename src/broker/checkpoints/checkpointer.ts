/**
 * The broker's side of checkpoints: hands closed journal files to the worker, takes their ranges in, and lets the worker
 * go when there is nothing to do (it holds a second copy of the state).
 *
 * A failure costs nothing but memory and a longer replay: the journal alone holds everything. It is reported, and the
 * worker is tried again with the next file.
 */
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../base/clock.ts';
import { workerModule } from '../../base/worker-module.ts';
import type { LogStore } from '../../store/log-store.ts';
import type { BrokerSettings } from '../settings.ts';
import { type FromWorker, packedCount, type ToWorker, unpackRange, type WorkerStart } from './messages.ts';

/** After this long without a closed file the worker writes a checkpoint and ends. */
const IDLE_MS = 3_000;
/** Ranges taken in per turn of the event loop: about a millisecond. */
const RANGES_PER_TURN = 2_000;

export interface CheckpointerOptions {
  readonly directory: string;
  readonly settings: BrokerSettings;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly report: (problem: string) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #worker: Worker | undefined;
  /** Closed files not indexed yet, oldest first: what a new worker starts with. */
  #waiting: { file: number; sizeBytes: number }[] = [];
  #idle: Timer | undefined;
  #closed = false;
  /** Last file whose state is in a checkpoint; 0: none since the start. */
  lastCheckpoint = 0;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
  }

  get waitingFiles(): number {
    return this.#waiting.length;
  }

  /** A file was closed and is durable; called in file order. */
  add(file: number, sizeBytes: number): void {
    if (this.#closed) return;
    this.#waiting.push({ file, sizeBytes });
    this.#idle?.cancel();
    if (this.#worker === undefined) this.#start();
    else this.#say({ kind: 'fold', file, sizeBytes });
  }

  /** Ends the worker wherever it is: what it writes is there whole or not at all. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #start(): void {
    const { directory, settings } = this.#options;
    const worker = new Worker(workerModule(import.meta.url, './worker'), {
      workerData: { directory, settings } satisfies WorkerStart,
      // The state of a large broker must fit; the default of a worker is that of a small one.
      resourceLimits: { maxOldGenerationSizeMb: 4096 },
    });
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => this.#onMessage(message));
    worker.on('error', (error: Error) => this.#options.report(`The checkpoint worker failed: ${error.message}`));
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    worker.unref();
    for (const { file, sizeBytes } of this.#waiting) this.#say({ kind: 'fold', file, sizeBytes });
  }

  #say(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #onMessage(message: FromWorker): void {
    switch (message.kind) {
      case 'indexed':
        this.#takeIn(message.file, message.ranges, 0);
        break;
      case 'checkpointed':
        this.lastCheckpoint = message.file;
        break;
      case 'failed':
        // The files stay in line; the next closed file starts a worker that takes them all.
        this.#worker = undefined;
        this.#options.report(`Indexing and checkpointing stopped: ${message.message}`);
        break;
      default:
        message satisfies never;
    }
  }

  #takeIn(file: number, ranges: Float64Array, from: number): void {
    const to = Math.min(from + RANGES_PER_TURN, packedCount(ranges));
    for (let i = from; i < to; i++) {
      const { partition, range } = unpackRange(ranges, i, file);
      this.#options.store.partition(partition)?.indexed(range);
    }
    if (to < packedCount(ranges)) {
      setImmediate(() => this.#takeIn(file, ranges, to));
      return;
    }
    this.#waiting = this.#waiting.filter((waiting) => waiting.file > file);
    if (this.#waiting.length === 0 && !this.#closed) {
      this.#idle = this.#options.clock.schedule(IDLE_MS, () => {
        this.#say({ kind: 'finish' });
        // A file that is closed while this one finishes starts another worker.
        this.#worker = undefined;
      });
    }
  }
}
