/**
 * Looks through a whole `.ss` file: what is sound, what is damaged and where; and writes a sound copy.
 *
 * Behind damage the next sound message is searched byte by byte, because a damaged length says nothing true about where the
 * message ends. A payload that is itself a piece of a `.ss` file may so be taken for messages, if it lies in the damage.
 * Shard, sequence and timestamp are under no checksum in this format: damage to them goes unseen.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { MillraceError } from '../../../base/errors.ts';
import { CRC16_INIT, crc16OfChecksum } from './crc16.ts';
import { SsDecoder, type SsItem } from './ss-decoder.ts';
import { SsEncoder } from './ss-encoder.ts';
import {
  encodeSsHeader,
  isEndOfStream,
  SS_HEADER_BYTES,
  type SsBeacon,
  type SsHeader,
  type SsMessage,
} from './ss-format.ts';
import { fileError, readAt, readSsHeader } from './ss-scan.ts';

export interface SsDamage {
  readonly offset: number;
  /** Exclusive: from here on it is sound again, or the end of the file. */
  readonly endOffset: number;
  readonly why: string;
}

export interface SsReport {
  readonly header: SsHeader;
  readonly sizeBytes: number;
  readonly messageCount: number;
  readonly beaconCount: number;
  readonly endOfStream: boolean;
  readonly damages: readonly SsDamage[];
  /** The file ends within a message or beacon, which begins here. */
  readonly cutOffset: number | undefined;
  /** Beacons whose running checksum is another than that of the messages: some are missing, or were appended by SeaStreamer
   * to an existing file, which begins its running checksums anew. */
  readonly checksumNotes: readonly string[];
}

const BLOCK_BYTES = 1024 * 1024;

/**
 * @param onMessage called with each sound message, in order, an end-of-stream mark included.
 * @throws MillraceError CLIENT_FILE_FORMAT where not even the header is sound, CLIENT_FILE_IO.
 */
export async function verifySs(
  file: string,
  onMessage?: (message: SsMessage) => Promise<void> | void,
): Promise<SsReport> {
  const handle = await openOrThrow(file, 'r');
  try {
    return await new Verifier(handle, await readSsHeader(handle), onMessage).run();
  } catch (error) {
    throw fileError(error, file, 'Verifying');
  } finally {
    await handle.close();
  }
}

/**
 * Writes every sound message of a file to a new one, with the same header. The file itself is not touched.
 * @throws as `verifySs`; CLIENT_OPTION_INVALID where `target` is there already.
 */
export async function repairSs(file: string, target: string): Promise<SsReport> {
  const source = await openOrThrow(file, 'r');
  let header: SsHeader;
  try {
    header = await readSsHeader(source);
  } finally {
    await source.close();
  }
  const output = await openOrThrow(target, 'wx');
  try {
    await output.write(encodeSsHeader(header));
    const encoder = new SsEncoder(header.beaconInterval, SS_HEADER_BYTES);
    const report = await verifySs(file, async (message) => {
      encoder.add(message);
      if (encoder.pendingBytes < BLOCK_BYTES) return;
      const bytes = encoder.take();
      await output.write(bytes);
      encoder.giveBack(bytes);
    });
    await output.write(encoder.take());
    await output.sync();
    return report;
  } finally {
    await output.close();
  }
}

class Verifier {
  readonly #handle: FileHandle;
  readonly #header: SsHeader;
  readonly #onMessage: ((message: SsMessage) => Promise<void> | void) | undefined;
  readonly #damages: SsDamage[] = [];
  readonly #running = new Map<string, number>();
  readonly #notes: string[] = [];
  #messageCount = 0;
  #beaconCount = 0;
  #endOfStream = false;
  /** Beacons in the middle of a message count that message already: they are compared once it has come. */
  #toCompare: SsBeacon[] = [];

  constructor(
    handle: FileHandle,
    header: SsHeader,
    onMessage: ((message: SsMessage) => Promise<void> | void) | undefined,
  ) {
    this.#handle = handle;
    this.#header = header;
    this.#onMessage = onMessage;
  }

  async run(): Promise<SsReport> {
    const { size } = await this.#handle.stat();
    let offset = SS_HEADER_BYTES;
    let cutOffset: number | undefined;
    while (offset < size) {
      const stop = await this.#walk(offset, size);
      if (stop.offset >= size) break;
      const sound = await this.#findSound(stop.offset + 1, size);
      // A torn end is no damage; a length that reaches beyond sound messages is.
      if (stop.why === undefined && sound >= size) {
        cutOffset = stop.offset;
        break;
      }
      const why = stop.why ?? `Damaged at byte ${stop.offset}: what begins there would end behind the end of the file.`;
      this.#damages.push({ offset: stop.offset, endOffset: sound, why });
      // Nothing can be said of running checksums behind a gap.
      this.#running.clear();
      this.#toCompare = [];
      offset = sound;
    }
    return {
      header: this.#header,
      sizeBytes: size,
      messageCount: this.#messageCount,
      beaconCount: this.#beaconCount,
      endOfStream: this.#endOfStream,
      damages: this.#damages,
      cutOffset,
      checksumNotes: this.#notes,
    };
  }

