/**
 * Files that an earlier run left half way: written under a temporary name, about a journal file that is gone, or chunks
 * that were never swapped in, or are swapped out.
 */
import { join } from 'node:path';
import type { Disk } from '../../journal/disk.ts';
import {
  cacheDirectory,
  checkpointDirectory,
  chunkDirectory,
  chunkPath,
  indexPath,
  journalDirectory,
  numberedFiles,
} from '../../journal/paths.ts';
import { chunkFile } from '../../store/file-number.ts';
import type { LogStore } from '../../store/log-store.ts';

/** Only names of this form are ours: `0000000001.index.tmp`. */
const TEMPORARY = /^\d{10}\.(index|order|checkpoint|chunk)\.tmp$/;

/**
 * Under the directory's lock, before anything writes there.
 *
 * @param store everything replayed: it refers to each chunk that is of use.
 */
export async function removeLeftovers(disk: Disk, directory: string, store: LogStore): Promise<void> {
  for (const folder of [journalDirectory(directory), checkpointDirectory(directory), chunkDirectory(directory)]) {
    const names = await disk.list(folder);
    for (const name of names) if (TEMPORARY.test(name)) await disk.remove(join(folder, name));
  }
  // What was read from an object store: which blocks are there is not written down.
  for (const name of await disk.list(cacheDirectory(directory)))
    await disk.remove(join(cacheDirectory(directory), name));
  const names = await disk.list(journalDirectory(directory));
  const journals = new Set(numberedFiles(names, 'journal'));
  for (const file of numberedFiles(names, 'index')) {
    if (!journals.has(file)) await disk.remove(indexPath(directory, file));
  }
  const referenced = store.referencedFiles();
  for (const chunk of numberedFiles(await disk.list(chunkDirectory(directory)), 'chunk')) {
    if (!referenced.has(chunkFile(chunk))) await disk.remove(chunkPath(directory, chunk));
  }
}
