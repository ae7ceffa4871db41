/** The tier worker without its thread, on any disk and store: what it does becomes part of the disk's history. */
import { type Clock, systemClock } from '../../src/base/clock.ts';
import type { FromTierWorker, ToTierWorker } from '../../src/broker/tiering/messages.ts';
import type { TierWorker } from '../../src/broker/tiering/tier-link.ts';
import { TierLoop } from '../../src/broker/tiering/tier-loop.ts';
import type { Disk } from '../../src/journal/disk.ts';
import type { DataKey } from '../../src/journal/encryption/data-keys.ts';
import { diskWith } from '../../src/journal/open-disk.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';

/** @param clock pauses between tries of a fetch are by it. */
export function inProcessTier(
  disk: Disk,
  directory: string,
  store: ObjectStore,
  clock: Clock = systemClock,
): (keys: readonly DataKey[] | undefined) => TierWorker {
  return (keys) => new InProcessTier(diskWith(disk, keys), directory, store, clock);
}

class InProcessTier implements TierWorker {
  readonly #loop: TierLoop;
  #onMessage: ((message: FromTierWorker) => void) | undefined;
  #ended = false;

  constructor(disk: Disk, directory: string, store: ObjectStore, clock: Clock) {
    this.#loop = new TierLoop(store, disk, directory, clock, {
      say: (message) => setImmediate(() => this.#ended || this.#onMessage?.(message)),
    });
  }

  postMessage(message: ToTierWorker): void {
    this.#loop.post(message);
  }

  on(event: string, listener: (argument: never) => void): void {
    if (event === 'message') this.#onMessage = listener as (message: FromTierWorker) => void;
  }

  async terminate(): Promise<void> {
    this.#ended = true;
    await this.#loop.close();
  }
}
