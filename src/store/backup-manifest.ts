/**
 * What a backup holds, as its first frame says it: JSON, so that any program can look. Written by brokers, read from files
 * and stores that anybody may have changed: `parseManifest` takes nothing for granted.
 */
import { MillraceError } from '../base/errors.ts';

const FORMAT = 1;
const MAX_FILES = 1_000_000;

export type BackupFileKind = 'checkpoint' | 'key' | 'order' | 'journal' | 'chunk';
const KINDS: readonly BackupFileKind[] = ['checkpoint', 'key', 'order', 'journal', 'chunk'];

export interface BackupFile {
  readonly kind: BackupFileKind;
  /** Of the file: journal file, chunk... */
  readonly number: number;
  readonly sizeBytes: number;
  /** Id of the backup that has its bytes: this one, or an earlier one. */
  readonly in: string;
}

export interface BackupManifest {
  readonly format: typeof FORMAT;
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly clusterId: string;
  /** Of Millrace that made it. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** The checkpoint and the last journal file: everything up to its end is in the backup. */
  readonly journalFile: number;
  /** The checkpoint first; whole, in this order, follow those that are in this backup. */
  readonly files: readonly BackupFile[];
}

/** What a backup says of itself to a broker that makes the next one. */
export type EarlierBackup = Pick<BackupManifest, 'clusterId' | 'files'>;

export function encodeManifest(manifest: BackupManifest): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(manifest));
}

/** @throws BACKUP_CORRUPT with the member that is wrong. */
export function parseManifest(body: Uint8Array, name: string): BackupManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw corrupt(name, 'its manifest is no JSON');
  }
  const { format, id, clusterId, version, createdAt, journalFile, files } = members(value, name, 'the manifest');
  if (format !== FORMAT) throw corrupt(name, `its format is ${String(format)}, known is ${FORMAT}`);
  const manifest = {
    format: FORMAT,
    id: backupId(id, name),
    clusterId: text(clusterId, name, 'clusterId'),
    version: text(version, name, 'version'),
    createdAt: whole(createdAt, name, 'createdAt'),
    journalFile: whole(journalFile, name, 'journalFile'),
    files: parseBackupFiles(files, name),
  } as const;
  const [first, ...others] = manifest.files;
  if (first?.kind !== 'checkpoint' || first.in !== manifest.id || others.some(({ kind }) => kind === 'checkpoint')) {
    throw corrupt(name, 'its first file, and no other, must be its checkpoint');
  }
  if (first.number !== manifest.journalFile) throw corrupt(name, 'its checkpoint is that of another file');
  return manifest;
}

/** @throws BACKUP_CORRUPT. */
export function parseBackupFiles(value: unknown, name: string): BackupFile[] {
  if (!Array.isArray(value) || value.length > MAX_FILES)
    throw corrupt(name, `files must be a list of up to ${MAX_FILES}`);
  const seen = new Set<string>();
  return value.map((each: unknown) => {
    const file = members(each, name, 'a file');
    const kind = KINDS.find((known) => known === file['kind']);
    if (kind === undefined) throw corrupt(name, `a file of kind ${JSON.stringify(file['kind'])}`);
    const number = whole(file['number'], name, 'number');
    if (number < 1 || number > 0xffff_ffff || seen.has(`${kind} ${number}`)) {
      throw corrupt(name, `${kind} ${number} is no number of a file, or stands there twice`);
    }
    seen.add(`${kind} ${number}`);
    return { kind, number, sizeBytes: size(file['sizeBytes'], name), in: backupId(file['in'], name) };
  });
}

export function backupFileKey({ kind, number, sizeBytes }: Omit<BackupFile, 'in'>): string {
  return `${kind} ${number} ${sizeBytes}`;
}

/** Bytes that stand in this backup, and not in earlier ones. */
export function ownBytes({ id, files }: Pick<BackupManifest, 'id' | 'files'>): number {
  return files.reduce((sum, file) => sum + (file.in === id ? file.sizeBytes : 0), 0);
}

function members(value: unknown, name: string, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw corrupt(name, `${what} must be an object`);
}

function text(value: unknown, name: string, what: string): string {
  if (typeof value === 'string' && value.length <= 200) return value;
  throw corrupt(name, `${what} must be a string of up to 200 characters`);
}

function whole(value: unknown, name: string, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw corrupt(name, `${what} must be a whole number of 0 or more`);
}

/** No file of a data directory that a backup takes is empty. */
function size(value: unknown, name: string): number {
  const sizeBytes = whole(value, name, 'sizeBytes');
  if (sizeBytes > 0) return sizeBytes;
  throw corrupt(name, 'sizeBytes must be above 0');
}

function backupId(value: unknown, name: string): string {
  if (typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)) return value;
  throw corrupt(name, `${JSON.stringify(value)} is no id of a backup`);
}

function corrupt(name: string, fault: string): MillraceError {
  return new MillraceError('BACKUP_CORRUPT', `Backup ${name}: ${fault}.`, { details: { backup: name } });
}
