/** Backups in memory, and directories on fake disks made of them. */
import type { BackupRequest } from '../../src/broker/backup/backups.ts';
import { type Restored, restoreDirectory } from '../../src/broker/backup/restore-directory.ts';
import type { Broker } from '../../src/broker/broker.ts';
import type { Disk } from '../../src/journal/disk.ts';
import type { MasterKeys } from '../../src/journal/encryption/master-keys.ts';
import { BackupReader } from '../../src/store/backup-reader.ts';

export async function takeBackup(broker: Broker, request: Partial<BackupRequest> = {}): Promise<Buffer> {
  const backup = await broker.backups.begin({ version: '0.0.0', maxBytesPerSecond: 0, ...request });
  try {
    const pieces: Uint8Array[] = [];
    for await (const piece of backup.frames()) pieces.push(Uint8Array.from(piece));
    return Buffer.concat(pieces);
  } finally {
    backup.close();
  }
}

/** In pieces of odd sizes, as sockets and files give them. */
export async function* inPieces(bytes: Uint8Array, pieceBytes = 7_919): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export async function openBackups(backups: readonly Uint8Array[], pieceBytes?: number): Promise<BackupReader[]> {
  const readers: BackupReader[] = [];
  for (const [i, bytes] of backups.entries())
    readers.push(await BackupReader.open(inPieces(bytes, pieceBytes), `${i}`));
  return readers;
}

export interface RestorePlace {
  readonly directory: string;
  readonly masterKeys?: MasterKeys;
}

export async function restoreOn(
  disk: Disk,
  place: string | RestorePlace,
  ...backups: readonly Uint8Array[]
): Promise<Restored> {
  return await restoreDirectory({
    disk,
    ...(typeof place === 'string' ? { directory: place } : place),
    backups: await openBackups(backups),
    newClusterId: () => 'restored-cluster',
  });
}
