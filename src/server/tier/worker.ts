/** Entry of the tier worker's thread: the one place where the broker's object store is opened. */
import { parentPort, workerData } from 'node:worker_threads';
import { waitingClock } from '../../base/clock.ts';
import { minorCollections } from '../../base/minor-collections.ts';
import type { ToTierWorker } from '../../broker/tiering/messages.ts';
import { TierLoop } from '../../broker/tiering/tier-loop.ts';
import { NodeDisk } from '../../journal/node-disk.ts';
import { diskWith } from '../../journal/open-disk.ts';
import { openStore } from '../../tier/open-store.ts';
import type { TierWorkerStart } from './start-tier.ts';

const port = parentPort;
if (port === null) throw new TypeError('the tier worker is started by the broker');
const { directory, store, keys, collects } = workerData as TierWorkerStart;
if (collects) minorCollections.allow();
const disk = diskWith(new NodeDisk(), keys);
const loop = new TierLoop(openStore(store, waitingClock, process.env), disk, directory, waitingClock, {
  say: (message) => port.postMessage(message),
});
port.on('message', (message: ToTierWorker) => loop.post(message));
