/**
 * Message ids of all partitions that remember any, as folded from the journal.
 *
 * Checkpoint section: u8 version 1, i64 lastAt (newest time of a command), list of (u32 partition, i64 windowMs, u32
 * maxEntries, list of seen (bytes id, i64 offset, i64 at), list of pending (bytes id, i64 offset, i64 producerId)).
 */
import { assert } from '../../base/errors.ts';
import type { StateReader, StateWriter } from '../../base/state-bytes.ts';
import type { LogStore } from '../../store/log-store.ts';
import { checkVersion } from '../groups/group-image.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import {
  type BatchRepeated,
  type MessageIdsSeen,
  readBatchRepeated,
  readMessageIdsSeen,
  type SeenId,
} from './message-id-commands.ts';
import { type MessageIdOutcome, MessageIdTable } from './message-id-table.ts';

const SECTION_VERSION = 1;

export class MessageIdsState implements StatePart {
  readonly section = CHECKPOINT_SECTION.MESSAGE_IDS;
  readonly commands = [COMMAND.MESSAGE_IDS_SEEN, COMMAND.BATCH_REPEATED];
  readonly #store: LogStore;
  /** By partition number. */
  readonly #tables = new Map<number, MessageIdTable>();
  #lastAt = 0;
  #sizeBytes = 0;

  constructor(store: LogStore) {
    this.#store = store;
  }

  /** Ids of all partitions. */
  get size(): number {
    let size = 0;
    for (const table of this.#tables.values()) size += table.size;
    return size;
  }

  /** Ids of one partition. */
  sizeOf(partition: number): number {
    return this.#tables.get(partition)?.size ?? 0;
  }

  /** Approximate memory of all partitions' ids. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Whether open transactions have brought ids that nobody can be sure of yet. */
  hasPending(partition: number): boolean {
    return (this.#tables.get(partition)?.pendingCount ?? 0) > 0;
  }

  /** @param since wall clock, milliseconds: where the window begins. */
  find(partition: number, id: string, since: number): MessageIdOutcome | undefined {
    return this.#tables.get(partition)?.find(id, since);
  }

  apply(type: number, body: Uint8Array): void {
    if (type === COMMAND.MESSAGE_IDS_SEEN) return this.#seen(readMessageIdsSeen(body));
    assert(type === COMMAND.BATCH_REPEATED, `command ${type} does not belong to message ids`);
    this.#repeated(readBatchRepeated(body));
  }

  /** Part of the fold of a transaction's end. */
  transactionEnded(partitions: Iterable<number>, producerId: number, committed: boolean, at: number): void {
    if (this.#tables.size === 0) return;
    for (const partition of partitions) {
      const table = this.#tables.get(partition);
      if (table !== undefined) this.#change(partition, table, () => table.ended(producerId, committed, at));
    }
  }

  /** Part of the fold of a topic's deletion. */
  topicDeleted(topic: Topic): void {
    if (this.#tables.size === 0) return;
    for (const { number } of topic.partitions) {
      this.#sizeBytes -= this.#tables.get(number)?.sizeBytes ?? 0;
      this.#tables.delete(number);
    }
  }

  /** Forgets what is outside of its window: partitions that nobody writes to would keep it for ever. */
  expire(now: number): void {
    for (const [partition, table] of this.#tables) this.#change(partition, table, () => table.expire(now));
  }

  snapshot(writer: StateWriter): void {
    // Not the clock's time: a checkpoint depends on the journal alone.
    this.expire(this.#lastAt);
    writer.u8(SECTION_VERSION).i64(this.#lastAt);
    writer.list(this.#tables, ([partition, table]) => {
      writer.u32(partition);
      table.snapshot(writer);
    });
  }

  restore(reader: StateReader): void {
    checkVersion('checkpoint section of message ids', reader.u8(), SECTION_VERSION);
    this.#lastAt = reader.i64();
    reader.list(() => {
      const table = new MessageIdTable();
      this.#tables.set(reader.u32(), table);
      table.restore(reader);
      this.#sizeBytes += table.sizeBytes;
    });
  }

  #seen({
    partition,
    at,
    limits,
    producerId,
    baseOffset,
    ids,
  }: MessageIdsSeen & { readonly ids: readonly SeenId[] }): void {
    this.#lastAt = Math.max(this.#lastAt, at);
    const table = this.#tables.get(partition) ?? new MessageIdTable();
    this.#tables.set(partition, table);
    this.#change(partition, table, () => {
      table.limits = limits;
      for (const { id, offsetDelta } of ids) {
        if (producerId < 0) table.add(id, baseOffset + offsetDelta, at);
        else table.addPending(id, baseOffset + offsetDelta, producerId);
      }
      table.trim(at);
    });
  }

  #repeated({
    partition,
    at,
    producerId,
    producerEpoch,
    baseSequence,
    lastOffsetDelta,
    baseOffset,
  }: BatchRepeated): void {
    const producers = this.#store.partition(partition)?.producersForUpdate();
    producers?.record(producerId, producerEpoch, baseSequence, lastOffsetDelta, baseOffset, at);
  }

  #change(partition: number, table: MessageIdTable, change: () => void): void {
    const before = table.sizeBytes;
    change();
    this.#sizeBytes += table.sizeBytes - before;
    if (table.size === 0) this.#tables.delete(partition);
  }
}
