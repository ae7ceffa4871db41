/** What `millrace journal` reads: a data directory, or one journal file in it. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { MillraceError } from '../base/errors.ts';
import { journalDirectory, numberedFiles, parseNumberedName } from '../journal/paths.ts';

export interface JournalSource {
  /** The data directory. */
  readonly directory: string;
  /** Numbers of its journal files, ascending. */
  readonly files: readonly number[];
  /** The one file that was named. */
  readonly only: number | undefined;
}

/** @throws MillraceError CONFIG_INVALID where there is no journal. */
export function findJournal(where: string): JournalSource {
  const only = isFile(where) ? parseNumberedName(path.basename(where), 'journal') : undefined;
  const directory = only === undefined ? where : path.resolve(where, '../..');
  const files = numberedFiles(listNames(journalDirectory(directory)), 'journal');
  if (files.length > 0 && (only !== undefined || !isFile(where))) return { directory, files, only };
  throw new MillraceError(
    'CONFIG_INVALID',
    `There is no journal in ${where}. Name a data directory, or a file like data/journal/0000000001.journal.`,
    { details: { path: where } },
  );
}

function isFile(where: string): boolean {
  return statSync(where, { throwIfNoEntry: false })?.isFile() === true;
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
