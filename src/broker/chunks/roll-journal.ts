import { transactOnce } from '../../journal/journal.ts';
import type { LocalJournal } from '../../journal/local-journal.ts';
import { COMMAND } from '../state-part.ts';
import { chunkCommands } from './chunks-state.ts';

/**
 * Closes the active journal file before its time, so that what it holds can be folded, sealed and removed.
 *
 * @returns number of the file that is closed.
 * @throws what the journal refuses with.
 */
export async function rollJournal(journal: LocalJournal): Promise<number> {
  const { file } = journal.activeFile;
  journal.rollNext();
  // A commit that is open already stays in its file, and ours with it: then the one after it begins the next file.
  while (journal.activeFile.file === file) {
    await transactOnce(journal, (commit) => commit.command(COMMAND.JOURNAL_ROLLED, chunkCommands.rolled()));
  }
  return file;
}
