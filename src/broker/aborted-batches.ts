/**
 * Which of the batches that a read gave hold no data for a read-committed reader: control batches, and those of aborted
 * transactions. From the list that came with the read, as Kafka's consumers do it: the partition's own may have moved on.
 */
import { baseOffset, isControl, isTransactional, producerId } from '../model/record-batch.ts';
import type { AbortedTransaction } from '../store/transaction-index.ts';

export class AbortedBatches {
  readonly #pending: AbortedTransaction[];
  readonly #open = new Set<number>();

  /** @param aborted those that overlap the batches. */
  constructor(aborted: readonly AbortedTransaction[]) {
    this.#pending = [...aborted].sort((one, other) => one.firstOffset - other.firstOffset);
  }

  /** Asked for each batch, in order. */
  hides(bytes: Uint8Array, position: number): boolean {
    const first = baseOffset(bytes, position);
    for (let next = this.#pending[0]; next !== undefined && next.firstOffset <= first; next = this.#pending[0]) {
      this.#open.add(next.producerId);
      this.#pending.shift();
    }
    if (isControl(bytes, position)) {
      this.#open.delete(producerId(bytes, position));
      return true;
    }
    return isTransactional(bytes, position) && this.#open.has(producerId(bytes, position));
  }
}
