/**
 * Gives disk space back soon, also where nothing more is written. The checkpoint worker removes files once closed files
 * tell that nothing in them is readable, and two checkpoints hold their state; a deletion in the active file would wait
 * for that file to fill. So where enough has become unreadable, the active file is closed early, twice at most: each
 * time the worker folds it, writes a checkpoint and removes what it may.
 */
import type { Logger } from '../../base/logger.ts';
import type { LocalJournal } from '../../journal/local-journal.ts';
import type { Checkpointer } from '../checkpoints/checkpointer.ts';
import { rollJournal } from '../chunks/roll-journal.ts';
import type { DataFiles, References } from './data-files.ts';

/** The state of a file must be in two checkpoints before it may go. */
const MAX_ROLLS = 2;

export interface ReclaimerOptions {
  readonly journal: LocalJournal;
  readonly checkpointer: Checkpointer;
  readonly files: DataFiles;
  readonly logger: Logger;
  /** Less than this is not worth a roll. */
  readonly reclaimBytes: number;
  /** True: no file goes now, however often the journal is rolled. */
  readonly isHeld: () => boolean;
}

export class Reclaimer {
  readonly #options: ReclaimerOptions;
  /** What could not be given back the last time: not tried again before there is more. */
  #inVain = 0;

  constructor(options: ReclaimerOptions) {
    this.#options = options;
  }

  /** @param references of a pass that has just ended. */
  async reclaim(references: References): Promise<void> {
    const { files, reclaimBytes, isHeld } = this.#options;
    if (isHeld()) return;
    if (this.#deadBytes(references) < this.#inVain + reclaimBytes) return;
    for (let roll = 0; roll < MAX_ROLLS && this.#deadBytes(references) > 0; roll++) {
      if (!(await this.#roll())) break;
    }
    this.#inVain = files.deadBytes(references);
  }

  #deadBytes(references: References): number {
    const { files, journal } = this.#options;
    const active = journal.activeFile;
    const activeBytes = active.file < references.oldestJournalFile ? active.sizeBytes : 0;
    return files.deadBytes(references) + activeBytes;
  }

  /** Closes the active file and waits for its checkpoint. False where the worker cannot do its part now. */
  async #roll(): Promise<boolean> {
    const { journal, checkpointer } = this.#options;
    return await checkpointer.checkpointThrough(await rollJournal(journal));
  }
}
