/**
 * Writes a data directory from a backup and the earlier ones that it stands on.
 *
 * ```
 *  marker `restoring` ──► files ──► checkpoint, under a new cluster id ──► empty journal file ──► verify ──► marker goes
 * ```
 * While the marker is there no broker starts in the directory, and another restore begins anew: a restore that ended early
 * has restored nothing. Files go to their places directly, as nobody reads them before.
 *
 * The new directory is a cluster of its own: another broker may go on under the old id, and each would sweep from a shared
 * object store what the other has written. For the same reason it knows no objects: what was in the store is in the backup.
 */
import { basename, join } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import type { Disk } from '../../journal/disk.ts';
import { loadDataKeys, refuseWithoutKeys } from '../../journal/encryption/key-files.ts';
import type { MasterKeys } from '../../journal/encryption/master-keys.ts';
import { diskWith } from '../../journal/open-disk.ts';
import {
  checkpointDirectory,
  checkpointPath,
  chunkDirectory,
  journalDirectory,
  journalPath,
  keysDirectory,
  restoringPath,
} from '../../journal/paths.ts';
import { readWhole, writeParts } from '../../journal/whole-file.ts';
import { backupFileKey } from '../../store/backup-manifest.ts';
import { type BackupPiece, type BackupReader, incomplete } from '../../store/backup-reader.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../store/checkpoint-file.ts';
import { ClusterState } from '../cluster-state.ts';
import { CHECKPOINT_SECTION } from '../state-part.ts';
import { TierState } from '../tiering/tier-state.ts';
import { type VerifyProblem, verifyDirectory } from '../verify/verify-directory.ts';
import { BackupFileWriter } from './file-writer.ts';

export interface RestoreOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** In any order; the newest is restored, with what it takes from the others. Closed in the end. */
  readonly backups: readonly BackupReader[];
  readonly newClusterId: () => string;
  /** For a backup of encrypted files. */
  readonly masterKeys?: MasterKeys | undefined;
  /** Bytes that were written since the last call. */
  readonly progress?: ((bytes: number) => void) | undefined;
}

export interface Restored {
  readonly files: number;
  readonly bytes: number;
  readonly clusterId: string;
  /** Damage that was in the broker's files already when the backup was made: everything else is sound. */
  readonly problems: readonly VerifyProblem[];
}

/** The disk with which the restored files are read. @throws STORE_KEY_MISSING naming the master key that is needed. */
export async function openRestored(disk: Disk, directory: string, masterKeys: MasterKeys | undefined): Promise<Disk> {
  if (masterKeys !== undefined) return diskWith(disk, (await loadDataKeys(disk, directory, masterKeys))?.all);
  await refuseWithoutKeys(disk, directory);
  return diskWith(disk, undefined);
}

