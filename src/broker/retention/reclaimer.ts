/**
 * Gives disk space back soon, also where nothing more is written. The checkpoint worker removes files once closed files
 * tell that nothing in them is readable, and two checkpoints hold their state; a deletion in the active file would wait
 * for that file to fill. So where enough has become unreadable, the active file is closed early, twice at most: each
 * time the worker folds it, writes a checkpoint and removes what it may. Where that gave nothing back, it is tried again, more and more
 * rarely.
 */
import type { Logger } from '../../base/logger.ts';
import type { LocalJournal } from '../../journal/local-journal.ts';
import type { Checkpointer } from '../checkpoints/checkpointer.ts';
import { rollJournal } from '../chunks/roll-journal.ts';
import type { DataFiles, References } from './data-files.ts';

/** The state of a file must be in two checkpoints before it may go. */
const MAX_ROLLS = 2;
/** Passes between two tries that give nothing back: twice as many after each, so many at most. */
const MAX_PAUSE = 64;

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
  /** What was there to be given back at the last try, and what had been given back by then. */
  #tried = { deadBytes: 0, reclaimedBytes: 0 };
  /** Passes until what is there is tried again. */
  #pause = 0;
  #nextPause = 1;

  constructor(options: ReclaimerOptions) {
    this.#options = options;
  }

  /** @param references of a pass that has just ended. */
  async reclaim(references: References): Promise<void> {
    const { files, isHeld } = this.#options;
    if (isHeld()) return;
    const deadBytes = this.#deadBytes(references);
    if (!this.#isDue(deadBytes)) return;
    this.#tried = { deadBytes, reclaimedBytes: files.reclaimedBytes };
    this.#pause = this.#nextPause;
    this.#nextPause = Math.min(MAX_PAUSE, 2 * this.#nextPause);
    for (let roll = 0; roll < MAX_ROLLS && this.#deadBytes(references) > 0; roll++) {
      if (!(await this.#roll())) break;
    }
  }

  #isDue(deadBytes: number): boolean {
    const { files, reclaimBytes } = this.#options;
    const tried = this.#tried;
    // As much has gone since: files go behind their checkpoint, and by themselves, so what a try was good for shows at the next pass.
    if (files.reclaimedBytes >= tried.reclaimedBytes + tried.deadBytes) {
      this.#pause = 0;
      this.#nextPause = 1;
      return deadBytes >= reclaimBytes;
    }
    if (deadBytes >= tried.deadBytes + reclaimBytes) return true;
    if (this.#pause > 0) this.#pause -= 1;
    return this.#pause === 0 && deadBytes >= reclaimBytes;
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
