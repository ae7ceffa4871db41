/** Standard input is one for the whole process: one hub reads it and gives its records to all readers. */
import type { Readable } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import type { RawRecord } from '../../record.ts';
import { Wake } from '../../wake.ts';
import { BROADCAST, parseLine } from './line.ts';

/** A reader's queue; when one is full the input is not read on, which is the backpressure on whoever writes the pipe. */
const MAX_QUEUED_RECORDS = 10_000;
/** A line that does not end would fill the memory. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const LINE_FEED = 0x0a;
const NO_HEADERS: RawRecord['headers'] = [];

export interface HubReader {
  readonly topics: readonly string[];
  readonly group: string | undefined;
  readonly queue: RawRecord[];
}

/** Numbers lines of a stream that have none. */
interface Counter {
  readonly topic: string;
  readonly partition: number;
  next: bigint;
}

export class StdioHub {
  readonly changed = new Wake();
  readonly #input: Readable;
  readonly #clock: Clock;
  readonly #readers: HubReader[] = [];
  readonly #counters = new Map<string, Counter>();
  #lastCounter: Counter | undefined;
  /** Of a line that has not ended yet. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  #started = false;
  ended = false;
  failure: MillraceError | undefined;

  constructor(input: Readable, clock: Clock) {
    this.#input = input;
    this.#clock = clock;
  }

  /** Reading begins with the first reader, so nothing is missed that came before. */
  add(reader: HubReader): void {
    this.#readers.push(reader);
    if (this.#started) return;
    this.#started = true;
    this.#input.on('data', (piece: Buffer | string) =>
      this.#take(typeof piece === 'string' ? Buffer.from(piece) : piece),
    );
    this.#input.once('end', () => this.#end());
    this.#input.once('error', (error) =>
      this.#fail(new MillraceError('CLIENT_FILE_IO', `Reading the input failed: ${error.message}`, { cause: error })),
    );
  }

  remove(reader: HubReader): void {
    const index = this.#readers.indexOf(reader);
    if (index >= 0) this.#readers.splice(index, 1);
    this.resume();
  }

  /** A reader made room. */
  resume(): void {
    if (this.#started && this.#input.isPaused() && this.#hasRoom()) this.#input.resume();
    // A process that reads no more should be able to end.
    if (this.#readers.length === 0) this.#input.pause();
  }

  #take(piece: Buffer): void {
    this.#rest.push(piece);
    this.#restBytes += piece.length;
    // Put together once the line ends, or a long one would be copied with each piece of it.
    if (piece.includes(LINE_FEED)) this.#lines();
    if (this.#restBytes > MAX_LINE_BYTES)
      this.#fail(
        new MillraceError('CLIENT_DECODE_FAILED', `A line of the input is longer than ${MAX_LINE_BYTES} bytes.`),
      );
    if (!this.#hasRoom()) this.#input.pause();
    this.changed.all();
  }

  /** Whole lines of what is there. */
  #lines(): void {
    const bytes = this.#takeRest();
    const text = bytes.toString('latin1');
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#line(bytes, text, start, end);
      start = end + 1;
    }
    if (start < bytes.length) this.#rest.push(bytes.subarray(start));
    this.#restBytes = bytes.length - start;
  }

  #takeRest(): Buffer {
    const [first] = this.#rest;
    const bytes = first !== undefined && this.#rest.length === 1 ? first : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return bytes;
  }

  #line(bytes: Buffer, text: string, start: number, end: number): void {
    if (start === end) return;
    const { header, payload } = parseLine(bytes, text, start, end);
    const topic = header.key ?? BROADCAST;
    const partition = header.shard ?? 0;
    const counter = this.#counter(topic, partition);
    const offset = header.sequence ?? counter.next;
    counter.next = offset + 1n;
    const timestamp = header.timestamp ?? this.#clock.now();
    const record = { topic, partition, offset, timestamp, key: null, value: payload, headers: NO_HEADERS };
    let groups: Map<string, HubReader[]> | undefined;
    for (const reader of this.#readers) {
      if (topic !== BROADCAST && !reader.topics.includes(topic) && !reader.topics.includes('*')) continue;
      if (reader.group === undefined) reader.queue.push(record);
      else (groups ??= new Map()).set(reader.group, [...(groups.get(reader.group) ?? []), reader]);
    }
    // The member is the sequence modulo the members, so joining and leaving need no agreement.
    for (const members of groups?.values() ?? []) members[Number(offset % BigInt(members.length))]?.queue.push(record);
  }

  /** Lines of one stream come in a row, more often than not. */
  #counter(topic: string, partition: number): Counter {
    const last = this.#lastCounter;
    if (last !== undefined && last.partition === partition && last.topic === topic) return last;
    const name = `${topic}/${partition}`;
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      counter = { topic, partition, next: 0n };
      this.#counters.set(name, counter);
    }
    this.#lastCounter = counter;
    return counter;
  }

  #hasRoom(): boolean {
    return this.#readers.every(({ queue }) => queue.length < MAX_QUEUED_RECORDS);
  }

  #end(): void {
    const bytes = this.#takeRest();
    this.#line(bytes, bytes.toString('latin1'), 0, bytes.length);
    this.ended = true;
    this.changed.all();
  }

  #fail(error: MillraceError): void {
    this.failure = error;
    this.#takeRest();
    this.#input.pause();
    this.changed.all();
  }
}
