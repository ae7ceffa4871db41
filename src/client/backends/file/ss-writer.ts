/**
 * Appends to a `.ss` file. One writer a file and process, shared by all producers (`acquireSsWriter`); two processes must
 * not append to one file, and nothing keeps them from it.
 *
 * Opening for append finds the end of the last whole message, and cuts what follows: an end-of-stream mark, or a message
 * that a crash left half written (it was never acknowledged). A damaged file is refused: verify and repair it first.
 */
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { asMillraceError, MillraceError } from '../../../base/errors.ts';
import type { Offsets, WriteBatch } from '../../backend.ts';
import { encodeUtf8 } from '../../utf8.ts';
import { Wake } from '../../wake.ts';
import { CRC16_INIT, crc16OfChecksum } from './crc16.ts';
import { SsEncoder, type SsStreamState } from './ss-encoder.ts';
import {
  checkSsKey,
  encodeSsHeader,
  isEndOfStream,
  SS_END_OF_STREAM,
  SS_HEADER_BYTES,
  SS_INTERNAL_KEY,
  type SsHeader,
} from './ss-format.ts';
import { fileError, readBeacon, readSsHeader, scanSs } from './ss-scan.ts';

export interface SsWriterOptions {
  readonly create: 'if-missing' | 'only' | 'never';
  /** For a new file; one that is there keeps its own. */
  readonly beaconInterval: number;
  readonly maxBytes: number;
  /** Mark the end of the stream on close. */
  readonly eos: boolean;
  readonly clock: Clock;
}

class SsWriter {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #header: SsHeader;
  readonly #options: SsWriterOptions;
  readonly #encoder: SsEncoder;
  /** End of what was there at the start: streams written before are looked up there. */
  readonly #startOffset: number;
  readonly #onWrite: () => void;
  /** Batches are encoded one after the other, and written so; the next are encoded while the last are on the way. */
  #encoding: Promise<unknown> = Promise.resolve();
  #flushing: Promise<unknown> = Promise.resolve();
  /** After a failed write the end of the file is unknown. */
  #failure: MillraceError | undefined;

  private constructor(
    file: string,
    handle: FileHandle,
    header: SsHeader,
    startOffset: number,
    options: SsWriterOptions,
    onWrite: () => void,
  ) {
    this.path = file;
    this.#handle = handle;
    this.#header = header;
    this.#options = options;
    this.#startOffset = startOffset;
    this.#encoder = new SsEncoder(header.beaconInterval, startOffset);
    this.#onWrite = onWrite;
  }

  /** @throws MillraceError CLIENT_TOPIC_NOT_FOUND, CLIENT_OPTION_INVALID, CLIENT_FILE_FORMAT, CLIENT_FILE_CORRUPT, CLIENT_FILE_IO. */
  static async open(file: string, options: SsWriterOptions, onWrite: () => void): Promise<SsWriter> {
    let handle: FileHandle | undefined;
    try {
      handle = await openForAppend(file, options.create);
      const { size } = await handle.stat();
      if (size === 0) {
        const header = {
          fileName: path.basename(file),
          createdAt: options.clock.now(),
          beaconInterval: options.beaconInterval,
        };
        await handle.write(encodeSsHeader(header), 0, SS_HEADER_BYTES, 0);
        return new SsWriter(file, handle, header, SS_HEADER_BYTES, options, onWrite);
      }
      const header = await readSsHeader(handle);
      const end = await findEnd({ handle, header }, size);
      if (end < size) await handle.truncate(end);
      return new SsWriter(file, handle, header, end, options, onWrite);
    } catch (error) {
      await handle?.close();
      throw fileError(error, file, 'Opening');
    }
  }

  /** Appends batches; the result has one entry a batch. With `sync` they are on stable storage when it resolves. */
  async write(batches: readonly WriteBatch[], sync: boolean): Promise<readonly (Offsets | Error)[]> {
    const encoding = this.#encoding.then(async () => await this.#encodeAll(batches));
    // Encoded in this order means flushed in this order: nothing comes between the two.
    const flushing = encoding.then(async (outcomes) => {
      await this.#flush(sync);
      return outcomes;
    });
    this.#encoding = encoding.catch(() => undefined);
    return await flushing;
  }

