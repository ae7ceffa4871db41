/** Files that an earlier run left half way: written under a temporary name, or about a journal file that is gone. */
import { join } from 'node:path';
import type { Disk } from '../../journal/disk.ts';
import { checkpointDirectory, indexPath, journalDirectory, numberedFiles } from '../../journal/paths.ts';

/** Only names of this form are ours: `0000000001.index.tmp`. */
const TEMPORARY = /^\d{10}\.(index|checkpoint)\.tmp$/;

/** Under the directory's lock, before anything writes there. */
export async function removeLeftovers(disk: Disk, directory: string): Promise<void> {
  for (const folder of [journalDirectory(directory), checkpointDirectory(directory)]) {
    const names = await disk.list(folder);
    for (const name of names) if (TEMPORARY.test(name)) await disk.remove(join(folder, name));
  }
  const names = await disk.list(journalDirectory(directory));
  const journals = new Set(numberedFiles(names, 'journal'));
  for (const file of numberedFiles(names, 'index')) {
    if (!journals.has(file)) await disk.remove(indexPath(directory, file));
  }
}
