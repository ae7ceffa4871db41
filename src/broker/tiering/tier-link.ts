/** Questions to the tier worker and their answers. A worker that dies fails what it was asked; the next question starts another. */
import { MillraceError } from '../../base/errors.ts';
import type { FromTierWorker, TierJob, TierResults, ToTierWorker } from './messages.ts';

/** What of a `Worker` is used here; tests stand in for it. */
export interface TierWorker {
  postMessage(message: ToTierWorker): void;
  on(event: 'message', listener: (message: FromTierWorker) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
}

/** The worker has answered, or was never asked: nobody touches what the job was given any more. */
export class TierJobError extends MillraceError {}

const CLOSED = 'The broker is closing; the object store is not read any more.';

interface Asked {
  readonly resolve: (result: never) => void;
  readonly reject: (error: MillraceError) => void;
}

export class TierLink {
  readonly #startWorker: (() => TierWorker) | undefined;
  /** The worker has died, and what it had open and on its way with it. */
  onDied: () => void = () => undefined;
  readonly #asked = new Map<number, Asked>();
  #worker: TierWorker | undefined;
  #nextId = 1;
  #closed = false;

  /** @param startWorker undefined: there is no store, and every question is refused. */
  constructor(startWorker: (() => TierWorker) | undefined) {
    this.#startWorker = startWorker;
  }

  /** @throws a `TierJobError`: what the job failed with, TIER_REFUSED without a store, STORE_CLOSED; another where the worker died or was ended. */
  ask<K extends TierJob['kind']>(job: Extract<TierJob, { kind: K }>): Promise<TierResults[K]> {
    const startWorker = this.#startWorker;
    if (this.#closed) return Promise.reject(new TierJobError('STORE_CLOSED', CLOSED));
    if (startWorker === undefined) return Promise.reject(noStore());
    return new Promise<TierResults[K]>((resolve, reject) => {
      const id = this.#nextId++;
      this.#asked.set(id, { resolve, reject });
      this.#worker ??= this.#start(startWorker);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage({ id, job });
    });
  }

  /** Starts the worker before it is asked something: whoever reads first does not wait for its thread. */
  start(): void {
    if (!this.#closed && this.#startWorker !== undefined) this.#worker ??= this.#start(this.#startWorker);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#failAll(new MillraceError('STORE_CLOSED', CLOSED));
    await worker?.terminate();
  }

  #start(startWorker: () => TierWorker): TierWorker {
    const worker = startWorker();
    worker.on('message', (message) => this.#answered(message));
    worker.on('error', (error) => this.#died(worker, error.message));
    worker.on('exit', () => this.#died(worker, 'it ended'));
    return worker;
  }

  #answered(message: FromTierWorker): void {
    const asked = this.#asked.get(message.id);
    if (asked === undefined) return;
    this.#asked.delete(message.id);
    if ('result' in message) asked.resolve(message.result as never);
    else asked.reject(new TierJobError(message.code, message.message));
  }

  #died(worker: TierWorker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#failAll(new MillraceError('TIER_UNAVAILABLE', `The thread that talks to the object store failed: ${why}.`));
    this.onDied();
  }

  #failAll(error: MillraceError): void {
    const all = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of all) reject(error);
  }
}

function noStore(): TierJobError {
  return new TierJobError('TIER_REFUSED', 'The records are in an object store, and tier.store is not set.');
}
