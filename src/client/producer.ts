/** Producers: typed records in, receipts out. */
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { RecordHeader } from '../model/record.ts';
import { type AbortOptions, abortable, abortError, throwIfAborted, within } from './abort.ts';
import type { Acks, Features, Writer } from './backend.ts';
import { type Codec, encodePart, string } from './codec.ts';
import { encodeHeaders, type HeaderCodecs } from './headers.ts';
import type { OutgoingBatch } from './outgoing-batch.ts';
import {
  type BatchAwarePartitioner,
  checkPartition,
  createPartitioner,
  type Partitioner,
  type PartitionerName,
} from './partitioner.ts';
import { type EncodedRecord, type ProducerRecord, type Receipt, sizeOf } from './record.ts';
import { Sender } from './sender.ts';

/** Options of `client.producer()`. */
export interface ProducerOptions<Value, Key = string, Headers = undefined> {
  /** How values become bytes. */
  readonly value: Codec<unknown, Value>;
  /** Default: `string()`. */
  readonly key?: Codec<unknown, Key> | undefined;
  /** Name to codec; with it only those headers can be sent. */
  readonly headers?: Headers | undefined;
  /** Where records go that name no topic. Default: the URI's topic, where it has exactly one. */
  readonly topic?: string | undefined;
  /** Default: `key-hash`. */
  readonly partitioner?: PartitionerName | Partitioner | undefined;
  /** How long a record waits for company before it is sent. Default 0: what is submitted in one go travels together. */
  readonly lingerMs?: number | undefined;
  /** Most bytes of a batch, about. Default 512 KiB. */
  readonly maxBatchBytes?: number | undefined;
  /** Default 10,000. */
  readonly maxBatchRecords?: number | undefined;
  /** Most bytes submitted and not yet answered. Default 32 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** Writes on the way at the same time; never two of one partition. Default 5. */
  readonly maxInflight?: number | undefined;
  /** What `submit` and `send` do when the buffer is full: wait (default), wait so long, or fail at once. */
  readonly whenFull?: 'wait' | { readonly waitMs: number } | 'fail' | undefined;
  /** `all` (default): a receipt comes when the record is on stable storage. */
  readonly acks?: Acks | undefined;
  /** Retries write nothing twice. Default true where the back end can. */
  readonly idempotent?: boolean | undefined;
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' | undefined;
  /** What a record that does not fit the back end (a header in a pipe) leads to: a refusal (default), or the part left out. */
  readonly unstorable?: 'refuse' | 'drop' | undefined;
  /** Longest wait of `close` for answers. Default 30,000. */
  readonly closeTimeoutMs?: number | undefined;
}

/** A record that was taken. */
export class Ticket {
  readonly #batch: OutgoingBatch;
  readonly #index: number;

  constructor(batch: OutgoingBatch, index: number) {
    this.#batch = batch;
    this.#index = index;
  }

