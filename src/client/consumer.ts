/**
 * Consumers: records as an async iterable. Asking for the next record (or batch) says that the last is processed; only
 * processed records are committed.
 *
 *   read ─► records of one read ─► one by one to the program ─► next asked: mark ─► commit, as the policy says
 *
 * Leaving a loop with `break` or an error leaves its record unprocessed: unless the program goes on reading from the same
 * consumer, it comes again after a restart. Call `commit()` before `break` to keep it.
 */
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { type AbortOptions, throwIfAborted, within } from './abort.ts';
import type { GroupPositions, Membership, Reader } from './backend.ts';
import { type Codec, decodePart, string } from './codec.ts';
import type { CommitPolicy } from './commit-policy.ts';
import { exactPolicy } from './commit-policy.ts';
import { Committer } from './committer.ts';
import { RecordHeaders } from './headers.ts';
import { exactPosition, type Place, type Position } from './position.ts';
import { covers } from './position-marks.ts';
import type { ConsumedRecord, RawRecord, RecordPlace } from './record.ts';
import { RecordLoop } from './record-loop.ts';

/** What to do with a record whose key or value does not fit its codec. */
export type Undecodable =
  /** Throws CLIENT_DECODE_FAILED and stands before the record, so that nothing is skipped silently. */
  | 'stop'
  | 'skip'
  /** Called with the record as bytes; when it returns, the record counts as processed. */
  | ((record: RawRecord, error: MillraceError) => void | Promise<void>);

interface CommonOptions<Value, Key, Headers> {
  /** How bytes become values. */
  readonly value: Codec<Value, never>;
  /** Default: `string()`. Keys may always be null. */
  readonly key?: Codec<Key, never> | undefined;
  readonly headers?: Headers | undefined;
  /** Default: the URI's topics. */
  readonly topics?: string | readonly string[] | undefined;
  /** End where the topics end when the consumer opens, instead of waiting for more. */
  readonly until?: 'end' | undefined;
  /** Most records of one read. Default 1,000. */
  readonly maxReadRecords?: number | undefined;
  /** Default `stop`. */
  readonly onUndecodable?: Undecodable | undefined;
  /** Longest wait of `close` for the last commit. Default 30,000. */
  readonly closeTimeoutMs?: number | undefined;
}

/** Mode `real-time`: everybody sees everything, nothing is committed. */
export interface RealTimeOptions {
  /** Everybody sees everything; nothing is committed. */
  readonly mode?: 'real-time' | undefined;
  /** Default `latest`. */
  readonly from?: Position | undefined;
  /** Only these partitions. */
  readonly partitions?: readonly Required<Place>[] | undefined;
  readonly group?: never;
  readonly commit?: never;
}

/** Mode `resumable`: goes on where it committed. */
export interface ResumableOptions {
  /** One consumer that goes on where it committed, also after a crash. */
  readonly mode: 'resumable';
  /** The name under which it commits. One consumer at a time may use it. */
  readonly group: string;
  /** Where to start when nothing is committed. Default `earliest`: a consumer that starts late misses nothing. */
  readonly from?: Position | undefined;
  readonly partitions?: readonly Required<Place>[] | undefined;
  /** Default `after-processing`. */
  readonly commit?: CommitPolicy | undefined;
}

/** Mode `load-balanced`: the members of a group share the records. */
export interface LoadBalancedOptions {
  /** The members of a group share the records; each goes to one of them. */
  readonly mode: 'load-balanced';
  readonly group: string;
  /** As above. */
  readonly from?: Position | undefined;
  readonly partitions?: never;
  /** Default `after-processing`. */
  readonly commit?: CommitPolicy | undefined;
}

export type ModeOptions = RealTimeOptions | ResumableOptions | LoadBalancedOptions;
/** Options of `client.consumer()`: topics, codecs, and the mode with what belongs to it. */
export type ConsumerOptions<Value, Key = string, Headers = undefined> = CommonOptions<Value, Key, Headers> &
  ModeOptions;

/** Records of one read, or fewer: see `batches`. */
export interface RecordBatch<Value, Key, Headers> {
  readonly records: readonly ConsumedRecord<Value, Key, Headers>[];
}

/** For `millrace/process`: records that are processed when it says so, in whatever order. */
export interface Pulled<Value, Key, Headers> {
  readonly records: readonly ConsumedRecord<Value, Key, Headers>[];
  /** All that the position moved over: also what `onUndecodable` took care of. */
  readonly places: readonly RecordPlace[];
}

