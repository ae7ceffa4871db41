/**
 * Keeps files where they are while somebody reads the data directory as a whole: as long as a hold lasts no journal file,
 * chunk, order file or checkpoint is removed or used again, and nothing is deleted from the object store.
 *
 * The disk does not get space back meanwhile, so a hold belongs to work that ends.
 */
export interface FileHoldParty {
  /** Resolves when what was being removed as the hold began is gone, and nothing more goes. Never rejects. */
  hold(): Promise<void>;
  letGo(): void;
}

export class FileHold {
  readonly #parties: readonly FileHoldParty[];
  #holders = 0;

  constructor(parties: readonly FileHoldParty[]) {
    this.#parties = parties;
  }

  get held(): boolean {
    return this.#holders > 0;
  }

  /** @returns ends this hold, and is safe to call twice; files go again when the last one has ended. */
  async take(): Promise<() => void> {
    this.#holders += 1;
    await Promise.all(this.#parties.map((party) => party.hold()));
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#holders -= 1;
      if (this.#holders === 0) for (const party of this.#parties) party.letGo();
    };
  }
}
