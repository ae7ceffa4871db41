/**
 * Lets files of chunks go that are in the store: those with old records alone, and the oldest beyond the size. Journal files
 * count: while more comes than is sealed, chunks make room for it.
 */
import type { Clock } from '../../base/clock.ts';
import type { BrokerSettings } from '../settings.ts';
import type { TierState } from './tier-state.ts';

export interface EvictorOptions {
  readonly state: TierState;
  readonly clock: Clock;
  readonly settings: BrokerSettings;
  /** Chunks with files, with their sizes. */
  readonly local: () => ReadonlyMap<number, number>;
  /** Records on the disk that are in no chunk, or in one that is being made. */
  readonly journalBytes: () => number;
  /** Removes the file of a chunk. */
  readonly removeLocal: (chunk: number) => Promise<void>;
  /** True: no file goes now. */
  readonly isHeld: () => boolean;
}

/** What a chunk is known for. */
export interface ChunkAge {
  /** Newest record in it, ms since 1970; -1 without timestamps. */
  readonly newest: number;
}

export class Evictor {
  /** Files that went. */
  count = 0;
  readonly #options: EvictorOptions;
  /** Files are let go by one after the other. */
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: EvictorOptions) {
    this.#options = options;
  }

  /** Behind the runs that were asked for before. @param uses asked when it begins. @throws as removing a file does. */
  run(uses: () => ReadonlyMap<number, ChunkAge>): Promise<void> {
    this.#running = this.#running.catch(() => undefined).then(() => this.#evict(uses()));
    return this.#running;
  }

  /** No file goes from now on; the one that is going has gone. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running.catch(() => undefined);
  }

  async #evict(uses: ReadonlyMap<number, ChunkAge>): Promise<void> {
    const { local, state, settings, clock, removeLocal, journalBytes, isHeld } = this.#options;
    const files = local();
    let bytes = journalBytes();
    for (const sizeBytes of files.values()) bytes += sizeBytes;
    if (bytes <= settings.tierLocalBytes && settings.tierLocalMs < 0) return;
    const tiered = [...files].filter(([chunk]) => state.place(chunk) !== undefined);
    const age = (chunk: number): number => clock.now() - (uses.get(chunk)?.newest ?? clock.now());
    for (const [chunk, sizeBytes] of tiered.sort(([a], [b]) => age(b) - age(a) || a - b)) {
      if (isHeld() || this.#stopped) return;
      const tooLarge = bytes > settings.tierLocalBytes;
      const tooOld = settings.tierLocalMs >= 0 && age(chunk) > settings.tierLocalMs;
      if (!tooLarge && !tooOld) continue;
      await removeLocal(chunk);
      bytes -= sizeBytes;
      this.count += 1;
    }
  }
}
