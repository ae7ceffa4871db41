/** Where backups are read from: files, stdin, and object stores, which have many. */
import { createReadStream } from 'node:fs';
import { MillraceError } from '../base/errors.ts';
import { BackupReader } from '../store/backup-reader.ts';
import { BackupStore, isStoreUrl } from './backup-store.ts';
import { UsageError } from './failure.ts';

/**
 * Readers of the backups at these places, for a restore: of a store the newest one, or the one that `id` names, and those that it
 * stands on.
 *
 * @throws BACKUP_CORRUPT, BACKUP_INCOMPLETE, BACKUP_RESTORE_REFUSED (a store without any), CONFIG_INVALID (no such file).
 */
export async function openBackupSources(places: readonly string[], id: string | undefined): Promise<BackupReader[]> {
  if (places.filter((place) => place === '-').length > 1)
    throw new UsageError('There is one stdin: --from - stands once.');
  const readers: BackupReader[] = [];
  try {
    for (const place of places) {
      if (isStoreUrl(place)) readers.push(...(await openFromStore(BackupStore.open(place), id)));
      else readers.push(await BackupReader.open(bytesOf(place), place === '-' ? 'on stdin' : place));
    }
    return readers;
  } catch (error) {
    for (const reader of readers) await reader.close();
    throw error;
  }
}

/** The backup in a file or on stdin, as bytes. */
async function* bytesOf(place: string): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = place === '-' ? process.stdin : createReadStream(place, { highWaterMark: 1024 * 1024 });
  try {
    for await (const bytes of stream) yield bytes as Buffer;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EISDIR') throw error;
    const message =
      code === 'ENOENT' ? `There is no backup file ${place}.` : `${place} is a directory, and no backup file.`;
    throw new MillraceError('CONFIG_INVALID', message, { details: { path: place }, cause: error });
  }
}

async function openFromStore(store: BackupStore, id: string | undefined): Promise<BackupReader[]> {
  const name = await chosenName(store, id);
  const { files, id: own } = await store.manifest(name);
  const names = await store.names();
  const needed = new Set(files.map((file) => file.in)).add(own);
  const readers: BackupReader[] = [];
  for (const each of names) {
    if (needed.has(each.slice(-16))) readers.push(await BackupReader.open(store.bytes(each), `${store.url}, ${each}`));
  }
  return readers;
}

/** Name of the newest backup in the store, or of the one with this id. @throws BACKUP_RESTORE_REFUSED. */
export async function chosenName(store: BackupStore, id: string | undefined): Promise<string> {
  const names = await store.names();
  const name = id === undefined ? names.at(-1) : names.find((each) => each.endsWith(`-${id}`));
  if (name !== undefined) return name;
  const found = names.length === 0 ? 'none that is whole' : names.slice(-10).join(', ');
  throw new MillraceError(
    'BACKUP_RESTORE_REFUSED',
    `${store.url} has no backup${id === undefined ? '' : ` ${id}`}; it has ${found}.`,
    { details: { store: store.url } },
  );
}
