/** Makes the bytes of a `.ss` file: messages, with beacons where they are due. Pure; ss-writer.ts brings them to a file. */
import { writeInt64, writeUint16, writeUint32 } from '../../../base/bytes.ts';
import type { EncodedRecord } from '../../record.ts';
import { encodeUtf8 } from '../../utf8.ts';
import { CRC16_INIT, crc16, crc16OfChecksum } from './crc16.ts';
import {
  beaconItemLimit,
  SS_BEACON_FIXED_BYTES,
  SS_END,
  SS_MESSAGE_TAIL_BYTES,
  ssMessageBytes,
  writeUint64,
} from './ss-format.ts';

/** What beacons say of a stream. */
export interface SsStreamState {
  sequence: bigint;
  timestamp: number;
  runningChecksum: number;
}

export interface SsOutgoing {
  readonly key: string;
  readonly shard: number;
  readonly sequence: bigint;
  readonly timestamp: number;
  readonly payload: Uint8Array;
}

interface Stream extends SsStreamState {
  readonly key: string;
  readonly shard: number;
  /** What its messages and items begin with: key length, key, shard. */
  readonly head: Uint8Array;
}

const FIRST_BUFFER_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

export class SsEncoder {
  readonly #interval: number;
  /** Where in the file the next byte goes. */
  #offset: number;
  #bytes: Uint8Array = new Uint8Array(FIRST_BUFFER_BYTES);
  #length = 0;
  #spare: Uint8Array | undefined;
  /** Sorted by key, then shard: the order in which beacons take turns. */
  readonly #streams: Stream[] = [];
  readonly #byKey = new Map<string, Map<number, Stream>>();
  #itemCount = 0;
  #owesBeacon: boolean;

  /** @param offset in the file; what was written before is the caller's to know. */
  constructor(interval: number, offset: number) {
    this.#interval = interval;
    this.#offset = offset;
    // A file that ends just where a beacon belongs was cut before it: then the beacon comes first.
    this.#owesBeacon = offset % interval === 0;
  }

  get offset(): number {
    return this.#offset;
  }

  /** What `take` would return now. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** State of a stream, if there is one: undefined until something of it is written or `restore` was called. */
  state(key: string, shard: number): Readonly<SsStreamState> | undefined {
    return this.#byKey.get(key)?.get(shard);
  }

