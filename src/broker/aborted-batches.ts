/**
 * Which of the batches that a read gave hold no data for a read-committed reader: control batches, and those of aborted
 * transactions. From the list that came with the read, as Kafka's consumers do it: the partition's own may have moved on.
 */
import { baseOffset, isControl, isTransactional, producerId } from '../model/record-batch.ts';
import type { AbortedTransaction } from '../store/transaction-index.ts';

export class AbortedBatches {
  readonly #pending: AbortedTransaction[] | undefined;
  readonly #open: Set<number> | undefined;

  /** @param aborted those that overlap the batches. */
  constructor(aborted: readonly AbortedTransaction[]) {
    // Most reads have none, and a walk is made for each commit that a subscriber passes.
    if (aborted.length === 0) return;
    this.#pending = [...aborted].sort((one, other) => one.firstOffset - other.firstOffset);
    this.#open = new Set();
  }

  /** Asked for each batch, in order. */
  hides(bytes: Uint8Array, position: number): boolean {
    const [pending, open] = [this.#pending, this.#open];
    if (pending === undefined || open === undefined) return isControl(bytes, position);
    const first = baseOffset(bytes, position);
    for (let next = pending[0]; next !== undefined && next.firstOffset <= first; next = pending[0]) {
      open.add(next.producerId);
      pending.shift();
    }
    if (isControl(bytes, position)) {
      open.delete(producerId(bytes, position));
      return true;
    }
    return isTransactional(bytes, position) && open.has(producerId(bytes, position));
  }
}