  /** From a sound place to the first damage, or to where the last whole item ends. */
  async #walk(from: number, size: number): Promise<{ offset: number; why?: string }> {
    const decoder = new SsDecoder(this.#header.beaconInterval, from);
    let sound = from;
    for (;;) {
      let item: SsItem | undefined;
      try {
        item = decoder.next();
      } catch (error) {
        return { offset: sound, why: error instanceof Error ? error.message : String(error) };
      }
      if (item !== undefined) {
        await this.#count(item);
        sound = item.endOffset;
        continue;
      }
      const bytes = await readAt(this.#handle, decoder.nextOffset, Math.min(BLOCK_BYTES, size - decoder.nextOffset));
      if (bytes.length === 0) return { offset: sound };
      decoder.push(bytes);
    }
  }

  async #count(item: SsItem): Promise<void> {
    switch (item.type) {
      case 'beacon':
        this.#beaconCount += 1;
        this.#toCompare.push(item.beacon);
        if (item.beacon.remainingBytes === 0) this.#compareBeacons();
        return;
      case 'message': {
        const { message } = item;
        this.#endOfStream = isEndOfStream(message);
        const key = `${message.key}/${message.shard}`;
        this.#running.set(key, crc16OfChecksum(message.checksum, this.#running.get(key) ?? CRC16_INIT));
        this.#compareBeacons();
        if (!this.#endOfStream) this.#messageCount += 1;
        await this.#onMessage?.(message);
        return;
      }
      default:
        return item satisfies never;
    }
  }

  #compareBeacons(): void {
    for (const { index, items } of this.#toCompare.splice(0)) {
      for (const { key, shard, runningChecksum } of items) {
        const running = this.#running.get(`${key}/${shard}`);
        // Behind damage nothing can be said.
        if (this.#damages.length === 0 && running !== undefined && running !== runningChecksum)
          this.#notes.push(
            `beacon ${index}: ${key}/${shard} has running checksum ${runningChecksum}, its messages have ${running}`,
          );
      }
    }
  }

  /** The next place from which a message or beacon can be read whole: byte by byte, so that no sound message is left out. */
  async #findSound(from: number, size: number): Promise<number> {
    const { beaconInterval } = this.#header;
    for (let blockStart = from; blockStart < size; ) {
      const block = await readAt(this.#handle, blockStart, Math.min(BLOCK_BYTES, size - blockStart));
      if (block.length === 0) return size;
      for (let i = 0; i < block.length; i++) {
        const offset = blockStart + i;
        const plausible = offset % beaconInterval === 0 || isKeyStart(block, i);
        if (plausible && (await this.#isSound(offset, size))) return offset;
      }
      blockStart += block.length;
    }
    return size;
  }

  async #isSound(offset: number, size: number): Promise<boolean> {
    const decoder = new SsDecoder(this.#header.beaconInterval, offset);
    let length = 4096;
    try {
      for (;;) {
        const bytes = await readAt(this.#handle, decoder.nextOffset, Math.min(length, size - decoder.nextOffset));
        if (bytes.length === 0) return false;
        decoder.push(bytes);
        for (let item = decoder.next(); item !== undefined; item = decoder.next())
          if (item.type === 'message') return true;
        length *= 2;
      }
    } catch {
      return false;
    }
  }
}

/** Cheap enough for every byte of a damaged region: a length, and as many bytes of the kind that keys have. */
function isKeyStart(bytes: Uint8Array, at: number): boolean {
  const length = bytes[at] as number;
  if (length === 0 || length > 249) return false;
  const end = Math.min(at + 1 + length, bytes.length);
  for (let i = at + 1; i < end; i++) {
    const byte = bytes[i] as number;
    const allowed =
      (byte >= 0x61 && byte <= 0x7a) ||
      (byte >= 0x41 && byte <= 0x5a) ||
      (byte >= 0x30 && byte <= 0x39) ||
      byte === 0x2e ||
      byte === 0x5f ||
      byte === 0x2d;
    if (!allowed) return false;
  }
  return true;
}

async function openOrThrow(file: string, flags: 'r' | 'wx'): Promise<FileHandle> {
  try {
    return await open(file, flags);
  } catch (error) {
    if (flags === 'wx' && (error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new MillraceError(
        'CLIENT_OPTION_INVALID',
        `${file} is there already; a repaired copy goes to a new file.`,
        { cause: error },
      );
    throw fileError(error, file, 'Opening');
  }
}
