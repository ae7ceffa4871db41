/**
 * Message ids that one partition remembers: each with the offset of the record that brought it, oldest first. Ids of open
 * transactions stand apart: they count when their transaction commits, and are forgotten when it aborts, because its
 * records never come to be and the next attempt must be stored.
 *
 * An id is a string of its bytes (latin1). Folded from commands that carry times and limits, so that the same commands
 * give the same table; `expire` takes away only what no longer has an effect.
 */
import { asBuffer } from '../../base/bytes.ts';
import type { StateReader, StateWriter } from '../../base/state-bytes.ts';

/** How much a partition remembers. */
export interface MessageIdLimits {
  /** An id counts as seen for so long. */
  readonly windowMs: number;
  /** Beyond so many the oldest are forgotten. */
  readonly maxEntries: number;
}

interface Seen {
  readonly offset: number;
  /** Wall clock, milliseconds. */
  readonly at: number;
}

interface Pending {
  readonly producerId: number;
  readonly offset: number;
}

/** What is known of an id. */
export type MessageIdOutcome =
  | { readonly kind: 'seen'; readonly offset: number }
  /** In the open transaction of this producer. */
  | { readonly kind: 'pending'; readonly offset: number; readonly producerId: number };

/** An entry with its map slot, two objects and the head of a string; the id itself comes on top. Approximate. */
const ENTRY_BYTES = 120;

export class MessageIdTable {
  limits: MessageIdLimits = { windowMs: 0, maxEntries: 0 };
  readonly #seen = new Map<string, Seen>();
  readonly #pending = new Map<string, Pending>();
  /**
   * Goes through `#seen` from the oldest on and stays: a new iterator for each step would walk over all the holes that
   * deleted entries have left.
   */
  #walk: Iterator<[string, Seen]> | undefined;
  #oldest: readonly [string, Seen] | undefined;
  #sizeBytes = 0;

  get size(): number {
    return this.#seen.size + this.#pending.size;
  }

  /** Approximate memory. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** @param since ids seen before this time (wall clock, milliseconds) are outside of the window. */
  find(id: string, since: number): MessageIdOutcome | undefined {
    const seen = this.#seen.get(id);
    if (seen !== undefined && seen.at >= since) return { kind: 'seen', offset: seen.offset };
    const pending = this.#pending.get(id);
    return pending === undefined ? undefined : { kind: 'pending', ...pending };
  }

  add(id: string, offset: number, at: number): void {
    // To the end, also where an older one was still there: the order is that of time.
    if (!this.#seen.delete(id)) this.#sizeBytes += ENTRY_BYTES + id.length;
    this.#seen.set(id, { offset, at });
  }

  addPending(id: string, offset: number, producerId: number): void {
    if (!this.#pending.delete(id)) this.#sizeBytes += ENTRY_BYTES + id.length;
    this.#pending.set(id, { producerId, offset });
  }

  /** The producer's transaction has ended at this time. */
  ended(producerId: number, committed: boolean, at: number): void {
    for (const [id, pending] of this.#pending) {
      if (pending.producerId !== producerId) continue;
      this.#forgetPending(id);
      if (committed) this.add(id, pending.offset, at);
    }
    this.trim(at);
  }

  /** Forgets what is outside of the window, and the oldest beyond the limit. */
  trim(now: number): void {
    this.expire(now);
    while (this.#seen.size > this.limits.maxEntries) this.#forgetOldest();
    // A transaction with more ids than are remembered at all: those that it brought last are kept.
    for (const id of this.#pending.keys()) {
      if (this.#pending.size <= this.limits.maxEntries) break;
      this.#forgetPending(id);
    }
  }

  /** Forgets what is outside of the window. */
  expire(now: number): void {
    const since = now - this.limits.windowMs;
    for (let oldest = this.#peek(); oldest !== undefined && oldest[1].at < since; oldest = this.#peek()) {
      this.#forgetOldest();
    }
  }

  snapshot(writer: StateWriter): void {
    writer.i64(this.limits.windowMs).u32(this.limits.maxEntries);
    writer.list(this.#seen, ([id, { offset, at }]) => writer.bytes(bytesOf(id)).i64(offset).i64(at));
    writer.list(this.#pending, ([id, { producerId, offset }]) => writer.bytes(bytesOf(id)).i64(offset).i64(producerId));
  }

  restore(reader: StateReader): void {
    this.limits = { windowMs: reader.i64(), maxEntries: reader.u32() };
    reader.list(() => this.add(idOf(reader.bytes()), reader.i64(), reader.i64()));
    reader.list(() => this.addPending(idOf(reader.bytes()), reader.i64(), reader.i64()));
  }

  /** The oldest that is still there. */
  #peek(): readonly [string, Seen] | undefined {
    for (;;) {
      const [id, seen] = this.#oldest ?? [];
      if (id !== undefined && this.#seen.get(id) === seen) return this.#oldest;
      if (this.#seen.size === 0) return undefined;
      this.#walk ??= this.#seen.entries();
      const next = this.#walk.next();
      // An iterator that has come to the end stays there; the map may have grown since.
      if (next.done === true) this.#walk = undefined;
      else this.#oldest = next.value;
    }
  }

  #forgetOldest(): void {
    const oldest = this.#peek();
    if (oldest === undefined) return;
    this.#seen.delete(oldest[0]);
    this.#sizeBytes -= ENTRY_BYTES + oldest[0].length;
    this.#oldest = undefined;
  }

  #forgetPending(id: string): void {
    this.#pending.delete(id);
    this.#sizeBytes -= ENTRY_BYTES + id.length;
  }
}

export function idOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

export function bytesOf(id: string): Uint8Array {
  return Buffer.from(id, 'latin1');
}
