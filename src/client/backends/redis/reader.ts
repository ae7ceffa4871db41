/**
 * Reads Redis Streams.
 *
 * Real-time and resumable consumers keep their own positions (XREAD from an id); a resumable one stores them in the hash
 * `millrace:positions:GROUP`. A load-balanced one is a member of a Redis group: entries are handed out one by one, stay
 * pending until acknowledged, and go to another member when theirs is silent for too long (XAUTOCLAIM).
 */
import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import { abortable, delay } from '../../abort.ts';
import type { Reader, ReaderOptions, ReadOptions } from '../../backend.ts';
import type { ExactPosition, Place } from '../../position.ts';
import { covers, type PositionMark, PositionMarks, partitionKey } from '../../position-marks.ts';
import type { RawRecord, RecordPlace } from '../../record.ts';
import { decodeEntry, idOfOffset, offsetOfId, offsetOfIdBytes, offsetOfTime, streamKey } from './entry.ts';
import { decodeReply, type StreamEntries } from './entry-reply.ts';
import { openConnection, type RedisLibrary, type RedisSettings, redisError } from './library.ts';
import { packReplies } from './reply-packer.ts';

interface Cursor {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  nextOffset: bigint;
  readonly endOffset: bigint | undefined;
}

export interface RedisReaderParts {
  readonly connect: RedisLibrary['connect'];
  readonly settings: RedisSettings;
  readonly clock: Clock;
  /** Unlike any other member's. */
  readonly memberName: string;
}

type Entries = readonly (readonly [id: Buffer, fields: readonly Buffer[] | null])[];
/** Bytes, where replies are packed; as the library takes them apart, where they are not. */
type ReadReply = Buffer | readonly (readonly [key: Buffer, entries: Entries])[] | null;

const RETRY_MS = 250;

export class RedisReader implements Reader {
  readonly #parts: RedisReaderParts;
  readonly #options: ReaderOptions;
  /** Blocks in reads, so everything else goes over the other one. */
  readonly #blocking: Redis;
  readonly #redis: Redis;
  readonly #field: Buffer;
  readonly #closed = new AbortController();
  readonly #marks = new PositionMarks();
  readonly #acks: RecordPlace[] = [];
  #cursors = new Map<string, Cursor>();
  #all: Cursor[] = [];
  /** The read that is on the way, which an abort leaves to the next caller. */
  #reading: Promise<RawRecord[]> | undefined;
  #ready: RawRecord[] = [];
  /** Counts moves: what was asked for before one is not given out behind it. */
  #moves = 0;
  /** Asked for while the last records are decoded, and as of which move. */
  #ahead: { readonly moves: number; readonly reply: Promise<ReadReply> } | undefined;
  #claimDue = true;
  #claimTimer: Timer | undefined;
  #ended = false;