/** Options of `batches`. */
export interface BatchOptions extends AbortOptions {
  /** At most so many. Default: all of one read. */
  readonly maxRecords?: number | undefined;
}

/** What a consumer needs from its client. */
export interface ConsumerParts {
  readonly reader: Reader;
  readonly clock: Clock;
  readonly onClose: () => void;
}

const DEFAULT_MAX_READ_RECORDS = 1000;
const DEFAULT_CLOSE_TIMEOUT_MS = 30_000;

/** Records as an async iterable. Asking for the next says that the last is processed; only what is processed is committed. */
export class Consumer<Value, Key = string, Headers = undefined>
  implements AsyncIterable<ConsumedRecord<Value, Key, Headers>>, AsyncDisposable
{
  readonly #parts: ConsumerParts;
  readonly #options: ConsumerOptions<Value, Key, Headers>;
  readonly #keyCodec: Codec<Key, never>;
  /** Of all records without: most have none. */
  readonly #noHeaders: RecordHeaders<Headers>;
  readonly #committer: Committer;
  readonly #policy: CommitPolicy;
  /** Ends a read that waits when the consumer closes. */
  readonly #closed = new AbortController();
  /** Records of the last read, and how many of them were given out or skipped. */
  #read: readonly RawRecord[] = [];
  #taken = 0;
  /** Given out, and processed once the next is asked for. */
  #given: readonly RawRecord[] = [];
  #ended = false;
  #busy = false;
  /** The caller's signal joined with `#closed`; made once a signal. */
  #joined: { readonly of: AbortSignal; readonly signal: AbortSignal } | undefined;
  #closing: Promise<void> | undefined;

  /** @internal Use `client.consumer()`. */
  constructor(parts: ConsumerParts, options: ConsumerOptions<Value, Key, Headers>) {
    this.#parts = parts;
    this.#options = options;
    this.#keyCodec = options.key ?? (string() as unknown as Codec<Key, never>);
    this.#noHeaders = new RecordHeaders<Headers>([], options.headers as Headers);
    this.#policy = options.commit ?? (isRealTime(options) ? 'none' : 'after-processing');
    this.#committer = new Committer(parts.reader, exactPolicy(this.#policy), parts.clock);
  }

  /**
   * The next record; undefined when there are no more (`until: 'end'`, a pipe that ended, or the consumer closed).
   * @throws MillraceError CLIENT_ABORTED (nothing is lost: the next call goes on), CLIENT_DECODE_FAILED, CLIENT_NETWORK.
   */
  async next(options: AbortOptions = {}): Promise<ConsumedRecord<Value, Key, Headers> | undefined> {
    const [record] = await this.#nextBatch(1, options.signal);
    return record;
  }

  /** Records one by one. */
  records(options: AbortOptions = {}): AsyncGenerator<ConsumedRecord<Value, Key, Headers>, void, undefined> {
    return new RecordLoop(
      () => this.#atHand(options.signal),
      async () => await this.next(options),
    );
  }

  /** Records in batches, at least one in each: for programs that are faster with many. */
  async *batches(options: BatchOptions = {}): AsyncGenerator<RecordBatch<Value, Key, Headers>, void, undefined> {
    for (;;) {
      const records = await this.#nextBatch(options.maxRecords ?? Number.POSITIVE_INFINITY, options.signal);
      if (records.length === 0) return;
      yield { records };
    }
  }

  /**
   * The records of one read, which do not count as processed when the next are asked for. Not to be mixed with the loops above.
   * @internal For `millrace/process`.
   * @returns undefined at the end.
   */
  async pull({ signal }: AbortOptions = {}): Promise<Pulled<Value, Key, Headers> | undefined> {
    const records = await this.#nextBatch(Number.POSITIVE_INFINITY, signal);
    const places = this.#given;
    this.#given = [];
    return records.length === 0 && places.length === 0 ? undefined : { records, places };
  }

  /**
   * What `transaction.commitPositions` commits.
   * @internal
   * @throws MillraceError CLIENT_COMMIT_NOT_ALLOWED, CLIENT_UNSUPPORTED.
   */
  takePositions(): GroupPositions {
    this.#checkOpen();
    const { group } = this.#options;
    const { reader } = this.#parts;
    if (group === undefined || this.#policy !== 'manual')
      throw new MillraceError(
        'CLIENT_COMMIT_NOT_ALLOWED',
        "A transaction commits positions of a consumer with a group and the policy 'manual'.",
      );
    if (reader.takeMarks === undefined)
      throw new MillraceError('CLIENT_UNSUPPORTED', 'This back end has no transactions.');
    this.#finishGiven();
    return { group, positions: reader.takeMarks(), membership: reader.membership?.() };
  }

  /** @internal */
  get membership(): Membership | undefined {
    return this.#parts.reader.membership?.();
  }

  /** @internal With policy `manual`: part of the next `commit`. In `resumable` mode all records before it count, too. */
  markProcessed(place: RecordPlace): void {
    this.#parts.reader.mark(place);
  }

  /** @internal Partitions being read; the same object for as long as one stays with this consumer. */
  get partitions(): readonly Required<Place>[] {
    return this.#parts.reader.partitions() ?? [];
  }

  [Symbol.asyncIterator](): AsyncGenerator<ConsumedRecord<Value, Key, Headers>, void, undefined> {
    return this.records();
  }

  /**
   * Commits all records that were given out, the last one included, and resolves when that is durable.
   * A server that is away is waited for.
   * @throws MillraceError CLIENT_COMMIT_NOT_ALLOWED in mode real-time and with the policy `none`. Abort: it may still commit.
   */
  async commit({ signal }: AbortOptions = {}): Promise<void> {
    throwIfAborted(signal);
    this.#checkOpen();
    if (isRealTime(this.#options))
      throw new MillraceError(
        'CLIENT_COMMIT_NOT_ALLOWED',
        'A real-time consumer has nothing to commit; use resumable or load-balanced.',
      );
    if (this.#policy === 'none')
      throw new MillraceError('CLIENT_COMMIT_NOT_ALLOWED', "This consumer never commits: its policy is 'none'.");
    this.#finishGiven();
    await this.#committer.commit(signal);
  }

  /** Goes to a position, in all partitions or in some; the next record comes from there. */
  async seek(position: Position, place: Place = {}): Promise<void> {
    await this.#move(() => this.#parts.reader.seek(exactPosition(position), place));
  }

  /** Back to the oldest record there is. */
  async rewind(place: Place = {}): Promise<void> {
    await this.seek('earliest', place);
  }

  /**
   * Reads these partitions from now on, and no others.
   * @throws MillraceError CLIENT_UNSUPPORTED in load-balanced groups; CLIENT_OPTION_INVALID for one that is not there: the others
   *   are read.
   */
  async assign(partitions: readonly Required<Place>[]): Promise<void> {
    if (this.#options.mode === 'load-balanced')
      throw new MillraceError('CLIENT_UNSUPPORTED', 'In a load-balanced group the group assigns the partitions.');
    await this.#move(() => this.#parts.reader.assign(partitions));
    requirePartitions(this.#parts.reader, partitions);
  }

  /**
   * Ends loops over this consumer, commits what is processed (as the policy says) and releases all. Safe to call twice.
   * The record in work is not processed yet, so it is not committed.
   * @throws MillraceError CLIENT_TIMED_OUT where the last commit took longer than `closeTimeoutMs`: all is released, and what was
   *   not committed comes again.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    const { reader, onClose, clock } = this.#parts;
    const limitMs = this.#options.closeTimeoutMs ?? DEFAULT_CLOSE_TIMEOUT_MS;
    try {
      await within(clock, limitMs, 'Committing what is processed', this.#committer.stop());
    } finally {
      onClose();
      await reader.close();
    }
  }

  /** Empty at the end. */
  async #nextBatch(
    maxRecords: number,
    signal: AbortSignal | undefined,
  ): Promise<ConsumedRecord<Value, Key, Headers>[]> {
    if (this.#busy)
      throw new MillraceError('CLIENT_OPTION_INVALID', 'Another loop over this consumer waits for records already.');
    this.#busy = true;
    try {
      throwIfAborted(signal);
      this.#committer.throwFailure();
      for (;;) {
        if (this.#finishGiven()) await this.#committer.commit(signal);
        if (this.#closing !== undefined || (this.#taken >= this.#read.length && !(await this.#fill(signal)))) return [];
        const records = await this.#decode(maxRecords);
        if (records.length > 0) return records;
      }
    } finally {
      this.#busy = false;
    }
  }

  /** The next record of the last read, where nothing has to be waited for: no commit, and nobody who sees to what does not decode. */
  #atHand(signal: AbortSignal | undefined): ConsumedRecord<Value, Key, Headers> | undefined {
    const raw = this.#read[this.#taken];
    if (raw === undefined || this.#busy || this.#closing !== undefined || signal?.aborted === true) return undefined;
    if (this.#committer.hasFailed || this.#finishGiven()) return undefined;
    let record: ConsumedRecord<Value, Key, Headers>;
    try {
      record = this.#decodeOne(raw);
    } catch {
      // Again, by `next`, which knows what to do about it.
      return undefined;
    }
    this.#given = [raw];
    this.#taken += 1;
    return record;
  }

  /** What was given out is processed. @returns true where the policy wants a commit. */
  #finishGiven(): boolean {
    const given = this.#given;
    this.#given = [];
    return this.#committer.processed(given, this.#taken >= this.#read.length);
  }

  /** @returns false at the end. */
  async #fill(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#ended) return false;
    const closed = this.#closed.signal;
    try {
      const read = await this.#parts.reader.read({
        maxRecords: this.#options.maxReadRecords ?? DEFAULT_MAX_READ_RECORDS,
        signal: this.#joinedWithClosed(signal),
      });
      this.#read = read ?? [];
      this.#taken = 0;
      this.#ended = read === undefined;
      return !this.#ended;
    } catch (error) {
      if (closed.aborted) return false;
      throw error;
    }
  }

  #joinedWithClosed(signal: AbortSignal | undefined): AbortSignal {
    if (signal === undefined) return this.#closed.signal;
    if (this.#joined?.of !== signal)
      this.#joined = { of: signal, signal: AbortSignal.any([signal, this.#closed.signal]) };
    return this.#joined.signal;
  }

  /** Up to `maxRecords` of the last read. Stops before a record that cannot be decoded, once there are others to give. */
  async #decode(maxRecords: number): Promise<ConsumedRecord<Value, Key, Headers>[]> {
    const decoded: ConsumedRecord<Value, Key, Headers>[] = [];
    const first = this.#taken;
    while (this.#taken < this.#read.length && decoded.length < maxRecords) {
      const raw = this.#read[this.#taken] as RawRecord;
      try {
        decoded.push(this.#decodeOne(raw));
      } catch (error) {
        if (decoded.length > 0 && this.#options.onUndecodable !== 'skip') break;
        await this.#undecodable(raw, error as MillraceError);
      }
      this.#taken += 1;
    }
    this.#given = this.#read.slice(first, this.#taken);
    return decoded;
  }

  #decodeOne(raw: RawRecord): ConsumedRecord<Value, Key, Headers> {
    return {
      topic: raw.topic,
      partition: raw.partition,
      offset: raw.offset,
      timestamp: raw.timestamp,
      key: raw.key === null ? null : decodePart(this.#keyCodec, 'key', raw.key),
      value: decodePart(this.#options.value, 'value', raw.value),
      headers:
        raw.headers.length === 0
          ? this.#noHeaders
          : new RecordHeaders<Headers>(raw.headers, this.#options.headers as Headers),
    };
  }

  async #undecodable(raw: RawRecord, error: MillraceError): Promise<void> {
    const policy = this.#options.onUndecodable ?? 'stop';
    if (policy === 'skip') return;
    const { topic, partition, offset } = raw;
    const placed = new MillraceError(error.code, `${topic}/${partition}/${offset}: ${error.message}`, {
      details: { ...error.details, topic, partition, offset: String(offset) },
      cause: error.cause,
    });
    if (policy === 'stop') throw placed;
    await policy(raw, placed);
  }

  async #move(move: () => Promise<void>): Promise<void> {
    this.#checkOpen();
    // What was read before the move is not given out any more, and what is in work is not marked behind it.
    this.#read = [];
    this.#taken = 0;
    this.#given = [];
    this.#ended = false;
    await move();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new MillraceError('CLIENT_CLOSED', 'The consumer has been closed.');
  }
}

/** @throws MillraceError CLIENT_OPTION_INVALID for partitions that are not there: nothing would ever come from them. */
export function requirePartitions(reader: Reader, wanted: readonly Required<Place>[]): void {
  const known = reader.partitions();
  const missing = wanted.find((place) => known?.some((own) => covers(place, own)) === false);
  if (missing === undefined) return;
  throw new MillraceError(
    'CLIENT_OPTION_INVALID',
    `Topic ${missing.topic} has no partition ${missing.partition}, or is not read by this consumer.`,
    { details: { topic: missing.topic, partition: missing.partition } },
  );
}

function isRealTime(options: ModeOptions): boolean {
  return options.mode === undefined || options.mode === 'real-time';
}
