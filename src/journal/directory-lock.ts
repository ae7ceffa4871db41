/**
 * One process per data directory.
 *
 * The lock is SQLite's exclusive lock on an empty database file: a POSIX record lock (LockFileEx on Windows), which the
 * kernel drops when the process ends, however it ends, which holds across containers that share a volume, and which
 * SQLite keeps apart inside one process as well. node:fs offers no lock at all; a pid file was rejected because after a
 * crash it accuses whichever process has the number by then.
 *
 * A POSIX lock falls as soon as its process closes any descriptor of the file. So nobody opens `lock` but SQLite; who
 * holds it stands in `lock.holder` beside it.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { DatabaseSync } from 'node:sqlite';
import { MillraceError } from '../base/errors.ts';
import type { DiskLock } from './disk.ts';
import { makeDirectories } from './make-directories.ts';
import { lockHolderPath, lockPath } from './paths.ts';

/** SQLITE_BUSY and SQLITE_LOCKED, low byte of the extended code. */
const BUSY_CODES = new Set([5, 6]);

/**
 * @throws MillraceError JOURNAL_LOCKED when another process, or this one, holds it; JOURNAL_IO when it cannot be tried.
 */
export async function lockDirectory(directory: string): Promise<DiskLock> {
  const database = await open(directory);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw isBusy(error) ? locked(directory, error) : unusable(directory, error);
  }
  noteHolder(directory);
  let held = true;
  return {
    async release() {
      if (!held) return;
      held = false;
      rmSync(lockHolderPath(directory), { force: true });
      database.close();
    },
  };
}

async function open(directory: string): Promise<DatabaseSync> {
  try {
    await makeDirectories(directory);
    const { DatabaseSync: Database } = loadSqlite();
    return new Database(lockPath(directory));
  } catch (error) {
    throw unusable(directory, error);
  }
}

/** Node 22 and 24 warn on standard error that node:sqlite is experimental; a lock is all we ask of it. */
function loadSqlite(): typeof import('node:sqlite') {
  const before = Object.getOwnPropertyDescriptor(process, 'emitWarning');
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    if (before !== undefined) Object.defineProperty(process, 'emitWarning', before);
  }
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' && BUSY_CODES.has(code & 0xff);
}

/** Only words for people: a failure to write them is no reason to refuse a lock that is held. */
function noteHolder(directory: string): void {
  const text = `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}\n`;
  try {
    writeFileSync(lockHolderPath(directory), text, { mode: 0o640 });
  } catch {
    // For example a full disk: the journal itself will say so.
  }
}

function locked(directory: string, cause: unknown): MillraceError {
  let holder = 'another process';
  try {
    holder = readFileSync(lockHolderPath(directory), 'utf8').trim() || holder;
  } catch {
    // The holder has not written its name yet, or could not.
  }
  return new MillraceError(
    'JOURNAL_LOCKED',
    `Data directory ${directory} is in use by ${holder}. Stop it first, or give this one another directory.`,
    { details: { directory, holder }, cause },
  );
}

function unusable(directory: string, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(
    'JOURNAL_IO',
    `Cannot lock data directory ${directory}: ${reason}. Check that it exists and that this user may write there.`,
    { details: { directory }, cause },
  );
}
