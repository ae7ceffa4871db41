/**
 * Sequence state of idempotent producers in one partition: what makes a retry a no-op.
 *
 * A producer numbers its records per partition from 0 and wraps after 2^31 - 1. The broker remembers the last five
 * batches of each producer (a client keeps at most five requests in flight), so a repeated batch is answered with the
 * offset it got the first time. The state is folded from batch headers alone, so it survives a restart for free.
 *
 * Source: KIP-98, "Idempotent producer guarantees"; error codes as Kafka 2.7 and later.
 */
import { type ErrorCode, MillraceError } from '../base/errors.ts';
import type { StateReader, StateWriter } from '../base/state-bytes.ts';

/** Producers that wrote nothing for this long are forgotten (`producer.id.expiration.ms`, as in Kafka). */
export const PRODUCER_EXPIRATION_MS = 24 * 60 * 60 * 1000;

const REMEMBERED_BATCHES = 5;
const SEQUENCE_WRAP = 0x8000_0000;

/** Columns of one remembered batch: first sequence, last sequence, base offset. */
const STRIDE = 3;

interface ProducerEntry {
  epoch: number;
  lastTimestamp: number;
  count: number;
  /** Ring of the last batches, newest at `(next - 1) mod 5`. */
  next: number;
  readonly batches: number[];
}

/** What an append with a producer id comes to. */
export type SequenceCheck =
  /** `isNew`: nothing is known of the producer. */
  | { readonly outcome: 'append'; readonly isNew: boolean }
  | { readonly outcome: 'duplicate'; readonly baseOffset: number }
  | { readonly outcome: 'refuse'; readonly error: ErrorCode };

const APPEND: SequenceCheck = { outcome: 'append', isNew: false };
const APPEND_NEW: SequenceCheck = { outcome: 'append', isNew: true };
const SEQUENCE_GAP: SequenceCheck = { outcome: 'refuse', error: 'BROKER_SEQUENCE_GAP' };
const EPOCH_OLD: SequenceCheck = { outcome: 'refuse', error: 'BROKER_PRODUCER_EPOCH_OLD' };

export class ProducerTable {
  readonly #producers = new Map<number, ProducerEntry>();

  get size(): number {
    return this.#producers.size;
  }

  /**
   * @param expiredBefore producers that wrote last before this time (ms) count as unknown, and any sequence is taken
   *   from them, as Kafka does.
   */
  check(
    producerId: number,
    epoch: number,
    baseSequence: number,
    lastOffsetDelta: number,
    expiredBefore: number,
  ): SequenceCheck {
    const entry = this.#producers.get(producerId);
    if (entry === undefined || entry.lastTimestamp < expiredBefore) return APPEND_NEW;
    if (epoch < entry.epoch) return EPOCH_OLD;
    if (epoch > entry.epoch) return baseSequence === 0 ? APPEND : SEQUENCE_GAP;
    const lastSequence = (baseSequence + lastOffsetDelta) % SEQUENCE_WRAP;
    for (let i = 0; i < entry.count; i++) {
      const at = i * STRIDE;
      if (entry.batches[at] === baseSequence && entry.batches[at + 1] === lastSequence) {
        return { outcome: 'duplicate', baseOffset: entry.batches[at + 2] as number };
      }
    }
    return baseSequence === nextSequence(entry) ? APPEND : SEQUENCE_GAP;
  }

  /** Folds an accepted batch in. */
  record(
    producerId: number,
    epoch: number,
    baseSequence: number,
    lastOffsetDelta: number,
    baseOffset: number,
    timestamp: number,
  ): void {
    let entry = this.#producers.get(producerId);
    if (entry === undefined || !continues(entry, epoch, baseSequence, timestamp)) {
      // To the end of the map too, as if it had been dropped: whether and when it was must not show in a snapshot.
      this.#producers.delete(producerId);
      entry = {
        epoch,
        lastTimestamp: timestamp,
        count: 0,
        next: 0,
        batches: noBatches(),
      };
      this.#producers.set(producerId, entry);
    }
    const at = entry.next * STRIDE;
    entry.batches[at] = baseSequence;
    entry.batches[at + 1] = (baseSequence + lastOffsetDelta) % SEQUENCE_WRAP;
    entry.batches[at + 2] = baseOffset;
    entry.next = (entry.next + 1) % REMEMBERED_BATCHES;
    if (entry.count < REMEMBERED_BATCHES) entry.count += 1;
    entry.lastTimestamp = timestamp;
  }

