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

export interface HistoryReaderOptions {
  readonly map: JournalMap;
  readonly files: OrderFiles;
  readonly order: () => OrderReader;
}

export class HistoryReader implements CommitSource {
  readonly #options: HistoryReaderOptions;
  readonly #journal: CommitReader;
  /** Made when it is needed: most readers are at the end of the journal, and thousands wait there. */
  #order: OrderReader | undefined;
  #source: CommitReader | OrderReader;

  constructor(options: HistoryReaderOptions, journal: CommitReader) {
    this.#options = options;
    this.#journal = journal;
    this.#source = journal;
  }

  /** Oldest commit that is kept; 1 where nothing was removed or written yet. @throws STORE_IO, STORE_CORRUPT. */
  async firstCommit(): Promise<CommitNumber> {
    await Promise.all([this.#options.map.loadOlder(), this.#options.files.load()]);
    return Math.min(this.#options.files.firstCommit ?? Number.POSITIVE_INFINITY, this.#options.map.firstCommit);
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

  next(upTo: CommitNumber): CommitStep | Promise<CommitStep> {
    const step = this.#source.next(upTo);
    const isEnd = step === 'end' && this.#source === this.#journal;
    return step === 'commit' || isEnd ? step : this.#goOn(step, upTo);
  }

  async #goOn(first: CommitStep | Promise<CommitStep>, upTo: CommitNumber): Promise<CommitStep> {
    for (let step = await first; ; step = await this.#source.next(upTo)) {
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

  body(upTo: CommitNumber): Uint8Array | Promise<Uint8Array> {
    return this.#source.body(upTo);
  }

  get bodyStart(): number {
    return this.#source.bodyStart;
  }

  get bodyBytes(): number {
    return this.#source.bodyBytes;
  }

  release(): void {
    this.#journal.release();
    this.#order?.release();
  }

  /** The journal does not have the commit any more: goes to where it was, or, if nothing is left of it, to what follows. */
  async #seekOrder(commit: CommitNumber, upTo: CommitNumber): Promise<boolean> {
    this.#options.files.changed();
    const first = await this.firstCommit();
    if (commit < first) return false;
    this.#order ??= this.#options.order();
    if (await this.#order.seek(commit)) {
      this.#source = this.#order;
      return true;
    }
    this.#source = this.#journal;
    return await this.#journal.seek(Math.max(commit, this.#options.map.firstCommit), upTo);
  }

  /** Behind the last order file comes the journal, or, when more of it was removed meanwhile, another order file. */
  async #leaveOrder(order: OrderReader, upTo: CommitNumber): Promise<boolean> {
    const next = order.lastCommit + 1;
    this.#options.files.changed();
    await this.firstCommit();
    if (await order.seek(next)) return true;
    this.#source = this.#journal;
    const first = Math.max(next, this.#options.map.firstCommit);
    return (await this.#journal.seek(first, upTo)) || (await this.#seekOrder(first, upTo));
  }
}
