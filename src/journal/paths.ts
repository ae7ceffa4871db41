/**
 * Names of everything in the data directory, built and parsed here and nowhere else. Layout: docs/formats.md.
 */
import { join } from 'node:path';

/** Ten digits keep names in numeric order in any listing. Never change: names are on disk. */
const NUMBER_DIGITS = 10;

const NUMBERED = /^(\d{10})\.(journal|index|order|checkpoint|chunk|key)$/;

export type NumberedKind = 'journal' | 'index' | 'order' | 'checkpoint' | 'chunk' | 'key';

function numberedName(file: number, kind: NumberedKind): string {
  return `${String(file).padStart(NUMBER_DIGITS, '0')}.${kind}`;
}

export function journalDirectory(directory: string): string {
  return join(directory, 'journal');
}

export function checkpointDirectory(directory: string): string {
  return join(directory, 'checkpoint');
}

export function chunkDirectory(directory: string): string {
  return join(directory, 'chunk');
}

/** Batches by partition, made of closed journal files. */
export function chunkPath(directory: string, chunk: number): string {
  return join(chunkDirectory(directory), numberedName(chunk, 'chunk'));
}

/** Tiered chunks as far as they were read: begins empty with each start. */
export function cacheDirectory(directory: string): string {
  return join(directory, 'cache');
}

export function cachePath(directory: string, chunk: number): string {
  return join(cacheDirectory(directory), numberedName(chunk, 'chunk'));
}

export function journalPath(directory: string, file: number): string {
  return join(journalDirectory(directory), numberedName(file, 'journal'));
}

/** Extents of a closed journal file, by partition. */
export function indexPath(directory: string, file: number): string {
  return join(journalDirectory(directory), numberedName(file, 'index'));
}

/** Order of commits of a journal file that is gone. */
export function orderPath(directory: string, file: number): string {
  return join(journalDirectory(directory), numberedName(file, 'order'));
}

/** State folded up to the end of journal file `file`. */
export function checkpointPath(directory: string, file: number): string {
  return join(checkpointDirectory(directory), numberedName(file, 'checkpoint'));
}

/** Held by the running process. Nobody else may open it, not even to read: see directory-lock.ts. */
export function lockPath(directory: string): string {
  return join(directory, 'lock');
}

/** Data keys, wrapped by a master key. */
export function keysDirectory(directory: string): string {
  return join(directory, 'keys');
}

export function keyPath(directory: string, key: number): string {
  return join(keysDirectory(directory), numberedName(key, 'key'));
}

/** There while a restore writes into the directory: what is there is not whole. */
export function restoringPath(directory: string): string {
  return join(directory, 'restoring');
}

/** Text for people: who holds the lock. */
export function lockHolderPath(directory: string): string {
  return join(directory, 'lock.holder');
}

/** @returns the file's number; undefined for a name that is not of this kind. */
export function parseNumberedName(name: string, kind: NumberedKind): number | undefined {
  const match = NUMBERED.exec(name);
  return match !== null && match[2] === kind ? Number(match[1]) : undefined;
}

/** Numbers of all files of a kind among the names of a directory, ascending. */
export function numberedFiles(names: readonly string[], kind: NumberedKind): number[] {
  const numbers: number[] = [];
  for (const name of names) {
    const number = parseNumberedName(name, kind);
    if (number !== undefined && number > 0) numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}