  /** A marker of a later epoch fences the producer: what it sends next begins at sequence 0 of that epoch. */
  fence(producerId: number, epoch: number): void {
    const entry = this.#producers.get(producerId);
    if (entry === undefined || epoch <= entry.epoch) return;
    entry.epoch = epoch;
    entry.count = 0;
    // The ring begins anew: what is compared, and what a snapshot keeps, are its first `count` places.
    entry.next = 0;
  }

  /** Drops producers that wrote last before this time; returns how many stay. */
  expire(before: number): number {
    for (const [producerId, entry] of this.#producers) {
      if (entry.lastTimestamp < before) this.#producers.delete(producerId);
    }
    return this.#producers.size;
  }

  /** For people: the last sequence is -1 where none of the epoch is known. */
  *list(): Generator<{ producerId: number; epoch: number; lastSequence: number; lastTimestamp: number }> {
    for (const [producerId, entry] of this.#producers) {
      const { epoch, lastTimestamp } = entry;
      const lastSequence = entry.count === 0 ? -1 : (nextSequence(entry) + SEQUENCE_WRAP - 1) % SEQUENCE_WRAP;
      yield { producerId, epoch, lastSequence, lastTimestamp };
    }
  }

  snapshot(writer: StateWriter): void {
    writer.list(this.#producers, ([producerId, entry]) => {
      writer.i64(producerId).u16(entry.epoch).i64(entry.lastTimestamp).u8(entry.count).u8(entry.next);
      for (let i = 0; i < entry.count; i++) {
        const at = i * STRIDE;
        writer
          .i64(entry.batches[at] as number)
          .i64(entry.batches[at + 1] as number)
          .i64(entry.batches[at + 2] as number);
      }
    });
  }

  restore(reader: StateReader): void {
    reader.list(() => {
      const producerId = reader.i64();
      const entry: ProducerEntry = {
        epoch: reader.u16(),
        lastTimestamp: reader.i64(),
        count: reader.u8(),
        next: reader.u8(),
        batches: noBatches(),
      };
      if (entry.count > REMEMBERED_BATCHES || entry.next >= REMEMBERED_BATCHES) {
        throw new MillraceError('STORE_CORRUPT', `The checkpoint remembers ${entry.count} batches of a producer.`);
      }
      for (let i = 0; i < entry.count * STRIDE; i++) entry.batches[i] = reader.i64();
      this.#producers.set(producerId, entry);
    });
  }
}

/** In V8's heap: a typed array of that length costs several times what it holds, and there may be one in each of 100,000 partitions. */
function noBatches(): number[] {
  return Array.from({ length: REMEMBERED_BATCHES * STRIDE }, () => 0);
}

function nextSequence(entry: ProducerEntry): number {
  if (entry.count === 0) return 0;
  const newest = ((entry.next + REMEMBERED_BATCHES - 1) % REMEMBERED_BATCHES) * STRIDE;
  return ((entry.batches[newest + 1] as number) + 1) % SEQUENCE_WRAP;
}

/**
 * Whether an accepted batch belongs to what is remembered. One that does not was accepted because the producer had
 * expired: its old sequences must go, or a new record would pass for the repeat of an old one and be lost.
 */
function continues(entry: ProducerEntry, epoch: number, baseSequence: number, timestamp: number): boolean {
  if (epoch !== entry.epoch || baseSequence !== nextSequence(entry)) return false;
  return timestamp - entry.lastTimestamp <= PRODUCER_EXPIRATION_MS;
}
