/**
 * Opens compressed batches without holding up the event loop: small ones at once, the others on worker threads. The same
 * threads store batches in another codec.
 *
 *   open -> small enough? -> decompress here (bounded output) -> done
 *              | no, or it expands to more than expected
 *              v
 *           queue (bounded in jobs and bytes) -> idle worker -> result or error
 *
 * Threads start with the first large batch and never keep the process alive while they are idle. A thread that dies fails
 * its own job only; the next job gets a new one.
 */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, type ErrorDetails, MillraceError } from '../../base/errors.ts';
import { workerModule } from '../../base/worker-module.ts';
import { decompress, INLINE_INPUT_BYTES, MAX_DECOMPRESSED_BYTES } from '../../model/compression.ts';
import { CODEC, codec } from '../../model/record-batch.ts';
import { recordBytes } from '../../model/record-codec.ts';
import type { TargetCodec } from './recompress.ts';

/** What a worker is asked. The bytes are transferred to it. */
export interface DecompressJob {
  readonly codec: number;
  /** Records; with a target, the whole batch. */
  readonly bytes: Uint8Array;
  readonly maxOutputBytes: number;
  /** The batch is wanted in this codec. */
  readonly target?: TargetCodec | undefined;
}

/** What a worker answers. Errors lose their class on the way between threads, so their parts travel. */
export type DecompressAnswer =
  | { readonly bytes: Uint8Array }
  | { readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails };

export interface DecompressorOptions {
  /** Worker threads at most. One leaves a core to the broker on the smallest machine. */
  readonly threads?: number;
  /** Largest result, inclusive. */
  readonly maxOutputBytes?: number;
  /** Jobs that wait for a thread at most. */
  readonly maxQueuedJobs?: number;
  /** Compressed bytes that wait for a thread at most. */
  readonly maxQueuedBytes?: number;
  /** What the threads run; tests put a broken one here. */
  readonly script?: URL;
}

/** A batch that expands beyond this is finished by a worker, however small it is compressed. */
const INLINE_OUTPUT_BYTES = 1024 * 1024;
const DEFAULT_QUEUED_JOBS = 256;
const DEFAULT_QUEUED_BYTES = 32 * 1024 * 1024;

interface Waiting {
  readonly job: DecompressJob;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
}

export class Decompressor {
  readonly #threads: number;
  readonly #maxOutputBytes: number;
  readonly #maxQueuedJobs: number;
  readonly #maxQueuedBytes: number;
  readonly #script: URL | undefined;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  /** In order of arrival. */
  readonly #queue = new Set<Waiting>();
  #queuedBytes = 0;
  #closed = false;

  constructor(options: DecompressorOptions = {}) {
    this.#threads = options.threads ?? 1;
    this.#maxOutputBytes = options.maxOutputBytes ?? MAX_DECOMPRESSED_BYTES;
    this.#maxQueuedJobs = options.maxQueuedJobs ?? DEFAULT_QUEUED_JOBS;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? DEFAULT_QUEUED_BYTES;
    this.#script = options.script;
  }

  /** Jobs waiting for a thread or running on one; for metrics. */
  get pendingCount(): number {
    return this.#queue.size + this.#busy.size;
  }

  /**
   * The records of the batch at `position`, for a `RecordCursor`.
   *
   * @param bytes read during this call only, except that a batch without compression is answered with a view of it.
   * @throws MODEL_RECORD_INVALID, MODEL_DECOMPRESSED_TOO_LARGE, MODEL_CODEC_UNSUPPORTED; BROKER_OVERLOADED where too much
   *   is waiting already; BROKER_CLOSED; the signal's reason. Abort drops a waiting job and forgets a running one.
   * Order: jobs start in call order and may finish in any.
   */
  async open(bytes: Uint8Array, position: number, options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
    const codecBits = codec(bytes, position);
    const stored = recordBytes(bytes, position);
    if (codecBits === CODEC.none) return stored;
    if (stored.length <= INLINE_INPUT_BYTES) {
      const opened = this.#openInline(codecBits, stored);
      if (opened !== undefined) return opened;
    }
    return this.#enqueue(codecBits, stored, options.signal);
  }

  /**
   * The whole batch, which fills `bytes`, in another codec; always on a thread.
   *
   * @param bytes read during this call only.
   * @returns owned bytes.
   * @throws as `open`. Order: jobs start in call order; with one thread they end in it.
   */
  async recompress(bytes: Uint8Array, target: TargetCodec): Promise<Uint8Array> {
    return await this.#enqueue(codec(bytes, 0), bytes, undefined, target);
  }

