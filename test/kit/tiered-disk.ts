/** A fake disk with a clock, an object store in memory, and brokers on them one after the other: for what is kept at rest. */
import assert from 'node:assert/strict';
import { openRestored } from '../../src/broker/backup/restore-directory.ts';
import type { Broker } from '../../src/broker/broker.ts';
import type { BrokerSettings } from '../../src/broker/settings.ts';
import { type VerifyProblem, type VerifyReport, verifyDirectory } from '../../src/broker/verify/verify-directory.ts';
import type { MasterKeys } from '../../src/journal/encryption/master-keys.ts';
import { FakeDisk } from './fake-disk.ts';
import { inProcessTier } from './in-process-tier.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryObjectStore } from './memory-object-store.ts';
import { openOn, SEALING_DIRECTORY } from './sealing-history.ts';

/** Neither a limit nor a time that is reached. */
const NEVER = 1_000_000_000;

export class TieredDisk {
  readonly disk = new FakeDisk({ turns: () => 0 });
  readonly clock = new ManualClock();
  readonly memory = new MemoryObjectStore(() => this.clock.now());
  readonly #startTier = inProcessTier(this.disk, SEALING_DIRECTORY, this.memory);
  readonly #settings: Partial<BrokerSettings>;

  /** @param settings of all brokers. Unless they say otherwise, everything may stay, and the tier looks when it is told to. */
  constructor(settings: Partial<BrokerSettings> = {}) {
    this.#settings = { tierLocalBytes: NEVER, tierCheckMs: NEVER, ...settings };
  }

  async open(masterKeys?: MasterKeys, settings: Partial<BrokerSettings> = {}): Promise<Broker> {
    const all = { ...this.#settings, ...settings };
    return await openOn(this.disk, this.clock, undefined, all, { startTier: this.#startTier, masterKeys });
  }

  /** Every file is sound, with these keys. */
  async assertVerified(masterKeys?: MasterKeys): Promise<void> {
    const reports = await this.#verify(masterKeys);
    for (const item of reports) assert.equal(item.kind, 'sound', JSON.stringify(item));
    assert.ok(reports.length > 3);
  }

  /** What `millrace verify` names. */
  async problems(masterKeys?: MasterKeys): Promise<VerifyProblem[]> {
    return (await this.#verify(masterKeys)).filter((item) => item.kind === 'problem');
  }

  async #verify(masterKeys?: MasterKeys): Promise<VerifyReport[]> {
    const opened = await openRestored(this.disk, SEALING_DIRECTORY, masterKeys);
    const reports: VerifyReport[] = [];
    for await (const item of verifyDirectory(opened, SEALING_DIRECTORY, false)) reports.push(item);
    return reports;
  }
}
