import type { Disk } from './disk.ts';
import { type DataKey, DataKeys } from './encryption/data-keys.ts';
import { EncryptedDisk } from './encryption/encrypted-disk.ts';

/** A disk as a worker thread is told to use it. @param keys undefined: nothing is encrypted. */
export function diskWith(inner: Disk, keys: readonly DataKey[] | undefined): Disk {
  return keys === undefined ? inner : new EncryptedDisk(inner, new DataKeys(keys));
}

/** The disk for files of a topic's prefix. */
export function diskUnder(disk: Disk, prefix: string): Disk {
  return disk instanceof EncryptedDisk ? disk.under(prefix) : disk;
}