  /** Ends the threads; what waits is refused with BROKER_CLOSED. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true;
    const workers = [...this.#idle, ...this.#busy.keys()];
    for (const waiting of [...this.#queue, ...this.#busy.values()]) this.#settle(waiting, closedError());
    this.#queue.clear();
    this.#queuedBytes = 0;
    this.#idle.length = 0;
    this.#busy.clear();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #openInline(codecBits: number, stored: Uint8Array): Uint8Array | undefined {
    const limit = Math.min(INLINE_OUTPUT_BYTES, this.#maxOutputBytes);
    try {
      return decompress(codecBits, stored, limit);
    } catch (error) {
      const isLarger = error instanceof MillraceError && error.code === 'MODEL_DECOMPRESSED_TOO_LARGE';
      if (isLarger && limit < this.#maxOutputBytes) return undefined;
      throw error;
    }
  }

  #enqueue(
    codecBits: number,
    stored: Uint8Array,
    signal: AbortSignal | undefined,
    target?: TargetCodec,
  ): Promise<Uint8Array> {
    if (this.#closed) throw closedError();
    signal?.throwIfAborted();
    const { size } = this.#queue;
    if (size >= this.#maxQueuedJobs || (size > 0 && this.#queuedBytes + stored.length > this.#maxQueuedBytes)) {
      throw new MillraceError(
        'BROKER_OVERLOADED',
        `${size} batches wait to be opened or compressed; try again later.`,
        {
          details: { queuedJobs: size, queuedBytes: this.#queuedBytes },
        },
      );
    }
    // A copy of its own: the original belongs to a cache or a socket, and the worker's share is transferred.
    const job = { codec: codecBits, bytes: new Uint8Array(stored), maxOutputBytes: this.#maxOutputBytes, target };
    return new Promise((resolve, reject) => {
      const onAbort = signal && (() => this.#abort(waiting));
      const waiting: Waiting = { job, resolve, reject, signal, onAbort };
      if (onAbort) signal.addEventListener('abort', onAbort, { once: true });
      this.#queue.add(waiting);
      this.#queuedBytes += job.bytes.length;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const waiting of this.#queue) {
      const worker = this.#takeWorker();
      if (worker === undefined) return;
      this.#unqueue(waiting);
      this.#busy.set(worker, waiting);
      worker.ref();
      worker.postMessage(waiting.job, [waiting.job.bytes.buffer as ArrayBuffer]);
    }
  }

  #takeWorker(): Worker | undefined {
    const idle = this.#idle.pop();
    if (idle !== undefined || this.#busy.size >= this.#threads) return idle;
    const script = this.#script ?? workerModule(import.meta.url, './decompress-worker');
    const worker = new Worker(script, { name: 'millrace-decompress' });
    worker.on('message', (answer: DecompressAnswer) => this.#answered(worker, answer));
    worker.on('error', (cause) => this.#died(worker, cause));
    worker.on('exit', () => this.#died(worker, undefined));
    return worker;
  }

  #answered(worker: Worker, answer: DecompressAnswer): void {
    const waiting = this.#busy.get(worker);
    if (waiting === undefined) return;
    this.#busy.delete(worker);
    worker.unref();
    this.#idle.push(worker);
    if ('bytes' in answer) this.#settle(waiting, answer.bytes);
    else this.#settle(waiting, new MillraceError(answer.code, answer.message, { details: answer.details }));
    this.#dispatch();
  }

  /** Called for `error` and then for `exit`; the second finds nothing left to do. */
  #died(worker: Worker, cause: unknown): void {
    const idleAt = this.#idle.indexOf(worker);
    if (idleAt >= 0) this.#idle.splice(idleAt, 1);
    const waiting = this.#busy.get(worker);
    if (waiting === undefined) return;
    this.#busy.delete(worker);
    this.#settle(waiting, new MillraceError('INTERNAL', 'The thread that opened a compressed batch died.', { cause }));
    this.#dispatch();
  }

  #abort(waiting: Waiting): void {
    this.#unqueue(waiting);
    this.#settle(waiting, waiting.signal?.reason);
  }

  #unqueue(waiting: Waiting): void {
    if (this.#queue.delete(waiting)) this.#queuedBytes -= waiting.job.bytes.length;
  }

  /** Settling twice, after an abort, is without effect. */
  #settle(waiting: Waiting, outcome: unknown): void {
    if (waiting.onAbort) waiting.signal?.removeEventListener('abort', waiting.onAbort);
    if (outcome instanceof Uint8Array) waiting.resolve(outcome);
    else waiting.reject(outcome);
  }
}

function closedError(): MillraceError {
  return new MillraceError('BROKER_CLOSED', 'The broker is closing; compressed batches are not opened any more.');
}
