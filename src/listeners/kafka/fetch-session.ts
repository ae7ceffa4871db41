/**
 * One fetch session (KIP-227): which partitions a consumer reads, from where, and what it was told of each. Its requests
 * name what changed, its answers leave out what did not, and what is done for a request depends on what happened, not on
 * how many partitions there are: the session waits on its partitions all the time and keeps those with news in `ready`.
 *
 * ```
 *  request ──► update, forget ──► ready: entries that may have something to say ──► fetch ──► answer: those that have
 *                                   ▲ partition advanced or gone                                │ nothing left: out
 *                                   └───────────────────────────────────────────────────────────┘ else: to the end
 * ```
 * An entry leaves `ready` only when its consumer stands at the end, knows the end, and no error is to be told. The move
 * of a log start alone is told with the next news of the partition.
 */
import type { Topic } from '../../broker/topic.ts';
import type { Partition, PartitionWaiter } from '../../store/partition.ts';

/** Memory of one entry with its places in maps and sets, approximately. */
export const ENTRY_BYTES = 512;
/** Memory of a session without entries, approximately. */
export const SESSION_BYTES = 1024;

const FIRST_INCREMENTAL_EPOCH = 1;
const LAST_EPOCH = 0x7fff_ffff;

export interface TopicRef {
  readonly topic: Topic | undefined;
  /** To version 12: UTF-8, as the client wrote it. */
  readonly topicName: Uint8Array;
  /** From version 13 on. */
  readonly topicId: string;
}

/** One partition of a session. */
export class SessionEntry {
  ref: TopicRef;
  readonly partitionIndex: number;
  partition: Partition | undefined;
  offset = 0;
  maxBytes = 0;
  currentLeaderEpoch = -1;
  /** What the client was told last; -1: nothing, or an error. */
  highWatermark = -1;
  lastStableOffset = -1;
  logStartOffset = -1;
  removed = false;

  constructor(ref: TopicRef, partitionIndex: number) {
    this.ref = ref;
    this.partitionIndex = partitionIndex;
  }
}

/** A fetch that waits for news of the session. */
export interface SessionFetch {
  /** Before `advanced`, `trimmed` or `gone`: the entry belongs to the fetch now. */
  include(entry: SessionEntry): void;
  advanced(partition: Partition, bytes: number): void;
  trimmed(partition: Partition): void;
  gone(): void;
}

export class FetchSession implements PartitionWaiter {
  readonly id: number;
  /** Topics are named by id, else by name. */
  readonly byId: boolean;
  readonly createdAt: number;
  /** Monotonic, milliseconds. */
  usedAt: number;
  /** That the next request must have. */
  epoch = FIRST_INCREMENTAL_EPOCH;
  readonly ready = new Set<SessionEntry>();
  /** By topic as the client names it, then by partition index. */
  readonly #topics = new Map<string, Map<number, SessionEntry>>();
  readonly #byPartition = new Map<Partition, SessionEntry>();
  readonly #waiting = new Set<SessionFetch>();
  #size = 0;

  constructor(id: number, byId: boolean, now: number) {
    this.id = id;
    this.byId = byId;
    this.createdAt = now;
    this.usedAt = now;
  }

  /** Entries. */
  get size(): number {
    return this.#size;
  }

  get sizeBytes(): number {
    return SESSION_BYTES + this.#size * ENTRY_BYTES;
  }

  /** After the largest epoch comes 1: 0 would ask for a new session. */
  advanceEpoch(): void {
    this.epoch = this.epoch === LAST_EPOCH ? FIRST_INCREMENTAL_EPOCH : this.epoch + 1;
  }

  /** The entry of a partition, made where it is new. @param topicKey name or id, as the client wrote it. */
  entry(topicKey: string, ref: TopicRef, partitionIndex: number): SessionEntry {
    let partitions = this.#topics.get(topicKey);
    if (partitions === undefined) this.#topics.set(topicKey, (partitions = new Map()));
    let entry = partitions.get(partitionIndex);
    if (entry === undefined) {
      entry = new SessionEntry(ref, partitionIndex);
      partitions.set(partitionIndex, entry);
      this.#size += 1;
    }
    this.resolve(entry, ref);
    this.ready.add(entry);
    return entry;
  }

  /** The topic may have been made, deleted, or made again since. */
  resolve(entry: SessionEntry, ref: TopicRef): void {
    entry.ref = ref;
    const partition = ref.topic?.partition(entry.partitionIndex);
    if (partition === entry.partition) return;
    this.#leave(entry);
    entry.partition = partition;
    if (partition === undefined) return;
    this.#byPartition.set(partition, entry);
    partition.wait(this);
  }

  forget(topicKey: string, partitionIndex: number): void {
    const partitions = this.#topics.get(topicKey);
    const entry = partitions?.get(partitionIndex);
    if (partitions === undefined || entry === undefined) return;
    partitions.delete(partitionIndex);
    if (partitions.size === 0) this.#topics.delete(topicKey);
    this.#size -= 1;
    this.#drop(entry);
  }

  close(): void {
    for (const partitions of this.#topics.values()) for (const entry of partitions.values()) this.#drop(entry);
    this.#topics.clear();
    this.#size = 0;
  }

  wait(fetch: SessionFetch): void {
    this.#waiting.add(fetch);
  }

  stopWaiting(fetch: SessionFetch): void {
    this.#waiting.delete(fetch);
  }

  advanced(partition: Partition, bytes: number): void {
    const entry = this.#news(partition);
    if (entry === undefined || this.#waiting.size === 0) return;
    for (const fetch of [...this.#waiting]) {
      fetch.include(entry);
      fetch.advanced(partition, bytes);
    }
  }

  trimmed(partition: Partition): void {
    const entry = this.#news(partition);
    if (entry === undefined) return;
    for (const fetch of [...this.#waiting]) {
      fetch.include(entry);
      fetch.trimmed(partition);
    }
  }

  gone(partition: Partition): void {
    const entry = this.#news(partition);
    if (entry === undefined) return;
    for (const fetch of [...this.#waiting]) {
      fetch.include(entry);
      fetch.gone();
    }
  }

  #news(partition: Partition): SessionEntry | undefined {
    const entry = this.#byPartition.get(partition);
    if (entry !== undefined) this.ready.add(entry);
    return entry;
  }

  #drop(entry: SessionEntry): void {
    entry.removed = true;
    this.ready.delete(entry);
    this.#leave(entry);
  }

  #leave({ partition }: SessionEntry): void {
    if (partition === undefined) return;
    partition.stopWaiting(this);
    this.#byPartition.delete(partition);
  }
}
