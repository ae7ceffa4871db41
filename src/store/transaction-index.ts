/**
 * Transactions of one partition: which are open, and which were aborted. Folded from batch headers, and from the command
 * that ends a transaction; it decides nothing.
 *
 * ```
 *   offsets   0   1   2   3   4   5   6   7
 *             A   B   A   a!  B   C               A, B, C: data of producers, a!: A's marker, abort
 *                 └ last stable offset: B is open      aborted: (A, first 0, last 3)
 * ```
 *
 * A transaction leaves `open` when its marker is staged, which is before the marker is durable. Until then it still holds
 * the last stable offset: a reader must not see the data of a transaction whose end a crash may take back.
 *
 * Source: KIP-98, "Transactional guarantees".
 */
import type { StateReader, StateWriter } from '../base/state-bytes.ts';

/** Columns of an aborted transaction. */
const STRIDE = 4;
const FIRST_OFFSET = 1;
const LAST_OFFSET = 2;
const STABLE_OFFSET = 3;

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of its marker. Inclusive. */
  readonly lastOffset: number;
}

interface Ended {
  readonly firstOffset: number;
  readonly markerOffset: number;
}

export class TransactionIndex {
  /** Producer id to first offset. Batches come in offset order, so the first entry is the oldest. */
  readonly #open = new Map<number, number>();
  /** Ended, the marker perhaps not published yet; in order of their markers. */
  readonly #ended: Ended[] = [];
  /**
   * In order of their markers (`lastOffset`, inclusive): producer id, first offset, last offset, and the last stable offset
   * just after. Whatever ends later begins at that stable offset or behind it, which bounds every search.
   */
  #aborted: number[] = [];

  get openCount(): number {
    return this.#open.size;
  }

  get abortedCount(): number {
    return this.#aborted.length / STRIDE;
  }

  /** First offset of the producer's open transaction. */
  openSince(producerId: number): number | undefined {
    return this.#open.get(producerId);
  }

  /** A transactional batch of the producer begins at `offset`. */
  append(producerId: number, offset: number): void {
    if (!this.#open.has(producerId)) this.#open.set(producerId, offset);
  }

  /** The producer's marker stands at `markerOffset`. */
  end(producerId: number, markerOffset: number, highWatermark: number): void {
    const firstOffset = this.#open.get(producerId);
    if (firstOffset === undefined) return;
    this.#open.delete(producerId);
    this.#forgetPublished(highWatermark);
    this.#ended.push({ firstOffset, markerOffset });
  }

  /** The transaction that ended last was aborted; called in order of `lastOffset`, the offset of its marker. */
  aborted(producerId: number, firstOffset: number, lastOffset: number): void {
    const [oldestOpen] = this.#open.values();
    this.#aborted.push(producerId, firstOffset, lastOffset, oldestOpen ?? lastOffset + 1);
  }

  /** End (exclusive) of what is decided and published. */
  stableEnd(highWatermark: number): number {
    this.#forgetPublished(highWatermark);
    const [oldestOpen] = this.#open.values();
    let end = Math.min(highWatermark, oldestOpen ?? highWatermark);
    for (const { firstOffset } of this.#ended) end = Math.min(end, firstOffset);
    return end;
  }

  /** True when some aborted transaction may overlap offsets from `offset` on. */
  hasAbortedFrom(offset: number): boolean {
    return this.#aborted.length > 0 && (this.#aborted[this.#aborted.length - STRIDE + LAST_OFFSET] as number) >= offset;
  }

  /** Aborted transactions that overlap the offsets from `offset` (inclusive) to `endOffset` (exclusive). */
  abortedIn(offset: number, endOffset: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = [];
    for (let at = this.#firstEndingAt(offset); at < this.#aborted.length; at += STRIDE) {
      const firstOffset = this.#aborted[at + FIRST_OFFSET] as number;
      if (firstOffset < endOffset) {
        const lastOffset = this.#aborted[at + LAST_OFFSET] as number;
        found.push({ producerId: this.#aborted[at] as number, firstOffset, lastOffset });
      }
      if ((this.#aborted[at + STABLE_OFFSET] as number) >= endOffset) break;
    }
    return found;
  }

  /** Nothing before this offset is read any more. */
  dropBefore(logStartOffset: number): void {
    const keep = this.#firstEndingAt(logStartOffset);
    if (keep > 0) this.#aborted = this.#aborted.slice(keep);
  }

  /** Open and aborted transactions; to be taken when everything is published. */
  snapshot(writer: StateWriter): void {
    writer.list(this.#open, ([producerId, firstOffset]) => writer.i64(producerId).i64(firstOffset));
    writer.u32(this.abortedCount);
    for (const value of this.#aborted) writer.i64(value);
  }

  restore(reader: StateReader): void {
    reader.list(() => this.#open.set(reader.i64(), reader.i64()));
    for (let left = reader.u32() * STRIDE; left > 0; left--) this.#aborted.push(reader.i64());
  }

  #forgetPublished(highWatermark: number): void {
    let published = 0;
    while (published < this.#ended.length && (this.#ended[published] as Ended).markerOffset < highWatermark)
      published += 1;
    if (published > 0) this.#ended.splice(0, published);
  }

  /** Place of the first entry whose last offset is at or behind `offset`. */
  #firstEndingAt(offset: number): number {
    let low = 0;
    let high = this.abortedCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#aborted[middle * STRIDE + LAST_OFFSET] as number) < offset) low = middle + 1;
      else high = middle;
    }
    return low * STRIDE;
  }
}
