import { type Clock, systemClock } from '../base/clock.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { Broker } from '../broker/broker.ts';
import type { BrokerSettings } from '../broker/settings.ts';
import { parseMasterKeys } from '../journal/encryption/master-keys.ts';
import { NodeDisk } from '../journal/node-disk.ts';
import { Log } from './log.ts';

/** Options of `openLog`. */
export interface OpenLogOptions {
  /** Data directory, made where it is missing. One process has it at a time. */
  readonly dir: string;
  readonly settings?: Partial<BrokerSettings> | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /**
   * Master keys, one a line, as `millrace keys generate` prints them: everything in the directory is encrypted at rest.
   * docs/storage.md, "Encryption at rest".
   */
  readonly masterKeys?: string | undefined;
}

/**
 * Opens the log in a directory: the same that a broker serves, at rest.
 *
 * ```ts
 * await using log = await openLog({ dir: './data' });
 * await log.append('orders', { key: 'k', value: 'v' });
 * ```
 *
 * @throws JOURNAL_LOCKED where another process has the directory, JOURNAL_CORRUPT, STORE_CORRUPT (the place is named, nothing
 *   was changed), STORE_KEY_MISSING (it is encrypted, and the key is not among `masterKeys`), CONFIG_INVALID (they are none),
 *   JOURNAL_FORMAT_UNSUPPORTED, JOURNAL_IO, JOURNAL_NO_SPACE.
 */
export async function openLog({
  dir,
  settings,
  logger,
  clock = systemClock,
  masterKeys,
}: OpenLogOptions): Promise<Log> {
  const broker = await Broker.open({
    directory: dir,
    disk: new NodeDisk(),
    clock,
    settings,
    masterKeys: masterKeys === undefined ? undefined : parseMasterKeys(masterKeys, 'masterKeys'),
    logger: logger ?? silentLogger,
  });
  return new Log(broker, () => clock.now());
}
