import { asMillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import { COMMAND } from '../state-part.ts';
import type { SealedRound } from './seal-round.ts';

/**
 * Commits the commands of a round of sealing, one by one: from each commit on its partitions are read from the chunks. Where
 * the journal refuses one, its partitions stay where they are, and a later round takes them. Never rejects.
 */
export async function swapIn(journal: Journal, round: SealedRound, logger: Logger): Promise<void> {
  try {
    for (const body of round.commands) {
      if (journal.congested) await new Promise<void>((resolve) => journal.onRelief(resolve));
      await transactOnce(journal, (commit) => commit.command(COMMAND.BATCHES_SEALED, body));
    }
    const bytes = round.chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    logger.info('Journal files were sealed into chunks.', { chunks: round.chunks.length, bytes });
  } catch (error) {
    const { code, message } = asMillraceError(error);
    logger.error(`Sealed chunks were not swapped in; they are made again: ${message}`, { code });
  }
}