  async close(): Promise<void> {
    await this.#encoding;
    await this.#flushing;
    try {
      if (this.#options.eos && this.#failure === undefined) await this.#end();
    } finally {
      await this.#handle.close();
    }
  }

  async #end(): Promise<void> {
    this.#encoder.add({
      key: SS_INTERNAL_KEY,
      shard: 0,
      sequence: 0n,
      timestamp: this.#options.clock.now(),
      payload: encodeUtf8(SS_END_OF_STREAM),
    });
    await this.#flush(true);
  }

  async #encodeAll(batches: readonly WriteBatch[]): Promise<readonly (Offsets | Error)[]> {
    if (this.#failure !== undefined) throw this.#failure;
    const outcomes: (Offsets | Error)[] = [];
    for (const batch of batches) outcomes.push(await this.#encode(batch));
    return outcomes;
  }

  async #encode({ topic, partition, records }: WriteBatch): Promise<Offsets | Error> {
    try {
      checkSsKey(topic);
      const state = this.#encoder.state(topic, partition) ?? (await this.#lookUp(topic, partition));
      this.#checkRoom(topic, records);
      const firstSequence = (state?.sequence ?? 0n) + 1n;
      this.#encoder.addAll(topic, partition, firstSequence, records);
      return (index) => firstSequence + BigInt(index);
    } catch (error) {
      return asMillraceError(error);
    }
  }

  /** A batch fits whole or not at all. */
  #checkRoom(topic: string, records: WriteBatch['records']): void {
    const { maxBytes } = this.#options;
    let payloadBytes = 0;
    for (const { value } of records) payloadBytes += value?.length ?? 0;
    const room = maxBytes - this.#encoder.offset;
    if (this.#encoder.costBytesAtMost(topic, records.length, payloadBytes) <= room) return;
    let needed = 0;
    for (const { value } of records) needed += this.#encoder.costBytes(topic, value?.length ?? 0);
    if (needed <= room) return;
    throw new MillraceError(
      'CLIENT_FILE_FULL',
      `${this.path} has ${this.#encoder.offset} bytes; ${needed} more would pass its limit of ${maxBytes}.`,
      { details: { path: this.path, sizeBytes: this.#encoder.offset, maxBytes } },
    );
  }

  /** What is encoded by now reaches the file, behind what was flushed before. */
  async #flush(sync: boolean): Promise<void> {
    const bytes = this.#encoder.take();
    const offset = this.#encoder.offset - bytes.length;
    const turn = this.#flushing.then(async () => await this.#writeAt(bytes, offset, sync));
    this.#flushing = turn.catch(() => undefined);
    await turn;
  }

  async #writeAt(bytes: Uint8Array, offset: number, sync: boolean): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, offset + at);
        at += bytesWritten;
      }
      if (sync) await this.#handle.datasync();
    } catch (error) {
      this.#failure = fileError(error, this.path, 'Writing');
      throw this.#failure;
    }
    this.#encoder.giveBack(bytes);
    this.#onWrite();
  }

  /** Goes back over the beacons to one that mentions the stream, and from there on to where this writer began. */
  async #lookUp(key: string, shard: number): Promise<SsStreamState | undefined> {
    if (this.#startOffset <= SS_HEADER_BYTES) return undefined;
    const source = { handle: this.#handle, header: this.#header };
    const state: SsStreamState = { sequence: 0n, timestamp: 0, runningChecksum: CRC16_INIT };
    let index = Math.floor((this.#startOffset - 1) / this.#header.beaconInterval);
    for (; index > 0; index--) {
      const item = (await readBeacon(source, index))?.items.find((entry) => entry.key === key && entry.shard === shard);
      if (item === undefined) continue;
      state.sequence = item.sequence;
      state.timestamp = item.timestamp;
      state.runningChecksum = item.runningChecksum;
      break;
    }
    const from = index === 0 ? SS_HEADER_BYTES : index * this.#header.beaconInterval;
    for await (const item of scanSs(source, from, this.#startOffset)) {
      if (item.type !== 'message' || item.message.key !== key || item.message.shard !== shard) continue;
      const { sequence, timestamp, checksum } = item.message;
      if (sequence > state.sequence) state.sequence = sequence;
      if (timestamp > state.timestamp) state.timestamp = timestamp;
      state.runningChecksum = crc16OfChecksum(checksum, state.runningChecksum);
    }
    if (state.sequence > 0n) this.#encoder.restore(key, shard, state);
    return state;
  }
}

async function openForAppend(file: string, create: SsWriterOptions['create']): Promise<FileHandle> {
  if (create === 'only') return await open(file, 'wx+');
  try {
    return await open(file, 'r+');
  } catch (error) {
    if (create === 'never' || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return await open(file, 'wx+');
  }
}

/** End of the last whole message that is no end-of-stream mark, or of the beacon right behind it. */
async function findEnd(source: { handle: FileHandle; header: SsHeader }, size: number): Promise<number> {
  const { beaconInterval } = source.header;
  for (let index = Math.floor(size / beaconInterval); ; index--) {
    let end: number | undefined;
    const from = index === 0 ? SS_HEADER_BYTES : index * beaconInterval;
    for await (const item of scanSs(source, from, size)) {
      if (item.type === 'message' && !isEndOfStream(item.message)) end = item.endOffset;
      else if (item.type === 'beacon' && item.offset === end) end = item.endOffset;
    }
    if (end !== undefined) return end;
    if (index <= 0) return SS_HEADER_BYTES;
  }
}

interface Shared {
  readonly writer: Promise<SsWriter>;
  users: number;
}

const writers = new Map<string, Shared>();
const wakes = new Map<string, Wake>();

/** Wakes readers of the file in this process as soon as something was written. */
export function wakeOf(file: string): Wake {
  const key = path.resolve(file);
  let wake = wakes.get(key);
  if (wake === undefined) {
    wake = new Wake();
    wakes.set(key, wake);
  }
  return wake;
}

/** The file's writer, opened by the first who asks; the last who releases it closes it. */
export async function acquireSsWriter(file: string, options: SsWriterOptions): Promise<SsWriter> {
  const key = path.resolve(file);
  let shared = writers.get(key);
  if (shared === undefined) {
    shared = { writer: SsWriter.open(key, options, () => wakeOf(key).all()), users: 0 };
    writers.set(key, shared);
  }
  shared.users += 1;
  try {
    return await shared.writer;
  } catch (error) {
    if (writers.get(key) === shared) writers.delete(key);
    throw error;
  }
}

export async function releaseSsWriter(writer: SsWriter): Promise<void> {
  const shared = writers.get(writer.path);
  if (shared === undefined || --shared.users > 0) return;
  writers.delete(writer.path);
  await writer.close();
}