  /** Goes on with a stream of which the file has messages already. */
  restore(key: string, shard: number, state: SsStreamState): void {
    Object.assign(this.#stream(key, shard), state);
  }

  /** Bytes, beacons included, that the file would grow by at most. */
  costBytes(key: string, payloadLength: number): number {
    const message = ssMessageBytes(key.length, payloadLength);
    const room = this.#interval - (this.#offset % this.#interval);
    if (message < room) return message;
    // Each beacon takes its own bytes out of its interval, which may push the message over one more.
    const beacon = this.#beaconBytesAtMost();
    return message + beacon * (1 + Math.ceil((message - room + 1) / Math.max(this.#interval - beacon, 1)));
  }

  /** Bytes that the file would grow by at most with so many messages: cheaper to know than the sum of their `costBytes`. */
  costBytesAtMost(key: string, count: number, payloadBytes: number): number {
    const messages = count * ssMessageBytes(key.length, 0) + payloadBytes;
    const beacon = this.#beaconBytesAtMost();
    // Half of an interval is left for messages where beacons are at their longest.
    return messages + beacon * (2 + Math.ceil((2 * messages) / this.#interval));
  }

  /** Appends a message to the bytes that `take` returns. */
  add({ key, shard, sequence, timestamp, payload }: SsOutgoing): void {
    if (this.#owesBeacon) this.#beacon(0);
    const stream = this.#stream(key, shard);
    this.#append(stream, sequence, timestamp, payload);
    if (sequence > stream.sequence) stream.sequence = sequence;
  }

  /** Appends messages of one stream, numbered from `firstSequence`. */
  addAll(key: string, shard: number, firstSequence: bigint, records: readonly EncodedRecord[]): void {
    if (this.#owesBeacon) this.#beacon(0);
    const stream = this.#stream(key, shard);
    const first = Number(firstSequence);
    if (!Number.isSafeInteger(first + records.length)) {
      let sequence = firstSequence;
      for (const { timestamp, value } of records)
        this.add({ key, shard, sequence: sequence++, timestamp, payload: value ?? NOTHING });
      return;
    }
    // Counted as numbers: a bigint for each record costs more than the rest of its head.
    for (let i = 0; i < records.length; i++) {
      const { timestamp, value } = records[i] as EncodedRecord;
      this.#append(stream, first + i, timestamp, value ?? NOTHING);
    }
    stream.sequence = firstSequence + BigInt(records.length - 1);
  }

  #append(stream: Stream, sequence: number | bigint, timestamp: number, payload: Uint8Array): void {
    const size = stream.head.length + 8 + 8 + 4 + payload.length + SS_MESSAGE_TAIL_BYTES;
    const room = this.#interval - (this.#offset % this.#interval);
    const checksum = crc16(payload);
    if (timestamp > stream.timestamp) stream.timestamp = timestamp;
    stream.runningChecksum = crc16OfChecksum(checksum, stream.runningChecksum);
    if (size < room) {
      this.#reserve(size);
      writeMessage(this.#bytes, this.#length, stream.head, sequence, timestamp, payload, checksum);
      this.#length += size;
      this.#offset += size;
      return;
    }
    // The beacon in its midst says that it is there.
    if (sequence > stream.sequence) stream.sequence = BigInt(sequence);
    const whole = new Uint8Array(size);
    writeMessage(whole, 0, stream.head, sequence, timestamp, payload, checksum);
    this.#splice(whole);
  }

  /** What was added since the last call; owned by the caller, who may give it back. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = this.#spare ?? new Uint8Array(this.#bytes.length);
    this.#spare = undefined;
    this.#length = 0;
    return taken;
  }

  /** Bytes from `take` that are not needed any more: what is added later may go there. */
  giveBack(taken: Uint8Array): void {
    this.#spare = new Uint8Array(taken.buffer);
  }

  /** Writes bytes of a message, with a beacon wherever the file reaches a multiple of the interval. */
  #splice(whole: Uint8Array): void {
    for (let at = 0; at < whole.length; ) {
      const room = this.#interval - (this.#offset % this.#interval);
      const piece = whole.subarray(at, at + room);
      this.#reserve(piece.length);
      this.#bytes.set(piece, this.#length);
      this.#length += piece.length;
      this.#offset += piece.length;
      at += piece.length;
      if (this.#offset % this.#interval === 0) this.#beacon(whole.length - at);
    }
  }

  #beacon(remainingBytes: number): void {
    const count = Math.min(this.#streams.length, beaconItemLimit(this.#interval));
    const first = this.#streams.length === 0 ? 0 : this.#itemCount % this.#streams.length;
    this.#reserve(this.#beaconBytesAtMost());
    const bytes = this.#bytes;
    const start = this.#length;
    bytes[start] = SS_END;
    writeUint32(bytes, start + 1, remainingBytes);
    bytes[start + 5] = count;
    let at = start + 6;
    for (let i = 0; i < count; i++) {
      const stream = this.#streams[(first + i) % this.#streams.length] as Stream;
      at = writeHead(bytes, at, stream.head, stream.sequence, stream.timestamp);
      writeUint16(bytes, at, stream.runningChecksum);
      at += 2;
    }
    bytes[at++] = SS_END;
    this.#owesBeacon = false;
    this.#itemCount += count;
    this.#offset += at - start;
    this.#length = at;
  }

  #beaconBytesAtMost(): number {
    const count = Math.min(this.#streams.length + 1, beaconItemLimit(this.#interval));
    return SS_BEACON_FIXED_BYTES + count * (256 + 24 + 2);
  }

  #stream(key: string, shard: number): Stream {
    let shards = this.#byKey.get(key);
    if (shards === undefined) {
      shards = new Map();
      this.#byKey.set(key, shards);
    }
    let stream = shards.get(shard);
    if (stream === undefined) {
      const head = headOf(encodeUtf8(key), shard);
      stream = { key, shard, head, sequence: 0n, timestamp: 0, runningChecksum: CRC16_INIT };
      shards.set(shard, stream);
      this.#streams.push(stream);
      this.#streams.sort((a, b) => (a.key === b.key ? a.shard - b.shard : a.key < b.key ? -1 : 1));
    }
    return stream;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function headOf(key: Uint8Array, shard: number): Uint8Array {
  const head = new Uint8Array(1 + key.length + 8);
  head[0] = key.length;
  head.set(key, 1);
  writeInt64(head, 1 + key.length, shard);
  return head;
}

/** Key, shard, sequence, timestamp. @returns position behind. */
function writeHead(
  bytes: Uint8Array,
  position: number,
  head: Uint8Array,
  sequence: number | bigint,
  timestamp: number,
): number {
  // Some ten bytes: for so few a loop is faster than `set`.
  for (let i = 0; i < head.length; i++) bytes[position + i] = head[i] as number;
  const at = position + head.length;
  if (typeof sequence === 'number') writeInt64(bytes, at, sequence);
  else writeUint64(bytes, at, sequence);
  writeInt64(bytes, at + 8, timestamp);
  return at + 16;
}

function writeMessage(
  bytes: Uint8Array,
  position: number,
  head: Uint8Array,
  sequence: number | bigint,
  timestamp: number,
  payload: Uint8Array,
  checksum: number,
): void {
  const at = writeHead(bytes, position, head, sequence, timestamp);
  writeUint32(bytes, at, payload.length);
  bytes.set(payload, at + 4);
  writeUint16(bytes, at + 4 + payload.length, checksum);
  bytes[at + 6 + payload.length] = SS_END;
}
