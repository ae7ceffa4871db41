/**
 * Sends record objects to one topic as an idempotent producer: what is sent again after a lost answer or over a restart of
 * the broker is stored once. With a transactional id all of it is one transaction, or several in a row.
 */
import { MillraceError } from '../../base/errors.ts';
import { BatchBuilder } from '../../model/batch-builder.ts';
import { partitionOfKey } from '../../model/murmur2.ts';
import { foldTopicName } from '../../model/topic-name.ts';
import type { InputLine } from '../record-writer.ts';
import { type WrittenRange, WrittenRanges } from '../written-ranges.ts';
import type { PlacedBatch, ProducerSession } from './producer-session.ts';
import { parseRecordObject, type RecordObject } from './record-object.ts';

/** Of one request; a batch of one partition is at most the broker's default limit. */
const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_REQUEST_RECORDS = 10_000;
const SEQUENCE_WRAP = 0x8000_0000;

export interface IdempotentWriterOptions {
  readonly session: ProducerSession;
  readonly topic: string;
  readonly transactional: boolean;
  /** Of records that name none. */
  readonly partition: number | undefined;
  /** Records after which the transaction is committed and the next begun; undefined: one transaction for all. */
  readonly commitEvery: number | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class IdempotentWriter {
  readonly #options: IdempotentWriterOptions;
  readonly #pending = new Map<number, BatchBuilder>();
  readonly #ranges = new WrittenRanges();
  /** Next sequence, by partition. */
  readonly #sequences = new Map<number, number>();
  /** Partitions of the transaction that is open. */
  readonly #joined = new Set<number>();
  #topic: { readonly name: string; readonly partitionCount: number } | undefined;
  #pendingRecords = 0;
  #pendingBytes = 0;
  /** Keyless records of a request stay together; requests take turns. */
  #turn = 0;
  #committed = 0;
  #failed = false;

  constructor(options: IdempotentWriterOptions) {
    this.#options = options;
  }

  /** Records acknowledged; in a transaction they come to be with its commit. */
  get count(): number {
    return this.#ranges.count;
  }

  get topic(): string | undefined {
    return this.#topic?.name;
  }

  get partitions(): Iterable<WrittenRange> {
    return this.#ranges.values();
  }

  /** Takes one record object as JSON text; sends when enough have gathered. @param place for the message of a refusal. */
  async write(json: string, place?: InputLine): Promise<void> {
    await this.#add(parseRecordObject(json), place);
    const { commitEvery } = this.#options;
    const isFull = this.#pendingBytes >= MAX_REQUEST_BYTES || this.#pendingRecords >= MAX_REQUEST_RECORDS;
    const isDue = commitEvery !== undefined && this.count + this.#pendingRecords - this.#committed >= commitEvery;
    if (isFull || isDue) await this.flush();
    if (isDue) await this.commit();
  }

  /** Sends what has gathered. After a failure nothing more goes out. */
  async flush(): Promise<void> {
    if (this.#pendingRecords === 0) return;
    const topic = await this.#open();
    const batches: (PlacedBatch & { readonly count: number })[] = [];
    for (const [partition, builder] of this.#pending) {
      const { recordCount: count } = builder;
      if (count === 0) continue;
      const baseSequence = this.#sequences.get(partition) ?? 0;
      const producer = { ...this.#options.session.producer, baseSequence, transactional: this.#options.transactional };
      batches.push({ partition, batch: builder.build(producer), count });
      this.#sequences.set(partition, (baseSequence + count) % SEQUENCE_WRAP);
    }
    this.#pendingRecords = 0;
    this.#pendingBytes = 0;
    this.#turn += 1;
    try {
      await this.#join(batches);
      const offsets = await this.#options.session.produce(topic.name, batches);
      for (const [i, { partition, count }] of batches.entries())
        this.#ranges.add(partition, offsets[i] as number, count);
    } catch (error) {
      this.#failed = true;
      throw this.#withProgress(error);
    }
  }

  /** Ends the transaction that is open; what was sent comes to be. */
  async commit(): Promise<void> {
    if (!this.#options.transactional) return;
    if (this.#joined.size > 0) await this.#options.session.end(true);
    this.#joined.clear();
    this.#committed = this.count;
  }

  /** Ends the transaction that is open; what was sent since the last commit does not come to be. */
  async abort(): Promise<void> {
    if (this.#options.transactional && this.#joined.size > 0) await this.#options.session.end(false);
    this.#joined.clear();
  }

  async #add(record: RecordObject, place: InputLine | undefined): Promise<void> {
    if (this.#failed) throw new TypeError('A writer that failed is used again.');
    const { partitionCount } = await this.#open();
    const { key } = record;
    const partition =
      record.partition ??
      this.#options.partition ??
      (key === null ? this.#turn % partitionCount : partitionOfKey(key, partitionCount));
    if (partition >= partitionCount) {
      const where = place === undefined ? '' : ` It is line ${place.line} of ${place.input}.`;
      throw new MillraceError(
        'BROKER_PARTITION_NOT_FOUND',
        `Topic ${this.#options.topic} has ${partitionCount} partitions; there is no partition ${partition}.${where}`,
      );
    }
    const { value, headers, timestamp = this.#options.now() } = record;
    const input = { key, value, headers, timestamp };
    let builder = this.#pending.get(partition);
    if (builder === undefined) this.#pending.set(partition, (builder = new BatchBuilder()));
    const before = builder.sizeBytes;
    if (!builder.add(input)) {
      await this.flush();
      builder.add(input);
      this.#pendingBytes += builder.sizeBytes;
    } else this.#pendingBytes += builder.sizeBytes - before;
    this.#pendingRecords += 1;
  }

  async #open(): Promise<{ readonly name: string; readonly partitionCount: number }> {
    this.#topic ??= await this.#options.session.topic(foldTopicName(this.#options.topic));
    return this.#topic;
  }

  async #join(batches: readonly PlacedBatch[]): Promise<void> {
    if (!this.#options.transactional) return;
    const added = batches.map(({ partition }) => partition).filter((partition) => !this.#joined.has(partition));
    if (added.length === 0) return;
    await this.#options.session.addPartitions(this.#topic?.name ?? '', added);
    for (const partition of added) this.#joined.add(partition);
  }

  /** Whoever starts again after a failure must know how much is there already. */
  #withProgress(error: unknown): unknown {
    if (!(error instanceof MillraceError)) return error;
    const there = this.#options.transactional ? this.#committed : this.count;
    const what = this.#options.transactional ? 'committed' : 'written';
    return new MillraceError(error.code, `${error.message} ${there} records before were ${what}.`, {
      details: { ...error.details, written: there },
      cause: error,
    });
  }
}
