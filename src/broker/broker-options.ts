import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Disk } from '../journal/disk.ts';
import type { DataKey } from '../journal/encryption/data-keys.ts';
import type { MasterKeys } from '../journal/encryption/master-keys.ts';
import type { CheckpointWorker } from './checkpoints/checkpointer.ts';
import type { WorkerStart } from './checkpoints/messages.ts';
import type { CompactionWorker } from './compaction/compactor.ts';
import type { CompactionStart } from './compaction/messages.ts';
import type { BrokerSettings } from './settings.ts';
import type { TierWorker } from './tiering/tier-link.ts';

/** What a broker needs to open a directory. */
export interface BrokerOptions {
  /** Data directory; created where absent. Layout: docs/formats.md. */
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  readonly settings?: Partial<BrokerSettings> | undefined;
  /** Uniform in [0, 1); for names that need not be unpredictable. */
  readonly random?: (() => number) | undefined;
  /** What data keys are wrapped with: files are encrypted. Undefined: they are not, and must not have been. */
  readonly masterKeys?: MasterKeys | undefined;
  /** For tests: stands in for the checkpoint worker's thread. */
  readonly startWorker?: ((start: WorkerStart) => CheckpointWorker) | undefined;
  /** Starts the thread that talks to the object store (`tier.store`); undefined: there is none. */
  readonly startTier?: ((keys: readonly DataKey[] | undefined) => TierWorker) | undefined;
  /** For tests: stands in for the compaction worker's thread. */
  readonly startCompaction?: ((start: CompactionStart) => CompactionWorker) | undefined;
}
