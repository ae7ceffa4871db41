/** Of all batches of a partition those that readers of committed records see. */
import { baseOffset, isControl, isTransactional, producerId } from '../model/record-batch.ts';
import { readRecords } from '../model/record-codec.ts';

const ABORT = 0;

/**
 * None of aborted or unfinished transactions, no markers.
 *
 * @param all of the partition, in order, from its begin; asked twice, as how a transaction ended comes after its batches.
 */
export async function* committedBatches<B extends { readonly bytes: Uint8Array }>(
  all: () => AsyncIterable<B>,
): AsyncGenerator<B, void, undefined> {
  const outcomes = await transactionEnds(all());
  for await (const batch of all()) {
    const { bytes } = batch;
    if (isControl(bytes, 0)) continue;
    if (isTransactional(bytes, 0) && !outcomes.isCommitted(producerId(bytes, 0), baseOffset(bytes, 0))) continue;
    yield batch;
  }
}

interface End {
  readonly offset: number;
  readonly committed: boolean;
}

class TransactionEnds {
  readonly #ends = new Map<number, End[]>();

  add(id: number, end: End): void {
    const known = this.#ends.get(id);
    if (known === undefined) this.#ends.set(id, [end]);
    else known.push(end);
  }

  /** By the first marker of the producer behind the offset; without one it was not finished. */
  isCommitted(id: number, offset: number): boolean {
    return this.#ends.get(id)?.find((end) => end.offset > offset)?.committed === true;
  }
}

async function transactionEnds(batches: AsyncIterable<{ readonly bytes: Uint8Array }>): Promise<TransactionEnds> {
  const ends = new TransactionEnds();
  for await (const { bytes } of batches) {
    if (!isControl(bytes, 0)) continue;
    for (const { offset, key } of readRecords(bytes)) {
      const type = key === null || key.length < 4 ? ABORT : Buffer.from(key).readInt16BE(2);
      ends.add(producerId(bytes, 0), { offset, committed: type !== ABORT });
    }
  }
  return ends;
}