  /** Resolves when the record is written as `acks` asks. Abort stops the waiting, not the writing. */
  async receipt({ signal }: AbortOptions = {}): Promise<Receipt> {
    const { topic, partition, records } = this.#batch;
    const offsets = await abortable(this.#batch.outcome(), signal);
    const timestamp = (records[this.#index] as EncodedRecord).timestamp;
    return { topic, partition, offset: offsets(this.#index), timestamp };
  }
}

const PRODUCER_DEFAULTS = {
  lingerMs: 0,
  maxBatchBytes: 512 * 1024,
  maxBatchRecords: 10_000,
  maxBufferedBytes: 32 * 1024 * 1024,
  maxInflight: 5,
  closeTimeoutMs: 30_000,
} as const;

/** What a producer needs from its client. */
export interface ProducerParts {
  readonly writer: Writer;
  readonly backendName: string;
  readonly features: Features;
  readonly clock: Clock;
  readonly defaultTopic: string | undefined;
  /** Takes the producer off the client's list. */
  readonly onClose: () => void;
}

/** @typeParam Value what `send` takes; from the codec. */
export class Producer<Value, Key = string, Headers = undefined> implements AsyncDisposable {
  readonly #parts: ProducerParts;
  readonly #options: ProducerOptions<Value, Key, Headers>;
  readonly #keyCodec: Codec<unknown, Key>;
  readonly #partitioner: BatchAwarePartitioner;
  readonly #sender: Sender;
  readonly #partitionCounts = new Map<string, number>();
  /** The last submit that had to wait; later ones queue behind it, so that order holds. */
  #line: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  /** @internal Use `client.producer()`. */
  constructor(parts: ProducerParts, options: ProducerOptions<Value, Key, Headers>) {
    this.#parts = parts;
    this.#options = options;
    this.#keyCodec = options.key ?? (string() as unknown as Codec<unknown, Key>);
    this.#partitioner = createPartitioner(options.partitioner ?? 'key-hash');
    const limits = {
      lingerMs: atLeast('lingerMs', options.lingerMs ?? PRODUCER_DEFAULTS.lingerMs, 0),
      maxBatchBytes: atLeast('maxBatchBytes', options.maxBatchBytes ?? PRODUCER_DEFAULTS.maxBatchBytes, 1),
      maxBatchRecords: atLeast('maxBatchRecords', options.maxBatchRecords ?? PRODUCER_DEFAULTS.maxBatchRecords, 1),
      maxBufferedBytes: atLeast('maxBufferedBytes', options.maxBufferedBytes ?? PRODUCER_DEFAULTS.maxBufferedBytes, 1),
      maxInflight: atLeast('maxInflight', options.maxInflight ?? PRODUCER_DEFAULTS.maxInflight, 1),
    };
    this.#sender = new Sender(parts.writer, parts.clock, limits, (topic) => this.#partitioner.batchClosed(topic));
  }

  /** Bytes submitted and not yet answered. */
  get bufferedBytes(): number {
    return this.#sender.bufferedBytes;
  }

  /**
   * Writes a record: `submit`, then the receipt.
   * @throws MillraceError CLIENT_ENCODE_FAILED, CLIENT_BUFFER_FULL (nothing sent); CLIENT_ABORTED (may still be written);
   *   what the back end refuses with. Order: records of one partition are written in call order.
   */
  async send(record: ProducerRecord<Value, Key, Headers>, options: AbortOptions = {}): Promise<Receipt> {
    const ticket = await this.submit(record, options);
    return await ticket.receipt(options);
  }

  /** Writes many records. @returns receipts in the same order, once all are written. @throws as `send`; some may be written. */
  async sendAll(
    records: Iterable<ProducerRecord<Value, Key, Headers>>,
    options: AbortOptions = {},
  ): Promise<Receipt[]> {
    const tickets: Ticket[] = [];
    for (const record of records) {
      const ticket = this.submit(record, options);
      tickets.push(ticket instanceof Ticket ? ticket : await ticket);
    }
    const receipts: Receipt[] = [];
    for (const ticket of tickets) receipts.push(await ticket.receipt(options));
    return receipts;
  }

  /**
   * Takes a record for writing, as soon as there is room; at once (and without a promise) where there is. Awaiting it is the
   * backpressure. A failure later on reaches whoever asks for the receipt, else the next `flush` or `close`.
   * @throws as `send`.
   */
  submit(record: ProducerRecord<Value, Key, Headers>, { signal }: AbortOptions = {}): Ticket | Promise<Ticket> {
    this.#checkOpen();
    throwIfAborted(signal);
    const topic = record.topic ?? this.#topic();
    const encoded = this.#encode(record);
    const sizeBytes = sizeOf(encoded);
    const partitionCount = this.#partitionCounts.get(topic);
    if (this.#line === undefined && partitionCount !== undefined && this.#sender.hasRoom(sizeBytes))
      return this.#take(topic, partitionCount, record.partition, encoded, sizeBytes);
    if (this.#options.whenFull === 'fail' && !this.#sender.hasRoom(sizeBytes)) throw this.#full(sizeBytes);
    return this.#waitInLine(topic, record.partition, encoded, sizeBytes, signal);
  }

  /**
   * Sends what waits and resolves when all of it is answered.
   * @throws the first failure of a record whose receipt nobody asked for.
   */
  async flush({ signal }: AbortOptions = {}): Promise<void> {
    await this.#line?.catch(() => undefined);
    await this.#sender.flush(signal);
  }

  /**
   * Flushes and releases. Safe to call twice.
   * @throws as `flush`; CLIENT_TIMED_OUT where answers do not come in time: then it is unknown which records are written.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { writer, clock, onClose } = this.#parts;
    const limitMs = this.#options.closeTimeoutMs ?? PRODUCER_DEFAULTS.closeTimeoutMs;
    try {
      await within(clock, limitMs, 'Writing what the producer still held', this.flush());
    } finally {
      this.#sender.abandon(new MillraceError('CLIENT_CLOSED', 'The producer was closed before this record was sent.'));
      onClose();
      await writer.close();
    }
  }

  #take(
    topic: string,
    partitionCount: number,
    explicit: number | undefined,
    record: EncodedRecord,
    sizeBytes: number,
  ): Ticket {
    const partition =
      explicit === undefined
        ? this.#partitioner.choose({ topic, key: record.key, partitionCount })
        : checkPartition(explicit, partitionCount, topic);
    const batch = this.#sender.submit(topic, partition, record, sizeBytes);
    return new Ticket(batch, batch.records.length - 1);
  }

  /** First come, first served; one that gives up does not hold up those behind it. */
  #waitInLine(
    topic: string,
    explicit: number | undefined,
    record: EncodedRecord,
    sizeBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<Ticket> {
    const before = this.#line;
    const turn = (async () => {
      await before?.catch(() => undefined);
      if (signal?.aborted === true) throw abortError(signal);
      const partitionCount = this.#partitionCounts.get(topic) ?? (await this.#lookUp(topic, signal));
      await this.#untilRoom(sizeBytes, signal);
      return this.#take(topic, partitionCount, explicit, record, sizeBytes);
    })();
    this.#line = turn;
    const leave = (): void => {
      if (this.#line === turn) this.#line = undefined;
    };
    turn.then(leave, leave);
    return turn;
  }

  async #untilRoom(sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { whenFull = 'wait' } = this.#options;
    if (this.#sender.hasRoom(sizeBytes)) return;
    if (whenFull === 'fail') throw this.#full(sizeBytes);
    const waiting = this.#sender.untilRoom(sizeBytes, signal);
    if (whenFull === 'wait') {
      await waiting;
      return;
    }
    try {
      await within(this.#parts.clock, whenFull.waitMs, 'Waiting for room', waiting);
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'CLIENT_TIMED_OUT') throw this.#full(sizeBytes);
      throw error;
    }
  }

  async #lookUp(topic: string, signal: AbortSignal | undefined): Promise<number> {
    const count = await abortable(this.#parts.writer.partitionCount(topic), signal);
    this.#partitionCounts.set(topic, count);
    return count;
  }

  #encode(record: ProducerRecord<Value, Key, Headers>): EncodedRecord {
    const key = record.key === undefined || record.key === null ? null : encodePart(this.#keyCodec, 'key', record.key);
    const value = encodePart(this.#options.value, 'value', record.value);
    const headers = encodeHeaders(record.headers, this.#options.headers as HeaderCodecs | undefined);
    const timestamp = record.timestamp === undefined ? this.#parts.clock.now() : Number(record.timestamp);
    if (!Number.isSafeInteger(timestamp) || timestamp < 0)
      throw new MillraceError(
        'CLIENT_ENCODE_FAILED',
        `The timestamp ${timestamp} is no whole number of milliseconds since 1970.`,
      );
    return this.#storable({ key, value, headers, timestamp });
  }

  /** Nothing is dropped silently: what the back end cannot keep is refused, unless the producer was told otherwise. */
  #storable(record: EncodedRecord): EncodedRecord {
    const { features, backendName } = this.#parts;
    const { key, value, headers } = record;
    if (
      (key === null || features.keys) &&
      (headers.length === 0 || features.headers) &&
      (value !== null || features.tombstones)
    )
      return record;
    const lost = [
      key !== null && !features.keys ? 'keys' : '',
      headers.length > 0 && !features.headers ? 'headers' : '',
      value === null && !features.tombstones ? 'records without a value' : '',
    ].filter(Boolean);
    if (this.#options.unstorable !== 'drop' || value === null) {
      throw new MillraceError(
        'CLIENT_UNSUPPORTED',
        `The ${backendName} back end keeps no ${lost.join(' and no ')}. Leave them out, or say unstorable: 'drop'.`,
        { details: { backend: backendName } },
      );
    }
    return {
      ...record,
      key: features.keys ? key : null,
      headers: features.headers ? headers : NO_HEADERS,
    };
  }

  #topic(): string {
    const topic = this.#options.topic ?? this.#parts.defaultTopic;
    if (topic !== undefined) return topic;
    throw new MillraceError(
      'CLIENT_OPTION_INVALID',
      'Name a topic: in the record, in the options of the producer, or one in the URI.',
    );
  }

  #full(sizeBytes: number): MillraceError {
    const bufferedBytes = this.#sender.bufferedBytes;
    return new MillraceError(
      'CLIENT_BUFFER_FULL',
      `The producer holds ${bufferedBytes} bytes that are not answered yet; there is no room for ${sizeBytes} more.`,
      { details: { bufferedBytes, sizeBytes } },
    );
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new MillraceError('CLIENT_CLOSED', 'The producer has been closed.');
  }
}

const NO_HEADERS: readonly RecordHeader[] = [];

function atLeast(name: string, value: number, min: number): number {
  if (Number.isFinite(value) && value >= min) return value;
  throw new MillraceError('CLIENT_OPTION_INVALID', `${name} must be a number from ${min}, not ${String(value)}.`);
}
