/**
 * Brings what a reader will ask for next from the disk into the page cache, while what it has just read is checked and sent: a
 * reader that goes through a chunk in order waits for the disk no longer than the disk itself takes. Who reads here and there
 * is left alone.
 */
import type { FileNumber } from './file-number.ts';

/** Kept ahead of a reader; refilled by halves, so that reads stay large. */
const AHEAD_BYTES = 8 * 1024 * 1024;
const MAX_FILES = 256;

export interface Warmer {
  /** Never rejects. */
  warm(path: string, position: number, sizeBytes: number): Promise<void>;
}

interface Progress {
  /** Of the last read. */
  readonly start: number;
  readonly end: number;
  /** What is on its way or there. */
  readonly warmedTo: number;
}

export class ReadAhead {
  readonly #handles: Warmer;
  /** The file that was read longest ago first. */
  readonly #files = new Map<FileNumber, Progress>();
  /** One at a time: whoever reads now comes first. */
  #running = false;

  constructor(handles: Warmer) {
    this.#handles = handles;
  }

  /** A stretch of a file was read. */
  read(file: FileNumber, path: string, start: number, end: number): void {
    const last = this.#files.get(file);
    // A reader begins anew with the frame in which its last answer ended.
    const goesOn = last !== undefined && start > last.start && start <= last.end;
    let warmedTo = goesOn ? Math.max(end, last.warmedTo) : end;
    if (goesOn && !this.#running && warmedTo - end < AHEAD_BYTES / 2) {
      const from = warmedTo;
      warmedTo = end + AHEAD_BYTES;
      this.#running = true;
      void this.#handles.warm(path, from, warmedTo - from).finally(() => {
        this.#running = false;
      });
    }
    this.#files.delete(file);
    this.#files.set(file, { start, end, warmedTo });
    if (this.#files.size > MAX_FILES) this.#files.delete(this.#files.keys().next().value as FileNumber);
  }
}
