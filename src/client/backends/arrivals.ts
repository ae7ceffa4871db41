/** Records that were fetched and wait to be read, in order, with the cursor that they came through. */
import type { RawRecord } from '../record.ts';

interface Arrival<Cursor> {
  readonly cursor: Cursor;
  readonly records: readonly RawRecord[];
  next: number;
}

export class Arrivals<Cursor> {
  #waiting: Arrival<Cursor>[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  push(cursor: Cursor, records: readonly RawRecord[]): void {
    if (records.length > 0) this.#waiting.push({ cursor, records, next: 0 });
  }

  /**
   * Up to `maxRecords` of one arrival; none where nothing waits.
   *
   * @param isCurrent whether the cursor is still in use: what came through another one is dropped.
   */
  take(maxRecords: number, isCurrent: (cursor: Cursor) => boolean): RawRecord[] {
    for (let entry = this.#waiting[0]; entry !== undefined; entry = this.#waiting[0]) {
      const current = isCurrent(entry.cursor);
      const taken = current ? entry.records.slice(entry.next, entry.next + maxRecords) : [];
      entry.next += taken.length;
      if (!current || entry.next >= entry.records.length) this.#waiting.shift();
      if (taken.length > 0) return taken;
    }
    return [];
  }
}
