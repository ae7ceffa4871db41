/**
 * What a back end provides. Everything else (codecs, batching, backpressure, partitioners, commit policies, iteration) is
 * written once above it, so that all back ends behave alike. `test/kit/client-contract.ts` is this interface's contract.
 */
import type { Clock } from '../base/clock.ts';
import type { AbortOptions } from './abort.ts';
import type { ExactPosition, Place } from './position.ts';
import type { PositionMark } from './position-marks.ts';
import type { EncodedRecord, RawRecord, RecordPlace } from './record.ts';
import type { BackendUri } from './uri.ts';

/** What a back end is opened with. */
export interface BackendContext {
  readonly uri: BackendUri;
  readonly clock: Clock;
  /** Numbers in [0, 1): for names that must not meet, and for jitter. */
  readonly random: () => number;
  /** Shown in the server's log and metrics, where it has such. */
  readonly clientId: string;
  /** Options for the library under the back end, passed as they are. */
  readonly library: Readonly<Record<string, unknown>>;
}

/** Loads a back end. Its module is imported when a URI asks for it, with the library it needs. */
export type BackendLoader = (context: BackendContext) => Promise<Backend>;

/** What a back end can. What it cannot is refused with CLIENT_UNSUPPORTED before anything is sent. */
export interface Features {
  readonly keys: boolean;
  readonly headers: boolean;
  /** Records without a value. */
  readonly tombstones: boolean;
  readonly partitions: boolean;
  readonly seek: boolean;
  /** Committed positions that outlive the consumer. */
  readonly resumable: boolean;
  readonly loadBalanced: boolean;
  /** Load-balanced groups hand out and acknowledge records one by one, not partitions with a position in each. */
  readonly acknowledgesRecords: boolean;
  /** Writes to several partitions, and positions of groups, that count all or not at all. */
  readonly transactions: boolean;
  /** Writes on condition that a partition still ends where its writer saw it end. */
  readonly conditionalAppends: boolean;
  /** A partition's first record has offset 0, so a later start says that records are gone. */
  readonly offsetsFromZero: boolean;
}

/** A back end: makes writers and readers. Programs with one of their own give it to `createConnect`. */
export interface Backend {
  /** For messages: `memory`, `kafka`. */
  readonly name: string;
  readonly features: Features;
  readonly admin: BackendAdmin | undefined;
  openWriter(options: WriterOptions): Promise<Writer>;
  /** Resolves when the reader stands where it was told to: what is written from then on is behind `latest`. */
  openReader(options: ReaderOptions): Promise<Reader>;
  /** Where there are transactions: resolves when whoever else used this id is fenced, and what he left open is aborted. */
  openTransactions?(options: TransactionOptions): Promise<TransactionalWriter>;
  /** Where there are conditional appends. */
  openConditionalWriter?(): Promise<ConditionalWriter>;
  /** Called once, after all writers and readers are closed. */
  close(): Promise<void>;
}

/** How safe a record is before its receipt comes: on stable storage, handed to the system, or only sent. */
export type Acks = 'all' | 'leader' | 'none';

/** What a writer is opened with. */
export interface WriterOptions {
  readonly acks: Acks;
  readonly idempotent: boolean;
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
}

/** Records of one partition that are written together. */
export interface WriteBatch {
  readonly topic: string;
  readonly partition: number;
  /** At least one, in order. */
  readonly records: readonly EncodedRecord[];
}

/** Offset of each record, by its index in the batch. */
export type Offsets = (index: number) => bigint;

/** Writes records for a producer. */
export interface Writer {
  /** @throws MillraceError CLIENT_TOPIC_NOT_FOUND where there is no such topic and none can be made. */
  partitionCount(topic: string): Promise<number>;
  /**
   * Calls are written in the order they are made, also of one partition: the producer may have several on the way. Left out, it
   * never has two of one partition on the way, so order holds all the same.
   */
  readonly ordered?: boolean;
  /**
   * Writes batches of different partitions.
   * Retries what can be retried for as long as the back end's own limits allow.
   * @returns one entry per batch, in order: its offsets, or why it failed. Throws only what concerns them all.
   */
  write(batches: readonly WriteBatch[]): Promise<readonly (Offsets | Error)[]>;
  close(): Promise<void>;
}

/** What came of a conditional append: the records' offsets, or that the partition had moved on and nothing was written. */
export type ConditionalOutcome =
  | { readonly outcome: 'written'; readonly offsets: Offsets }
  | { readonly outcome: 'moved' };

/** Writes that happen only if nobody else wrote meanwhile. */
export interface ConditionalWriter {
  /**
   * Writes all of the batch if the partition ends at `endOffset` at that moment, or nothing; 0 for a topic that is not there.
   * Repeated until it is answered, and written once. Abort: it may still be written.
   */
  append(batch: WriteBatch, endOffset: bigint, options: AbortOptions): Promise<ConditionalOutcome>;
  close(): Promise<void>;
}

