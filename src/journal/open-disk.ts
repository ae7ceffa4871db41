/** The disk as everybody above uses it: compression over encryption over the files. */
import { CompressingDisk, type StorageCompression } from './compression/compressing-disk.ts';
import type { Disk } from './disk.ts';
import { type DataKey, DataKeys } from './encryption/data-keys.ts';
import { EncryptedDisk } from './encryption/encrypted-disk.ts';

/**
 * A disk as a worker thread is told to use it.
 *
 * @param keys undefined: nothing is encrypted.
 * @param compression of chunks that are written; those that are there are read in either form.
 */
export function diskWith(
  inner: Disk,
  keys: readonly DataKey[] | undefined,
  compression: StorageCompression = 'none',
): CompressingDisk {
  return new CompressingDisk(keys === undefined ? inner : new EncryptedDisk(inner, new DataKeys(keys)), compression);
}

/** The disk for files of a topic's prefix. */
export function diskUnder(disk: Disk, prefix: string): Disk {
  if (disk instanceof CompressingDisk) return disk.over(diskUnder(disk.inner, prefix));
  return disk instanceof EncryptedDisk ? disk.under(prefix) : disk;
}

/** The part of a disk that encrypts; undefined: nothing is encrypted. */
export function encryptionOf(disk: Disk): EncryptedDisk | undefined {
  if (disk instanceof CompressingDisk) return encryptionOf(disk.inner);
  return disk instanceof EncryptedDisk ? disk : undefined;
}
