/**
 * Reads a `.ss` file: one scan serves all streams that are asked for, and each stream has a rule of its own for which
 * messages are due, so that seeking one does not repeat another. Beacons are searched to begin the scan where it must.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import { abortable, throwIfAborted } from '../../abort.ts';
import type { Reader, ReaderOptions, ReadOptions } from '../../backend.ts';
import type { ExactPosition, Place } from '../../position.ts';
import { covers, PositionMarks, partitionKey } from '../../position-marks.ts';
import type { RawRecord, RecordPlace } from '../../record.ts';
import type { Wake } from '../../wake.ts';
import type { GroupMember } from '../memory/memory-group.ts';
import { FileGroup } from './file-group.ts';
import { SsDecoder, type SsFound } from './ss-decoder.ts';
import { beaconItemLimit, isEndOfStream, SS_HEADER_BYTES, SS_INTERNAL_KEY, type SsHeader } from './ss-format.ts';
import { fileError, readAt, readBeacon, readSsHeader } from './ss-scan.ts';
import { wakeOf } from './ss-writer.ts';

/** Which messages of a stream are due. */
interface Rule {
  /** Up to this one nothing is due. */
  lastSequence: bigint;
  /** Until the first message with this time or later. */
  fromTimestamp: number;
  /** Only what lies behind this place of the file. */
  fromFileOffset: number;
}

const BLOCK_BYTES = 1024 * 1024;
/** Other processes write without telling: the file's size is looked at, ever less often while nothing happens. */
const FIRST_POLL_MS = 5;
const LAST_POLL_MS = 200;
const NO_HEADERS: RawRecord['headers'] = [];

export interface FileReaderParts {
  readonly path: string;
  readonly clock: Clock;
}

export class FileReader implements Reader, GroupMember {
  readonly topics: readonly string[];
  readonly #parts: FileReaderParts;
  readonly #options: ReaderOptions;
  readonly #marks = new PositionMarks();
  readonly #wake: Wake;
  readonly #closed = new AbortController();
  readonly #rules = new Map<string, Rule>();
  #group: FileGroup | undefined;
  #generation = -1;
  #explicit: readonly Required<Place>[] | undefined;
  /** For streams without a rule of their own; settled when the reader opens. */
  #default: Rule = { lastSequence: -1n, fromTimestamp: 0, fromFileOffset: 0 };
  #file: { readonly handle: FileHandle; readonly header: SsHeader } | undefined;
  #decoder: SsDecoder | undefined;
  /** Exclusive; what is there when the reader opens, with `untilEnd`. */
  #endOffset = Number.POSITIVE_INFINITY;
  /** Of the file, when it was last asked. */
  #sizeBytes = 0;
  #ended = false;
  /** End of the last sound item, and whether reading on from there was tried again. */
  #soundOffset = SS_HEADER_BYTES;
  #triedOffset = -1;
  #pollMs = FIRST_POLL_MS;
  /** The next block, asked for while the last is decoded. */
  #ahead: { readonly offset: number; readonly bytes: Promise<Uint8Array> } | undefined;
  /** The last message's stream, since messages of one stream come in a row; without a rule where nobody wants it. */
  #last: { readonly topic: string; readonly partition: number; readonly rule: Rule | undefined } | undefined;

  private constructor(parts: FileReaderParts, options: ReaderOptions) {
    this.#parts = parts;
    this.#options = options;
    this.topics = options.topics;
    this.#explicit = options.partitions;
    this.#wake = wakeOf(parts.path);
  }

  static async open(parts: FileReaderParts, options: ReaderOptions): Promise<FileReader> {
    const reader = new FileReader(parts, options);
    try {
      await reader.#open();
      return reader;
    } catch (error) {
      await reader.close();
      throw fileError(error, parts.path, 'Reading');
    }
  }