/** What transactions are opened with. */
export interface TransactionOptions {
  /** Of one program at a time: a newer one fences the older. */
  readonly transactionalId: string;
  readonly compression: WriterOptions['compression'];
  /** The server aborts a transaction that is open for longer. */
  readonly timeoutMs: number;
}

/** A writer whose writes belong to a transaction, which begins with the first of them. Calls are made one after the other. */
export interface TransactionalWriter extends Writer {
  /** Positions of a group become part of the transaction. @throws MillraceError of kind `refresh` where the membership is over. */
  writePositions(positions: GroupPositions): Promise<void>;
  /** @throws MillraceError; unknown whether it counts where the kind is `retry`: opening the id again settles it. */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

/** Where a group goes on, in some partitions. */
export interface GroupPositions {
  readonly group: string;
  readonly positions: readonly PositionMark[];
  /** Of the member that read up to there; undefined for groups of one consumer. */
  readonly membership: Membership | undefined;
}

/** Who a member of a load-balanced group is, and since which assignment. */
export interface Membership {
  readonly memberId: string;
  readonly generation: number;
}

/** How a consumer stands to others: alone, alone with a memory, or one of many. */
export type ReaderMode =
  | { readonly type: 'real-time' }
  | { readonly type: 'resumable'; readonly group: string }
  | { readonly type: 'load-balanced'; readonly group: string };

/** What a reader is opened with. */
export interface ReaderOptions {
  readonly mode: ReaderMode;
  readonly topics: readonly string[];
  /** Only these; left out means all partitions, or with groups the share that this member gets. */
  readonly partitions?: readonly Required<Place>[] | undefined;
  /** Where to start; with groups only where nothing is committed. */
  readonly from: ExactPosition;
  /** End where the topics end when the reader opens, instead of waiting for more. */
  readonly untilEnd: boolean;
}

/** Of one read. */
export interface ReadOptions extends AbortOptions {
  /** At most so many records. */
  readonly maxRecords: number;
}

/** Reads topics for a consumer. */
export interface Reader {
  /**
   * Waits for records. Called by one caller at a time.
   * @returns at least one record, or undefined at the end (`untilEnd`, or a source that ends).
   * @throws MillraceError CLIENT_ABORTED, CLIENT_CLOSED when closed meanwhile.
   */
  read(options: ReadOptions): Promise<readonly RawRecord[] | undefined>;
  /** The record is processed; kept in memory until `commit`. Ignored where the partition now belongs to another member. */
  mark(place: RecordPlace): void;
  /**
   * Partitions being read; the same object for as long as one stays with this reader, and its position is not moved by hand.
   * Undefined where a source does not say what is in it before it is read.
   */
  partitions(): readonly Required<Place>[] | undefined;
  /** The membership as of which `partitions` stands, in load-balanced groups of back ends with transactions. */
  membership?(): Membership | undefined;
  /** With transactions: marks are taken for one instead of being committed. */
  takeMarks?(): readonly PositionMark[];
  /** Makes marks durable. Called by one caller at a time. */
  commit(): Promise<void>;
  /** Forgets marks of what it moves. */
  seek(position: ExactPosition, place: Place): Promise<void>;
  /** Reads these partitions from now on, each from its mark, its committed position or `from`. Not with load-balanced groups. */
  assign(partitions: readonly Required<Place>[]): Promise<void>;
  /** Leaves the group, where there is one. Marks that are not committed are dropped. */
  close(): Promise<void>;
}

/** What a partition holds, by its offsets. */
export interface PartitionFacts {
  readonly partition: number;
  /** Oldest offset that can be read. */
  readonly startOffset: bigint;
  /** Offset after the last readable record. */
  readonly endOffset: bigint;
}

/** A topic and its partitions as they are now. */
export interface TopicFacts {
  readonly topic: string;
  readonly partitions: readonly PartitionFacts[];
}

/** Options of a new topic; what is left out, the back end settles. */
export interface CreateTopicOptions extends AbortOptions {
  readonly partitions?: number | undefined;
  /** Settings by the back end's own names, for example `retention.ms`. */
  readonly config?: Readonly<Record<string, string>> | undefined;
}

/** What stays of a topic: its newest records, so many in each partition, or those of this time and later. */
export type TrimLimit = { readonly keepRecords: number } | { readonly fromTimestamp: number };

/** Topics of a back end, where it has such to manage. */
export interface BackendAdmin {
  createTopic(topic: string, options: CreateTopicOptions): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  /** Names, sorted. */
  listTopics(): Promise<string[]>;
  /** @throws MillraceError CLIENT_TOPIC_NOT_FOUND. */
  describeTopic(topic: string): Promise<TopicFacts>;
  /** Deletes the oldest records. @throws MillraceError CLIENT_TOPIC_NOT_FOUND. */
  trimTopic?(topic: string, limit: TrimLimit): Promise<void>;
}
