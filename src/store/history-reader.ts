/**
 * All commits that are kept, oldest first: those of journal files that are gone by their order files, then those of the
 * journal. A caller does not notice where one ends and the other begins, nor when the journal file that it reads is sealed
 * and removed under it.
 */
import type { CommitNumber } from '../journal/journal.ts';
import type { CommitReader } from './commit-reader.ts';
import type { CommitRow, CommitSource, CommitStep } from './commit-source.ts';
import type { JournalMap } from './journal-map.ts';
import type { OrderFiles } from './order-files.ts';
import type { OrderReader } from './order-reader.ts';

export class HistoryReader implements CommitSource {
  readonly #map: JournalMap;
  readonly #files: OrderFiles;
  readonly #journal: CommitReader;
  readonly #makeOrder: () => OrderReader;
  /** Made when it is needed: most readers are at the end of the journal, and thousands wait there. */
  #order: OrderReader | undefined;
  #source: CommitReader | OrderReader;

  constructor(options: { map: JournalMap; files: OrderFiles; journal: CommitReader; order: () => OrderReader }) {
    this.#map = options.map;
    this.#files = options.files;
    this.#journal = options.journal;
    this.#makeOrder = options.order;
    this.#source = options.journal;
  }

  /** Oldest commit that is kept; 1 where nothing was removed or written yet. @throws STORE_IO, STORE_CORRUPT. */
  async firstCommit(): Promise<CommitNumber> {
    await Promise.all([this.#map.loadOlder(), this.#files.load()]);
    return Math.min(this.#files.firstCommit ?? Number.POSITIVE_INFINITY, this.#map.firstCommit);
  }

  get commit(): CommitNumber {
    return this.#source.commit;
  }

  get rowCount(): number {
    return this.#source.rowCount;
  }

  async seek(commit: CommitNumber, upTo: CommitNumber): Promise<boolean> {
    this.#source = this.#journal;
    if (await this.#journal.seek(commit, upTo)) return true;
    if (commit < (await this.firstCommit())) return false;
    return await this.#seekOrder(commit, upTo);
  }

  async next(upTo: CommitNumber): Promise<CommitStep> {
    for (;;) {
      const step = await this.#source.next(upTo);
      if (step === 'commit') return step;
      if (this.#order !== undefined && this.#source === this.#order) {
        if (!(await this.#leaveOrder(this.#order, upTo))) return 'gone';
      } else if (step === 'end') return step;
      else if (!(await this.#seekOrder(this.#journal.commit + 1, upTo))) return 'gone';
    }
  }

  row(index: number): CommitRow {
    return this.#source.row(index);
  }

  async body(upTo: CommitNumber): Promise<Uint8Array> {
    return await this.#source.body(upTo);
  }

  release(): void {
    this.#journal.release();
    this.#order?.release();
  }

  /** The journal does not have the commit any more: goes to where it was, or, if nothing is left of it, to what follows. */
  async #seekOrder(commit: CommitNumber, upTo: CommitNumber): Promise<boolean> {
    this.#files.changed();
    const first = await this.firstCommit();
    if (commit < first) return false;
    this.#order ??= this.#makeOrder();
    if (await this.#order.seek(commit)) {
      this.#source = this.#order;
      return true;
    }
    this.#source = this.#journal;
    return await this.#journal.seek(Math.max(commit, this.#map.firstCommit), upTo);
  }

  /** Behind the last order file comes the journal, or, when more of it was removed meanwhile, another order file. */
  async #leaveOrder(order: OrderReader, upTo: CommitNumber): Promise<boolean> {
    const next = order.lastCommit + 1;
    this.#files.changed();
    await this.firstCommit();
    if (await order.seek(next)) return true;
    this.#source = this.#journal;
    const first = Math.max(next, this.#map.firstCommit);
    return (await this.#journal.seek(first, upTo)) || (await this.#seekOrder(first, upTo));
  }
}