  private constructor(parts: RedisReaderParts, options: ReaderOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#field = Buffer.from(parts.settings.field);
    this.#blocking = parts.connect(parts.settings.options);
    packReplies(this.#blocking);
    this.#redis = parts.connect(parts.settings.options);
  }

  static async open(parts: RedisReaderParts, options: ReaderOptions): Promise<RedisReader> {
    const reader = new RedisReader(parts, options);
    try {
      await reader.#open();
      return reader;
    } catch (error) {
      await reader.close();
      throw redisError(error, `Opening a consumer of ${options.topics.join(', ')}`);
    }
  }

  async read({ maxRecords, signal }: ReadOptions): Promise<readonly RawRecord[] | undefined> {
    for (;;) {
      if (this.#closed.signal.aborted) throw new MillraceError('CLIENT_CLOSED', 'The reader has been closed.');
      if (this.#ready.length > 0) return this.#ready.splice(0, maxRecords);
      if (this.#ended) return undefined;
      this.#reading ??= this.#next(maxRecords);
      const records = await abortable(this.#reading, signal);
      this.#reading = undefined;
      this.#ready.push(...records);
    }
  }

  mark(place: RecordPlace): void {
    const { type } = this.#options.mode;
    if (type === 'resumable') this.#marks.mark(place);
    else if (type === 'load-balanced') this.#acks.push(place);
  }

  partitions(): readonly Required<Place>[] {
    return [...this.#cursors.values()];
  }

  async commit(): Promise<void> {
    const { mode } = this.#options;
    try {
      if (mode.type === 'resumable') await this.#savePositions(mode.group, this.#marks.take());
      else if (mode.type === 'load-balanced') await this.#acknowledge(mode.group, this.#acks.splice(0));
    } catch (error) {
      throw redisError(error, 'Committing');
    }
  }

  async seek(position: ExactPosition, place: Place): Promise<void> {
    if (this.#options.mode.type === 'load-balanced')
      throw new MillraceError(
        'CLIENT_UNSUPPORTED',
        'In a load-balanced group Redis hands out the records: there is no seek.',
      );
    this.#marks.retain((marked) => !covers(place, marked));
    // Now and below: what is on the way moves neither the cursors of before nor those of behind.
    this.#moved();
    for (const cursor of this.#cursors.values()) {
      if (covers(place, cursor)) cursor.nextOffset = await this.#resolve(cursor.key, position);
    }
    this.#moved();
  }

  async assign(partitions: readonly Required<Place>[]): Promise<void> {
    this.#select(partitions);
    this.#moved();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#claimTimer?.cancel();
    const { mode } = this.#options;
    if (mode.type === 'load-balanced' && this.#redis.status === 'ready')
      await this.#leave(mode.group).catch(() => undefined);
    this.#blocking.disconnect();
    this.#redis.disconnect();
    // Not waited for: where the server is away, the library lets go of a connection and never answers what waited for it.
    this.#reading?.catch(() => undefined);
  }

  async #open(): Promise<void> {
    const { mode, topics, from, untilEnd, partitions } = this.#options;
    const { shards } = this.#parts.settings;
    await Promise.all([openConnection(this.#blocking), openConnection(this.#redis)]);
    const stored = mode.type === 'resumable' ? await this.#redis.hgetall(positionsKey(mode.group)) : {};
    for (const topic of topics) {
      for (let partition = 0; partition < shards; partition++) {
        const key = streamKey(topic, partition, shards);
        const start = await this.#resolve(key, from);
        const committed = stored[partitionKey({ topic, partition })];
        const endOffset = untilEnd ? await this.#resolve(key, { at: 'latest' }) : undefined;
        this.#all.push({
          topic,
          partition,
          key,
          nextOffset: committed === undefined ? start : BigInt(committed),
          endOffset,
        });
        if (mode.type === 'load-balanced') await this.#createGroup(key, mode.group, start);
      }
    }
    this.#select(partitions);
  }

  #select(partitions: readonly Required<Place>[] | undefined): void {
    const wanted = this.#all.filter(
      (cursor) => partitions === undefined || partitions.some((place) => covers(place, cursor)),
    );
    this.#cursors = new Map(wanted.map((cursor) => [cursor.key, cursor]));
  }

  /** Offset of a position: the next entry to read. */
  async #resolve(key: string, position: ExactPosition): Promise<bigint> {
    switch (position.at) {
      case 'earliest':
        return 0n;
      case 'offset':
        return position.offset;
      case 'timestamp':
        return offsetOfTime(position.timestamp);
      case 'latest': {
        const [last] = await this.#redis.xrevrange(key, '+', '-', 'COUNT', 1);
        return last === undefined ? 0n : offsetOfId(last[0]) + 1n;
      }
      default:
        return position satisfies never;
    }
  }

  async #createGroup(key: string, group: string, start: bigint): Promise<void> {
    try {
      await this.#redis.xgroup('CREATE', key, group, before(start), 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
  }

  /** Records, or nothing yet. A server that is away is waited for; only what it refuses is thrown. */
  async #next(maxRecords: number): Promise<RawRecord[]> {
    const moves = this.#moves;
    try {
      const records =
        this.#options.mode.type === 'load-balanced'
          ? await this.#nextOfGroup(this.#options.mode.group, maxRecords)
          : await this.#nextAlone(maxRecords);
      return moves === this.#moves ? records : [];
    } catch (error) {
      if (this.#closed.signal.aborted) throw new MillraceError('CLIENT_CLOSED', 'The reader has been closed.');
      const failure = redisError(error, `Reading ${this.#options.topics.join(', ')}`);
      if (failure.code !== 'CLIENT_NETWORK') throw failure;
      await delay(this.#parts.clock, RETRY_MS, this.#closed.signal);
      return [];
    }
  }

  async #nextAlone(maxRecords: number): Promise<RawRecord[]> {
    const moves = this.#moves;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    let reply = ahead?.moves === moves ? await ahead.reply : null;
    if (reply === null && moves === this.#moves) {
      const cursors = this.#unfinished();
      if (cursors.length > 0) reply = await this.#ask(cursors, maxRecords, true);
      else if (this.#options.untilEnd) this.#ended = true;
      else await delay(this.#parts.clock, RETRY_MS, this.#closed.signal);
    }
    // What was read for another position must not move the cursors away from where they were sent meanwhile.
    return moves === this.#moves ? this.#advance(reply, maxRecords) : [];
  }

  async #ask(cursors: readonly Cursor[], maxRecords: number, wait: boolean): Promise<ReadReply> {
    const block = wait ? ['BLOCK', String(this.#parts.settings.blockMs)] : [];
    const keys = cursors.map(({ key }) => key);
    const ids = cursors.map(({ nextOffset }) => before(nextOffset));
    return (await this.#blocking.callBuffer(
      'XREAD',
      'COUNT',
      String(maxRecords),
      ...block,
      'STREAMS',
      ...keys,
      ...ids,
    )) as ReadReply;
  }

  /** Moves the cursors behind what came and asks for what follows: the server works while this side does. */
  #advance(reply: ReadReply, maxRecords: number): RawRecord[] {
    const arrived = this.#take(reply);
    for (const { key, lastOffset } of arrived) {
      const cursor = this.#cursors.get(key);
      if (cursor !== undefined) cursor.nextOffset = lastOffset + 1n;
    }
    if (arrived.some(({ entryCount }) => entryCount >= maxRecords)) this.#askAhead(maxRecords);
    return arrived.flatMap(({ key, records, lastOffset }) => {
      const endOffset = this.#cursors.get(key)?.endOffset;
      return endOffset === undefined || lastOffset < endOffset
        ? records
        : records.filter(({ offset }) => offset < endOffset);
    });
  }

  /** Of the streams that are read. */
  #take(reply: ReadReply): StreamEntries[] {
    if (Buffer.isBuffer(reply)) return decodeReply(reply, (key) => this.#cursors.get(key), this.#field);
    return (reply ?? []).flatMap(([keyBytes, entries]) => {
      const key = keyBytes.toString();
      const cursor = this.#cursors.get(key);
      const last = entries.at(-1);
      if (cursor === undefined || last === undefined) return [];
      const records = this.#decode(cursor, entries);
      return [{ key, records, entryCount: entries.length, lastOffset: offsetOfIdBytes(last[0]) }];
    });
  }

  /** Does not wait at the server for entries that are not there: a seek may come, and its read would stand behind this one. */
  #askAhead(maxRecords: number): void {
    const cursors = this.#unfinished();
    if (cursors.length === 0) return;
    const reply = this.#ask(cursors, maxRecords, false);
    // Whoever asks for the records gets the failure; nobody may.
    reply.catch(() => undefined);
    this.#ahead = { moves: this.#moves, reply };
  }

  #unfinished(): Cursor[] {
    return [...this.#cursors.values()].filter(
      ({ nextOffset, endOffset }) => endOffset === undefined || nextOffset < endOffset,
    );
  }

  async #nextOfGroup(group: string, maxRecords: number): Promise<RawRecord[]> {
    if (this.#claimDue) {
      const claimed = await this.#claim(group, maxRecords);
      if (claimed.length > 0) return claimed;
    }
    const { blockMs } = this.#parts.settings;
    const keys = [...this.#cursors.keys()];
    const block = this.#options.untilEnd ? [] : ['BLOCK', String(blockMs)];
    const reply = (await this.#blocking.callBuffer(
      'XREADGROUP',
      'GROUP',
      group,
      this.#parts.memberName,
      'COUNT',
      String(maxRecords),
      ...block,
      'STREAMS',
      ...keys,
      ...keys.map(() => '>'),
    )) as ReadReply;
    const records = this.#take(reply).flatMap((stream) => stream.records);
    if (records.length === 0 && this.#options.untilEnd) this.#ended = true;
    return records;
  }

  /** Takes over what members left that are silent; looks again after a while, or at once where there was more. */
  async #claim(group: string, maxRecords: number): Promise<RawRecord[]> {
    const { claimIdleMs, claimIntervalMs } = this.#parts.settings;
    const records: RawRecord[] = [];
    for (const cursor of this.#cursors.values()) {
      const [, entries] = (await this.#redis.callBuffer(
        'XAUTOCLAIM',
        cursor.key,
        group,
        this.#parts.memberName,
        String(claimIdleMs),
        '0',
        'COUNT',
        String(maxRecords),
      )) as [Buffer, Entries];
      records.push(...this.#decode(cursor, entries));
    }
    this.#claimDue = records.length > 0;
    if (!this.#claimDue) this.#claimTimer = this.#parts.clock.schedule(claimIntervalMs, () => (this.#claimDue = true));
    return records;
  }

  #decode({ topic, partition }: Cursor, entries: Entries): RawRecord[] {
    const records: RawRecord[] = [];
    for (const [id, fields] of entries) {
      // Entries that were trimmed or deleted while pending come without fields.
      if (fields !== null) records.push(decodeEntry(topic, partition, id, fields, this.#field));
    }
    return records;
  }

  async #savePositions(group: string, marks: readonly PositionMark[]): Promise<void> {
    if (marks.length === 0) return;
    try {
      const next = marks.flatMap((mark) => [partitionKey(mark), String(mark.nextOffset)]);
      await this.#redis.hset(positionsKey(group), ...next);
    } catch (error) {
      this.#marks.putBack(marks);
      throw error;
    }
  }

  async #acknowledge(group: string, records: readonly RecordPlace[]): Promise<void> {
    if (records.length === 0) return;
    const byKey = new Map<string, string[]>();
    for (const { topic, partition, offset } of records) {
      const key = streamKey(topic, partition, this.#parts.settings.shards);
      const ids = byKey.get(key) ?? [];
      ids.push(idOfOffset(offset));
      byKey.set(key, ids);
    }
    const pipeline = this.#redis.pipeline();
    for (const [key, ids] of byKey) pipeline.xack(key, group, ...ids);
    const failed = (await pipeline.exec())?.find(([error]) => error !== null)?.[0];
    if (failed === undefined || failed === null) return;
    this.#acks.push(...records);
    throw failed;
  }

  /** Members that have nothing pending are forgotten; what one has pending would be forgotten with it. */
  async #leave(group: string): Promise<void> {
    for (const key of this.#cursors.keys()) {
      const pending = await this.#redis.xpending(key, group, '-', '+', 1, this.#parts.memberName);
      if (pending.length === 0) await this.#redis.xgroup('DELCONSUMER', key, group, this.#parts.memberName);
    }
  }

  #moved(): void {
    this.#moves += 1;
    this.#ready = [];
    this.#ended = false;
  }
}

/** The id right before an offset: reads begin behind an id. */
function before(offset: bigint): string {
  return offset === 0n ? '0-0' : idOfOffset(offset - 1n);
}

function positionsKey(group: string): string {
  return `millrace:positions:${group}`;
}
