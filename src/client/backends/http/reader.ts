/** Reads topics by long polling, one request a topic on the way; resumes by offsets after any interruption. */
import { MillraceError } from '../../../base/errors.ts';
import type { Reader, ReaderOptions, ReadOptions } from '../../backend.ts';
import type { ExactPosition, Place } from '../../position.ts';
import { covers, PositionMarks, partitionKey } from '../../position-marks.ts';
import type { RawRecord, RecordPlace } from '../../record.ts';
import { encodeUtf8 } from '../../utf8.ts';
import { Wake } from '../../wake.ts';
import { Arrivals } from '../arrivals.ts';
import { type Api, persist, topicPath } from './api.ts';
import { decodeBase64 } from './base64.ts';
import { GroupPositions } from './group-positions.ts';

interface Cursor {
  readonly topic: string;
  readonly partition: number;
  nextOffset: bigint;
  readonly endOffset: bigint | undefined;
}

export interface TopicJson {
  readonly name: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly logStartOffset: number;
    readonly highWatermark: number;
  }[];
}

interface RecordJson {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key?: null;
  readonly keyBase64?: string;
  readonly value?: null;
  readonly valueBase64?: string;
  readonly headers?: readonly {
    readonly name: string;
    readonly value?: string | null;
    readonly valueBase64?: string;
  }[];
}

interface RecordsJson {
  readonly records: readonly RecordJson[];
  readonly partitions: readonly { readonly partition: number; readonly nextOffset: number }[];
}

/** How long the broker holds a request for which there is nothing yet. */
const WAIT_SECONDS = 20;
const FETCH_RECORDS = 5000;
const FETCH_BYTES = 4 * 1024 * 1024;

export class HttpReader implements Reader {
  readonly #api: Api;
  readonly #options: ReaderOptions;
  readonly #group: GroupPositions | undefined;
  readonly #marks = new PositionMarks();
  readonly #changed = new Wake();
  readonly #closed = new AbortController();
  /** Ends the requests on the way when positions move. */
  #moved = new AbortController();
  readonly #fetching = new Set<string>();
  #cursors = new Map<string, Cursor>();
  readonly #arrivals = new Arrivals<Cursor>();
  #failure: MillraceError | undefined;
  #explicit: readonly Required<Place>[] | undefined;
  /** Where each partition is begun: at what is committed, else `from`. */
  #starts = new Map<string, bigint>();
  #ends = new Map<string, bigint>();

  private constructor(api: Api, options: ReaderOptions) {
    this.#api = api;
    this.#options = options;
    this.#explicit = options.partitions;
    if (options.mode.type === 'resumable') this.#group = new GroupPositions(api, options.mode.group);
  }

  static async open(api: Api, options: ReaderOptions): Promise<HttpReader> {
    const reader = new HttpReader(api, options);
    await reader.#open();
    return reader;
  }

  async read({ maxRecords, signal }: ReadOptions): Promise<readonly RawRecord[] | undefined> {
    let taken: RawRecord[] = [];
    await this.#changed.until(() => {
      if (this.#closed.signal.aborted) throw new MillraceError('CLIENT_CLOSED', 'The reader has been closed.');
      taken = this.#take(maxRecords);
      if (taken.length > 0) return true;
      this.#throwFailure();
      if (this.#options.untilEnd && this.#atEnd()) return true;
      this.#work();
      return false;
    }, signal);
    if (taken.length === 0) return undefined;
    this.#work();
    return taken;
  }