  async read({ maxRecords, signal }: ReadOptions): Promise<readonly RawRecord[] | undefined> {
    for (;;) {
      throwIfAborted(signal);
      const ticket = this.#wake.ticket;
      if (this.#closed.signal.aborted) throw new MillraceError('CLIENT_CLOSED', 'The reader has been closed.');
      try {
        if (this.#group !== undefined && this.#group.generation !== this.#generation) await this.#rebalance();
        const records = await this.#take(maxRecords);
        if (records.length > 0) return records;
        if (this.#ended) return undefined;
      } catch (error) {
        throw fileError(error, this.#parts.path, 'Reading');
      }
      await this.#sleep(ticket, signal);
    }
  }

  mark(place: RecordPlace): void {
    if (this.#group !== undefined && this.#mine(place)) this.#marks.mark(place);
  }

  /** A file does not say what is in it before it is read. */
  partitions(): undefined {
    return undefined;
  }

  async commit(): Promise<void> {
    const group = this.#group;
    if (group !== undefined) await this.#marks.commit((marks) => group.save(marks));
  }

  async seek(position: ExactPosition, place: Place): Promise<void> {
    this.#marks.retain((marked) => !covers(place, marked));
    const rule = await this.#ruleOf(position);
    const names = [...this.#rules.keys()];
    for (const key of names) {
      const slash = key.lastIndexOf('/');
      if (covers(place, { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) }))
        this.#rules.set(key, { ...rule });
    }
    if (place.topic !== undefined && place.partition !== undefined) {
      this.#rules.set(partitionKey({ topic: place.topic, partition: place.partition }), { ...rule });
    } else this.#default = rule;
    await this.#restart();
  }

  async assign(partitions: readonly Required<Place>[]): Promise<void> {
    this.#explicit = partitions;
    await this.#restart();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#group?.leave(this);
    this.#wake.all();
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  async #open(): Promise<void> {
    const { mode, from, untilEnd } = this.#options;
    await this.#openFile();
    if (untilEnd) {
      if (this.#file === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      this.#endOffset = (await this.#file.handle.stat()).size;
    }
    this.#default = await this.#ruleOf(from);
    if (mode.type !== 'real-time') this.#group = await FileGroup.open(this.#parts.path, mode.group, this.#wake);
    if (mode.type === 'load-balanced') this.#group?.join(this);
    this.#generation = this.#group?.generation ?? -1;
    await this.#restart();
  }

  /** A file that is not there yet is waited for. */
  async #openFile(): Promise<void> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#parts.path, 'r');
      // Just made, and its header is on the way.
      if ((await handle.stat()).size < SS_HEADER_BYTES && !this.#options.untilEnd) return await handle.close();
      this.#file = { handle, header: await readSsHeader(handle) };
    } catch (error) {
      await handle?.close();
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  async #ruleOf(position: ExactPosition): Promise<Rule> {
    const rule: Rule = { lastSequence: -1n, fromTimestamp: 0, fromFileOffset: 0 };
    switch (position.at) {
      case 'earliest':
        return rule;
      case 'latest':
        return { ...rule, fromFileOffset: (await this.#file?.handle.stat())?.size ?? 0 };
      case 'offset':
        return { ...rule, lastSequence: position.offset - 1n };
      case 'timestamp':
        return { ...rule, fromTimestamp: position.timestamp };
      default:
        return position satisfies never;
    }
  }

  #findRule(place: Required<Place>): Rule {
    const key = partitionKey(place);
    let rule = this.#rules.get(key);
    if (rule === undefined) {
      const committed = this.#group?.committed(place);
      rule =
        committed === undefined
          ? { ...this.#default }
          : { lastSequence: committed - 1n, fromTimestamp: 0, fromFileOffset: 0 };
      this.#rules.set(key, rule);
    }
    return rule;
  }

  #wants(topic: string): boolean {
    return this.topics.includes(topic) || (this.topics.includes('*') && topic !== SS_INTERNAL_KEY);
  }

  #mine(place: Required<Place>): boolean {
    if (this.#options.mode.type === 'load-balanced') return this.#group?.owns(this, place) === true;
    return this.#explicit === undefined || this.#explicit.some((wanted) => covers(wanted, place));
  }

  /** Another share: streams that are new here begin where they are committed, those that are kept go on. */
  async #rebalance(): Promise<void> {
    this.#generation = this.#group?.generation ?? -1;
    for (const key of [...this.#rules.keys()]) {
      const slash = key.lastIndexOf('/');
      if (!this.#mine({ topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) })) this.#rules.delete(key);
    }
    this.#marks.retain((place) => this.#mine(place));
    await this.#restart();
  }

  /** Begins the scan at the last beacon before which nothing is due. */
  async #restart(): Promise<void> {
    this.#ended = false;
    this.#last = undefined;
    this.#ahead = undefined;
    if (this.#file === undefined) {
      this.#decoder = undefined;
      return;
    }
    const { handle, header } = this.#file;
    const { size } = await handle.stat();
    this.#sizeBytes = size;
    // low: nothing is due before it; high: something may be.
    let low = 0;
    let high = Math.floor(size / header.beaconInterval) + 1;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (await this.#nothingDueBefore(middle)) low = middle;
      else high = middle;
    }
    const offset = low === 0 ? SS_HEADER_BYTES : low * header.beaconInterval;
    this.#soundOffset = offset;
    this.#decoder = new SsDecoder(header.beaconInterval, offset);
  }

  async #nothingDueBefore(index: number): Promise<boolean> {
    if (this.#file === undefined) return false;
    const { header } = this.#file;
    const beacon = await readBeacon(this.#file, index);
    // One that may leave streams out says nothing about those.
    if (beacon === undefined || beacon.items.length >= beaconItemLimit(header.beaconInterval)) return false;
    const fileOffset = index * header.beaconInterval;
    return beacon.items.every(({ key, shard, sequence, timestamp }) => {
      const place = { topic: key, partition: shard };
      if (!this.#wants(key) || !this.#mine(place)) return true;
      const rule = this.#findRule(place);
      return sequence <= rule.lastSequence || timestamp < rule.fromTimestamp || fileOffset <= rule.fromFileOffset;
    });
  }

  async #take(maxRecords: number): Promise<RawRecord[]> {
    if (this.#file === undefined) {
      await this.#openFile();
      await this.#restart();
    }
    const records: RawRecord[] = [];
    while (!this.#ended && this.#file !== undefined) {
      if (this.#decode(records, maxRecords) || !(await this.#fill())) break;
    }
    return records;
  }

  /** @returns true where there is enough, or no more can come of what was read. */
  #decode(records: RawRecord[], maxRecords: number): boolean {
    const decoder = this.#decoder as SsDecoder;
    const { found } = decoder;
    // Whose a stream is may have changed since the last block.
    this.#last = undefined;
    try {
      while (records.length < maxRecords) {
        const what = decoder.step();
        if (what === 'more') break;
        if (what === 'beacon') {
          this.#soundOffset = decoder.restartOffset ?? this.#soundOffset;
          continue;
        }
        if (found.offset >= this.#endOffset) {
          this.#ended = true;
          break;
        }
        this.#soundOffset = found.endOffset;
        if (isEndOfStream(found)) {
          this.#ended = true;
          break;
        }
        const record = this.#due(found);
        if (record !== undefined) records.push(record);
      }
    } catch (error) {
      // What a crashed writer left half written is cut by the next one, and may have been read before: look once more.
      if (records.length === 0 && this.#triedOffset === this.#soundOffset) throw error;
      this.#triedOffset = this.#soundOffset;
      this.#decoder = new SsDecoder((this.#file as { header: SsHeader }).header.beaconInterval, this.#soundOffset);
    }
    return records.length > 0 || this.#ended;
  }

  #due({ key, shard, sequence, timestamp, payload, offset: fileOffset }: SsFound): RawRecord | undefined {
    let last = this.#last;
    if (last === undefined || last.topic !== key || last.partition !== shard) {
      const place = { topic: key, partition: shard };
      last = { ...place, rule: this.#wants(key) && this.#mine(place) ? this.#findRule(place) : undefined };
      this.#last = last;
    }
    const { rule } = last;
    if (rule === undefined) return undefined;
    if (sequence <= rule.lastSequence || timestamp < rule.fromTimestamp || fileOffset < rule.fromFileOffset)
      return undefined;
    rule.lastSequence = sequence;
    rule.fromTimestamp = 0;
    return {
      topic: key,
      partition: shard,
      offset: sequence,
      timestamp,
      key: null,
      value: payload,
      headers: NO_HEADERS,
    };
  }

  /** @returns false where there is nothing more to read now. */
  async #fill(): Promise<boolean> {
    const decoder = this.#decoder as SsDecoder;
    const { handle } = this.#file as { handle: FileHandle };
    // Asked again only where the last answer is used up: a file grows.
    if (decoder.nextOffset + BLOCK_BYTES > this.#sizeBytes) this.#sizeBytes = (await handle.stat()).size;
    const end = Math.min(this.#sizeBytes, this.#endOffset);
    if (this.#sizeBytes < this.#soundOffset)
      throw new MillraceError('CLIENT_FILE_IO', `${this.#parts.path} became shorter than what was read of it.`, {
        details: { path: this.#parts.path },
      });
    const length = Math.min(BLOCK_BYTES, end - decoder.nextOffset);
    const bytes = length > 0 ? await this.#block(handle, decoder.nextOffset, length) : undefined;
    if (bytes === undefined || bytes.length === 0) {
      // A message that is not whole at the end is on the way, or never will be.
      if (this.#options.untilEnd) this.#ended = true;
      return false;
    }
    this.#pollMs = FIRST_POLL_MS;
    decoder.push(bytes);
    this.#readAhead(handle, decoder.nextOffset, Math.min(BLOCK_BYTES, end - decoder.nextOffset));
    return true;
  }

  async #block(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead?.offset === offset) return await ahead.bytes;
    return await readAt(handle, offset, length);
  }

  /** Only whole blocks: the end of a growing file is read when it is asked for. */
  #readAhead(handle: FileHandle, offset: number, length: number): void {
    if (length < BLOCK_BYTES) return;
    const bytes = readAt(handle, offset, length);
    // Whoever asks for the block gets the failure; nobody may.
    bytes.catch(() => undefined);
    this.#ahead = { offset, bytes };
  }

  async #sleep(ticket: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const timer = this.#parts.clock.schedule(this.#pollMs, () => this.#wake.all());
    this.#pollMs = Math.min(this.#pollMs * 2, LAST_POLL_MS);
    try {
      await abortable(ticket, signal);
    } finally {
      timer.cancel();
    }
  }
}
