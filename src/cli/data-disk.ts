/** The disk of commands that read a data directory without a broker: encrypted files are opened with the master keys. */
import type { Command } from 'commander';
import { openRestored } from '../broker/backup/restore-directory.ts';
import type { Disk } from '../journal/disk.ts';
import type { MasterKeys } from '../journal/encryption/master-keys.ts';
import { NodeDisk } from '../journal/node-disk.ts';
import { readMasterKeys } from '../server/encryption/master-key-source.ts';

export interface KeyOptions {
  /** Undefined: `$MILLRACE_KEY_SOURCE`, where it is set. */
  readonly keySource?: string;
}

export function withKeyOption(command: Command): Command {
  return command.option(
    '--key-source <source>',
    'master keys of encrypted files: file:PATH, env:NAME or command:LINE (default: $MILLRACE_KEY_SOURCE)',
  );
}

/** Empty: none. */
export function keySourceOf({ keySource }: KeyOptions): string {
  return keySource ?? process.env['MILLRACE_KEY_SOURCE'] ?? '';
}

export async function masterKeysOf(options: KeyOptions): Promise<MasterKeys | undefined> {
  return await readMasterKeys(keySourceOf(options), process.env);
}

/** @throws STORE_KEY_MISSING naming the master key that is needed. */
export async function dataDisk(directory: string, options: KeyOptions): Promise<Disk> {
  return await openRestored(new NodeDisk(), directory, await masterKeysOf(options));
}
