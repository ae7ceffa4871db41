import { Worker } from 'node:worker_threads';
import { systemClock } from '../../base/clock.ts';
import { minorCollections } from '../../base/minor-collections.ts';
import { workerModule } from '../../base/worker-module.ts';
import type { TierWorker } from '../../broker/tiering/tier-link.ts';
import type { DataKey } from '../../journal/encryption/data-keys.ts';
import { openStore } from '../../tier/open-store.ts';

export interface TierWorkerStart extends TierPlace {
  /** Undefined: nothing is encrypted. */
  readonly keys: readonly DataKey[] | undefined;
  /** Minor collections may be begun. */
  readonly collects: boolean;
}

export interface TierPlace {
  readonly directory: string;
  /** `tier.store`. */
  readonly store: string;
}

/** How the broker starts its tier worker. @param keys undefined: nothing is encrypted. */
export type TierStarter = (keys: readonly DataKey[] | undefined) => TierWorker;

/** @throws CONFIG_INVALID where `tier.store` is no place of an object store. */
export function tierStarter(place: TierPlace): TierStarter {
  openStore(place.store, systemClock, process.env);
  return (keys) => {
    const start: TierWorkerStart = { ...place, keys, collects: minorCollections.isAllowed };
    const worker = new Worker(workerModule(import.meta.url, './worker'), { workerData: start, name: 'millrace-tier' });
    worker.unref();
    return worker;
  };
}
