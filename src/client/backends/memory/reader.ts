import { MillraceError } from '../../../base/errors.ts';
import type { Reader, ReaderOptions, ReadOptions } from '../../backend.ts';
import type { ExactPosition, Place } from '../../position.ts';
import { covers, PositionMarks, partitionKey } from '../../position-marks.ts';
import type { RawRecord, RecordPlace } from '../../record.ts';
import type { GroupMember, MemoryGroup } from './memory-group.ts';
import type { MemoryLog, MemoryPartition } from './memory-log.ts';

/** A partition being read. */
interface Cursor {
  readonly partition: MemoryPartition;
  readonly place: Required<Place>;
  nextOffset: bigint;
  /** Exclusive; undefined: read on for ever. */
  readonly endOffset: bigint | undefined;
}

export class MemoryReader implements Reader, GroupMember {
  readonly topics: readonly string[];
  readonly #log: MemoryLog;
  readonly #options: ReaderOptions;
  readonly #group: MemoryGroup | undefined;
  readonly #marks = new PositionMarks();
  /** Taken when the reader opened, so that `latest` and `untilEnd` mean that moment. */
  readonly #opened = new Map<string, { readonly start: bigint; readonly end: bigint }>();
  #explicit: readonly Required<Place>[] | undefined;
  #cursors = new Map<string, Cursor>();
  #generation = -1;
  /** Where the next read begins, so that no partition starves. */
  #turn = 0;
  #closed = false;

  constructor(log: MemoryLog, options: ReaderOptions) {
    this.#log = log;
    this.#options = options;
    this.topics = options.topics;
    this.#explicit = options.partitions;
    this.#group = options.mode.type === 'real-time' ? undefined : log.group(options.mode.group);
    for (const partition of this.topics.flatMap((topic) => log.partitions(topic))) {
      this.#opened.set(partitionKey(partition), { start: partition.resolve(options.from), end: partition.endOffset });
    }
    if (options.mode.type === 'load-balanced') this.#group?.join(this);
    this.#reassign();
  }

  async read({ maxRecords, signal }: ReadOptions): Promise<readonly RawRecord[] | undefined> {
    let records: RawRecord[] = [];
    let ended = false;
    await this.#log.changed.until(() => {
      if (this.#closed) throw new MillraceError('CLIENT_CLOSED', 'The reader has been closed.');
      this.#followGroup();
      records = this.#take(maxRecords);
      ended = records.length === 0 && this.#options.untilEnd && this.#atEnd();
      return records.length > 0 || ended;
    }, signal);
    return ended ? undefined : records;
  }

  mark(place: RecordPlace): void {
    this.#followGroup();
    if (this.#group !== undefined && this.#cursors.has(partitionKey(place))) this.#marks.mark(place);
  }

  partitions(): readonly Required<Place>[] {
    this.#followGroup();
    return [...this.#cursors.values()].map(({ place }) => place);
  }

  async commit(): Promise<void> {
    this.#followGroup();
    this.#group?.commit(this.#marks.take());
  }

  async seek(position: ExactPosition, place: Place): Promise<void> {
    this.#marks.retain((marked) => !covers(place, marked));
    for (const cursor of this.#cursors.values()) {
      if (covers(place, cursor.partition)) cursor.nextOffset = cursor.partition.resolve(position);
    }
    this.#log.changed.all();
  }

  async assign(partitions: readonly Required<Place>[]): Promise<void> {
    this.#explicit = partitions;
    this.#reassign();
    this.#log.changed.all();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#group?.leave(this);
  }

  /** The group may have changed since the last read; what others have by now is not read, named or committed here. */
  #followGroup(): void {
    if (this.#group !== undefined && this.#group.generation !== this.#generation) this.#reassign();
  }

  /** Takes this member's share; partitions that it keeps go on where they are. */
  #reassign(): void {
    this.#generation = this.#group?.generation ?? 0;
    const cursors = new Map<string, Cursor>();
    for (const partition of this.topics.flatMap((topic) => this.#log.partitions(topic))) {
      if (!this.#mine(partition)) continue;
      const key = partitionKey(partition);
      cursors.set(key, this.#cursors.get(key) ?? this.#openCursor(partition));
    }
    this.#cursors = cursors;
    this.#marks.retain((place) => cursors.has(partitionKey(place)));
  }

  #mine(partition: MemoryPartition): boolean {
    if (this.#options.mode.type === 'load-balanced') return this.#group?.owns(this, partition) === true;
    return this.#explicit === undefined || this.#explicit.some((place) => covers(place, partition));
  }

  #openCursor(partition: MemoryPartition): Cursor {
    const opened = this.#opened.get(partitionKey(partition));
    const committed = this.#group?.committed(partition);
    return {
      partition,
      place: { topic: partition.topic, partition: partition.partition },
      nextOffset: committed ?? opened?.start ?? partition.startOffset,
      endOffset: this.#options.untilEnd ? (opened?.end ?? 0n) : undefined,
    };
  }

  #take(maxRecords: number): RawRecord[] {
    const cursors = [...this.#cursors.values()];
    for (let i = 0; i < cursors.length; i++) {
      const cursor = cursors[(this.#turn + i) % cursors.length] as Cursor;
      const { partition, endOffset } = cursor;
      if (cursor.nextOffset < partition.startOffset) this.#lost(cursor);
      const left = endOffset === undefined ? maxRecords : Math.min(maxRecords, Number(endOffset - cursor.nextOffset));
      const records = left <= 0 ? [] : partition.read(cursor.nextOffset, left);
      const last = records.at(-1);
      if (last === undefined) continue;
      cursor.nextOffset = last.offset + 1n;
      this.#turn = (this.#turn + i + 1) % cursors.length;
      return records;
    }
    return [];
  }

  /** No silent skip: a reader that was overtaken by forgetting is told so, once, and goes on at the oldest record. */
  #lost(cursor: Cursor): void {
    const { topic, partition, startOffset } = cursor.partition;
    const wanted = cursor.nextOffset;
    cursor.nextOffset = startOffset;
    throw new MillraceError(
      'CLIENT_POSITION_OUT_OF_RANGE',
      `Records ${wanted} to ${startOffset - 1n} of ${topic}/${partition} are forgotten already; reading goes on at ${startOffset}.`,
      { details: { topic, partition, offset: String(wanted), startOffset: String(startOffset) } },
    );
  }

  #atEnd(): boolean {
    return [...this.#cursors.values()].every(({ nextOffset, endOffset }) => nextOffset >= (endOffset ?? 0n));
  }
}