  partitions(): readonly Required<Place>[] {
    return [...this.#cursors.values()];
  }

  mark(place: RecordPlace): void {
    if (this.#group !== undefined) this.#marks.mark(place);
  }

  async commit(): Promise<void> {
    const group = this.#group;
    if (group === undefined) return;
    for (const mark of await this.#marks.commit((marks) => group.save(marks, this.#closed)))
      this.#starts.set(partitionKey(mark), mark.nextOffset);
  }

  async seek(position: ExactPosition, place: Place): Promise<void> {
    this.#marks.retain((marked) => !covers(place, marked));
    for (const [key, cursor] of this.#cursors) {
      if (!covers(place, cursor)) continue;
      const nextOffset = await this.#resolve(cursor, position);
      this.#cursors.set(key, { ...cursor, nextOffset });
    }
    this.#restart();
  }

  async assign(partitions: readonly Required<Place>[]): Promise<void> {
    this.#explicit = partitions;
    const marks = this.#marks.take();
    for (const mark of marks) this.#starts.set(partitionKey(mark), mark.nextOffset);
    this.#marks.putBack(marks);
    const kept = this.#cursors;
    this.#cursors = new Map();
    for (const [key, start] of this.#starts) {
      const slash = key.lastIndexOf('/');
      const place = { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) };
      if (this.#mine(place)) this.#cursors.set(key, kept.get(key) ?? this.#cursor(place, start));
    }
    this.#restart();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#moved.abort();
    this.#changed.all();
  }

  async #open(): Promise<void> {
    const committed = await this.#group?.load();
    for (const topic of this.#options.topics) {
      const { partitions } = await persist<TopicJson>(this.#api, topicPath(topic), {});
      for (const { partition, highWatermark } of partitions) {
        const place = { topic, partition };
        this.#ends.set(partitionKey(place), BigInt(highWatermark));
        const start = committed?.get(GroupPositions.keyOf(place)) ?? (await this.#resolve(place, this.#options.from));
        this.#starts.set(partitionKey(place), start);
      }
    }
    for (const [key, start] of this.#starts) {
      const slash = key.lastIndexOf('/');
      const place = { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) };
      if (this.#mine(place)) this.#cursors.set(key, this.#cursor(place, start));
    }
  }

  #cursor(place: Required<Place>, nextOffset: bigint): Cursor {
    const endOffset = this.#options.untilEnd ? (this.#ends.get(partitionKey(place)) ?? 0n) : undefined;
    return { ...place, nextOffset, endOffset };
  }

  #mine(place: Required<Place>): boolean {
    return this.#explicit === undefined || this.#explicit.some((wanted) => covers(wanted, place));
  }

  async #resolve({ topic, partition }: Required<Place>, position: ExactPosition): Promise<bigint> {
    if (position.at === 'offset') return position.offset;
    if (position.at === 'timestamp') {
      const query = `?partition=${partition}&timestamp=${position.timestamp}&limit=1&maxBytes=1`;
      const { records, partitions } = await persist<RecordsJson>(this.#api, topicPath(topic, `/records${query}`), {});
      return BigInt(records[0]?.offset ?? partitions[0]?.nextOffset ?? 0);
    }
    const { partitions } = await persist<TopicJson>(this.#api, topicPath(topic), {});
    const facts = partitions.find((candidate) => candidate.partition === partition);
    return BigInt((position.at === 'earliest' ? facts?.logStartOffset : facts?.highWatermark) ?? 0);
  }

  #restart(): void {
    this.#moved.abort();
    this.#moved = new AbortController();
    this.#changed.all();
  }

  /** Nothing is asked for while records wait: memory holds one answer a topic. */
  #work(): void {
    if (!this.#arrivals.isEmpty) return;
    const byTopic = new Map<string, Cursor[]>();
    for (const cursor of this.#cursors.values()) {
      if (cursor.endOffset !== undefined && cursor.nextOffset >= cursor.endOffset) continue;
      byTopic.set(cursor.topic, [...(byTopic.get(cursor.topic) ?? []), cursor]);
    }
    for (const [topic, cursors] of byTopic) if (!this.#fetching.has(topic)) void this.#fetch(topic, cursors);
  }

  /** Never rejects. */
  async #fetch(topic: string, cursors: readonly Cursor[]): Promise<void> {
    this.#fetching.add(topic);
    const signal = this.#moved.signal;
    try {
      const offsets = cursors.map(({ partition, nextOffset }) => `${partition}:${nextOffset}`).join(',');
      const query = `?offsets=${offsets}&format=base64&wait=${WAIT_SECONDS}&limit=${FETCH_RECORDS}&maxBytes=${FETCH_BYTES}`;
      const answer = await persist<RecordsJson>(this.#api, topicPath(topic, `/records${query}`), { signal });
      this.#arrived(topic, cursors, answer);
    } catch (error) {
      if (!signal.aborted) this.#failed(error as MillraceError, cursors);
    } finally {
      this.#fetching.delete(topic);
      this.#changed.all();
    }
  }

  #arrived(topic: string, cursors: readonly Cursor[], { records, partitions }: RecordsJson): void {
    for (const cursor of cursors) {
      if (this.#cursors.get(partitionKey(cursor)) !== cursor) continue;
      const { endOffset } = cursor;
      const own: RawRecord[] = [];
      for (const record of records) {
        if (record.partition === cursor.partition && (endOffset === undefined || BigInt(record.offset) < endOffset))
          own.push(rawRecord(topic, record));
      }
      const next = partitions.find(({ partition }) => partition === cursor.partition)?.nextOffset;
      if (next !== undefined) cursor.nextOffset = BigInt(next);
      this.#arrivals.push(cursor, own);
    }
  }

  /** No silent skip: an offset that is gone is told, once, and reading goes on at the nearest that is there. */
  #failed(error: MillraceError, cursors: readonly Cursor[]): void {
    if (error.code !== 'STORE_OFFSET_OUT_OF_RANGE') {
      this.#failure = error;
      return;
    }
    const start = BigInt(Number(error.details['logStartOffset'] ?? 0));
    const end = BigInt(Number(error.details['endOffset'] ?? 0));
    const named = error.details['partition'];
    for (const cursor of cursors) {
      if (typeof named === 'number' && named !== cursor.partition) continue;
      if (cursor.nextOffset < start) cursor.nextOffset = start;
      else if (cursor.nextOffset > end) cursor.nextOffset = end;
    }
    this.#failure = new MillraceError('CLIENT_POSITION_OUT_OF_RANGE', error.message, {
      details: error.details,
      cause: error,
    });
  }

  #take(maxRecords: number): RawRecord[] {
    return this.#arrivals.take(maxRecords, (cursor) => this.#cursors.get(partitionKey(cursor)) === cursor);
  }

  #atEnd(): boolean {
    return (
      this.#arrivals.isEmpty &&
      [...this.#cursors.values()].every(({ nextOffset, endOffset }) => nextOffset >= (endOffset ?? 0n))
    );
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

function rawRecord(topic: string, record: RecordJson): RawRecord {
  return {
    topic,
    partition: record.partition,
    offset: BigInt(record.offset),
    timestamp: record.timestamp,
    key: record.keyBase64 === undefined ? null : decodeBase64(record.keyBase64),
    value: record.valueBase64 === undefined ? null : decodeBase64(record.valueBase64),
    headers: (record.headers ?? []).map(({ name, value, valueBase64 }) => ({
      key: name,
      value:
        valueBase64 === undefined ? (typeof value === 'string' ? encodeUtf8(value) : null) : decodeBase64(valueBase64),
    })),
  };
}
