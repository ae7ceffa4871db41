import { Worker } from 'node:worker_threads';
import { systemClock } from '../../base/clock.ts';
import { workerModule } from '../../base/worker-module.ts';
import type { TierWorker } from '../../broker/tiering/tier-link.ts';
import { openStore } from '../../tier/open-store.ts';

export interface TierWorkerStart {
  readonly directory: string;
  /** `tier.store`. */
  readonly store: string;
}

/**
 * How the broker starts its tier worker; undefined where `tier.store` is empty.
 *
 * @throws CONFIG_INVALID where it is no place of an object store.
 */
export function tierStarter(start: TierWorkerStart): (() => TierWorker) | undefined {
  if (start.store === '') return undefined;
  openStore(start.store, systemClock, process.env);
  return () => {
    const worker = new Worker(workerModule(import.meta.url, './worker'), { workerData: start, name: 'millrace-tier' });
    worker.unref();
    return worker;
  };
}
