import { asMillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import { COMMAND } from '../state-part.ts';
import { tierCommands } from '../tiering/tier-state.ts';
import type { SealedRound } from './seal-round.ts';

/**
 * Commits the commands of a round of sealing, one by one: from each commit on its partitions are read from the chunks. Where
 * the journal refuses one, its partitions stay where they are, and a later round takes them. Never rejects.
 */
export async function swapIn(journal: Journal, round: SealedRound, logger: Logger): Promise<void> {
  try {
    if (round.tiered.length > 0) return await swapInStored(journal, round, logger);
    for (const body of round.commands) {
      if (journal.congested) await new Promise<void>((resolve) => journal.onRelief(resolve));
      await transactOnce(journal, (commit) => commit.command(COMMAND.BATCHES_SEALED, body));
    }
    logSealed(round, logger);
  } catch (error) {
    const { code, message } = asMillraceError(error);
    logger.error(`Sealed chunks were not swapped in; they are made again: ${message}`, { code });
  }
}

/**
 * In one commit: a chunk without a file that nothing knows to be in the store would be lost, and one that is known and that no
 * partition has batches in would be forgotten. Only large partitions have such chunks, so the commands are few.
 */
async function swapInStored(journal: Journal, round: SealedRound, logger: Logger): Promise<void> {
  if (journal.congested) await new Promise<void>((resolve) => journal.onRelief(resolve));
  await transactOnce(journal, (commit) => {
    commit.command(COMMAND.CHUNKS_TIERED, tierCommands.tiered(round.tiered));
    for (const body of round.commands) commit.command(COMMAND.BATCHES_SEALED, body);
  });
  logSealed(round, logger);
}

function logSealed({ chunks, tiered }: SealedRound, logger: Logger): void {
  let bytes = chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const { rawBytes } of tiered) bytes += rawBytes;
  logger.info('Journal files were sealed into chunks.', { chunks: chunks.length + tiered.length, bytes });
}
