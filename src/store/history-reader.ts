/**
 * All commits that are kept, oldest first: those of journal files that are gone by their order files, then those of the
 * journal. A caller does not notice where one ends and the other begins, nor when the journal file that it reads is sealed
 * and removed under it.
 */
import type { CommitNumber } from '../journal/journal.ts';
import type { CommitReader } from './commit-reader.ts';
import type { CommitRow, CommitSource, CommitStep } from './commit-source.ts';
import { isMissingFile } from './file-handles.ts';
import type { JournalMap } from './journal-map.ts';
import type { OrderFiles } from './order-files.ts';
import { NO_BYTES, NO_ROW, type OrderReader } from './order-reader.ts';

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
  /** Entry that was asked for last. */
  #entry = 0;
  /** Nothing of this commit is kept any more, though it was when `next` moved to it. */
  #lost: CommitNumber | undefined;

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
    return this.#lost ?? this.#source.commit;
  }

  get rowCount(): number {
    return this.#lost === undefined ? this.#source.rowCount : 0;
  }

  async seek(commit: CommitNumber, upTo: CommitNumber): Promise<boolean> {
    this.#source = this.#journal;
    this.#lost = undefined;
    if (await this.#journal.seek(commit, upTo)) return true;
    if (commit < (await this.firstCommit())) return false;
    return await this.#seekOrder(commit, upTo);
  }

  next(upTo: CommitNumber): CommitStep | Promise<CommitStep> {
    this.#lost = undefined;
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
    this.#entry = index;
    return this.#lost === undefined ? this.#source.row(index) : NO_ROW;
  }

  body(upTo: CommitNumber): Uint8Array | Promise<Uint8Array> {
    const body = this.#source.body(upTo);
    return body instanceof Promise && this.#source === this.#journal ? this.#bodyOf(body, upTo) : body;
  }

  /** The file may go between two entries of a commit: its order says where the rest of them stands now. */
  async #bodyOf(body: Promise<Uint8Array>, upTo: CommitNumber): Promise<Uint8Array> {
    const { commit } = this.#journal;
    try {
      return await body;
    } catch (error) {
      if (!isMissingFile(error)) throw error;
    }
    const isInOrder = await this.#seekOrder(commit, upTo);
    const order = this.#source === this.#order ? this.#order : undefined;
    if (order !== undefined && (await order.next()) === 'commit' && order.commit === commit) {
      order.row(this.#entry);
      return await order.body();
    }
    // Only later commits have readable batches: the next step goes there.
    if (order !== undefined) await order.seek(commit + 1);
    else if (!isInOrder) await this.#journal.seek(this.#options.map.firstCommit, upTo);
    this.#lost = commit;
    return NO_BYTES;
  }

  get bodyStart(): number {
    return this.#lost === undefined ? this.#source.bodyStart : 0;
  }

  get bodyBytes(): number {
    return this.#lost === undefined ? this.#source.bodyBytes : 0;
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