/** The backup that is restored, and what of which others it needs. */
export interface RestorePlan {
  readonly newest: BackupReader;
  /** Files by the id of the backup that has their bytes. */
  readonly wanted: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * @throws BACKUP_RESTORE_REFUSED (the directory has data), BACKUP_CORRUPT, BACKUP_INCOMPLETE, JOURNAL_LOCKED, and what the
 *   disk refuses with: then the directory stays marked as unfinished.
 */
export async function restoreDirectory(options: RestoreOptions): Promise<Restored> {
  const { disk, directory, backups, newClusterId, masterKeys } = options;
  try {
    const plan = planRestore(backups);
    await disk.makeDirectory(directory);
    const lock = await disk.lockDirectory(directory);
    try {
      await beginRestore(disk, directory);
      const written = await writeFiles(options, plan);
      const clusterId = newClusterId();
      const opened = await openRestored(disk, directory, masterKeys);
      await adopt(opened, directory, plan.newest.manifest.journalFile, clusterId);
      const problems: VerifyProblem[] = [];
      for await (const item of verifyDirectory(opened, directory, false))
        if (item.kind === 'problem') problems.push(item);
      await disk.remove(restoringPath(directory));
      await disk.syncDirectory(directory);
      return { ...written, clusterId, problems };
    } finally {
      await lock.release();
    }
  } finally {
    for (const backup of backups) await backup.close();
  }
}

/** @throws BACKUP_INCOMPLETE where an earlier one is missing. */
export function planRestore(backups: readonly BackupReader[]): RestorePlan {
  const [newest] = backups.toSorted((a, b) => b.manifest.createdAt - a.manifest.createdAt);
  if (newest === undefined) throw new TypeError('no backup was given');
  const wanted = new Map<string, Set<string>>();
  for (const file of newest.manifest.files) {
    const keys = wanted.get(file.in) ?? new Set<string>();
    keys.add(backupFileKey(file));
    wanted.set(file.in, keys);
  }
  const given = new Set(backups.map(({ manifest }) => manifest.id));
  const missing = [...wanted.keys()].filter((id) => !given.has(id));
  if (missing.length === 0) return { newest, wanted };
  throw incomplete(newest.name, `it stands on earlier backups that were not given: ${missing.join(', ')}`);
}

/**
 * All wanted pieces of all backups, the newest first, whose first file is the checkpoint. Every backup is read to its end, so
 * that one that is cut is never taken for whole.
 */
export async function* wantedPieces(
  backups: readonly BackupReader[],
  { newest, wanted }: RestorePlan,
): AsyncGenerator<BackupPiece, void, undefined> {
  for (const backup of [newest, ...backups.filter((each) => each !== newest)]) {
    const keys = wanted.get(backup.manifest.id);
    if (keys === undefined) continue;
    const found = new Set<string>();
    for await (const piece of backup.pieces()) {
      const key = backupFileKey(piece.file);
      if (!keys.has(key)) continue;
      found.add(key);
      yield piece;
    }
    const missing = [...keys].find((key) => !found.has(key));
    if (missing !== undefined) throw incomplete(backup.name, `it lacks ${missing}, which the newest takes from it`);
  }
}

async function beginRestore(disk: Disk, directory: string): Promise<void> {
  const marker = restoringPath(directory);
  const isUnfinished = (await disk.list(directory)).includes(basename(marker));
  const folders = [
    journalDirectory(directory),
    checkpointDirectory(directory),
    chunkDirectory(directory),
    keysDirectory(directory),
  ];
  for (const folder of folders) {
    for (const name of await disk.list(folder)) {
      if (!isUnfinished) throw hasData(directory);
      await disk.remove(join(folder, name));
    }
  }
  if (!isUnfinished) await (await disk.open(marker, 'create')).close();
  for (const folder of folders) await disk.makeDirectory(folder);
  await disk.syncDirectory(directory);
}

async function writeFiles(
  { disk, directory, backups, progress }: RestoreOptions,
  plan: RestorePlan,
): Promise<{ files: number; bytes: number }> {
  const writer = new BackupFileWriter(disk, directory);
  try {
    for await (const piece of wantedPieces(backups, plan)) {
      await writer.write(piece);
      progress?.(piece.bytes.length);
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
  const { files, bytes } = writer;
  return { files, bytes };
}

/** The checkpoint becomes that of a cluster of its own, and the journal goes on behind it. */
async function adopt(disk: Disk, directory: string, journalFile: number, clusterId: string): Promise<void> {
  const path = checkpointPath(directory, journalFile);
  const checkpoint = decodeCheckpoint(await readWhole(disk, path), path);
  const cluster = new ClusterState();
  const body = checkpoint.sections.get(CHECKPOINT_SECTION.CLUSTER) ?? new Uint8Array(0);
  cluster.restore(new StateReader(body, 'Checkpoint section 1'));
  cluster.clusterId = clusterId;
  const sections = new Map<number, readonly Uint8Array[]>();
  for (const [id, whole] of checkpoint.sections) sections.set(id, [whole]);
  sections.set(CHECKPOINT_SECTION.CLUSTER, snapshotOf(cluster));
  if (sections.has(CHECKPOINT_SECTION.TIERED_CHUNKS)) {
    sections.set(CHECKPOINT_SECTION.TIERED_CHUNKS, snapshotOf(new TierState()));
  }
  const parts = encodeCheckpoint({ ...checkpoint, sectionCount: sections.size, sections });
  await writeParts(disk, checkpointDirectory(directory), path, parts);
  await (await disk.open(journalPath(directory, journalFile + 1), 'create')).close();
  const folders = [journalDirectory(directory), chunkDirectory(directory), keysDirectory(directory), directory];
  for (const folder of folders) {
    await disk.syncDirectory(folder);
  }
}

function snapshotOf(part: { snapshot(writer: StateWriter): void }): readonly Uint8Array[] {
  const writer = new StateWriter();
  part.snapshot(writer);
  return writer.pieces();
}

function hasData(directory: string): MillraceError {
  return new MillraceError(
    'BACKUP_RESTORE_REFUSED',
    `${directory} has data already, and a restore replaces nothing. Name a directory that is empty or not there.`,
    { details: { directory } },
  );
}
