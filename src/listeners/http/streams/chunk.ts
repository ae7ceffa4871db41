/** One piece of a stream, ready to be sent: the bytes between two offsets, in the form that its content type asks for. */
import { isUtf8 } from 'node:buffer';
import type { BufferPool, Lease } from '../../../base/buffer-pool.ts';
import { asBuffer } from '../../../base/bytes.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { StreamRead } from '../../../broker/streams/stream-reader.ts';

export interface Chunk {
  /** Values one behind the other; of a JSON stream an array. Owned, until `lease` is given back where there is one. */
  readonly bytes: Buffer;
  readonly lease: Lease | undefined;
  readonly recordCount: number;
  readonly startOffset: number;
  readonly nextOffset: number;
  /** The reader has all there is. */
  readonly upToDate: boolean;
  /** ... and nothing will ever follow. */
  readonly closed: boolean;
}

/** Smaller ones are young memory, and soon gone. */
const MIN_POOLED_BYTES = 64 * 1024;

const OPEN = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSE = Buffer.from(']');
const NULL = Buffer.from('null');
const EMPTY_JSON = Buffer.from('[]');
const EMPTY = Buffer.alloc(0);

/**
 * @param pool for who gives the chunk's lease back.
 * @throws as `StreamReader.read`.
 */
export async function readChunk(
  broker: Broker,
  stream: Stream,
  offset: number,
  maxBytes: number,
  pool?: BufferPool,
): Promise<Chunk> {
  const values = stream.isJson ? new JsonValues() : new PlainValues(maxBytes, pool);
  const read =
    offset === stream.tailOffset
      ? { nextOffset: offset, atTail: true }
      : await takeValues(broker, stream, offset, maxBytes, values);
  const isWhole = read.atTail && read.nextOffset >= stream.partition.highWatermark;
  return {
    bytes: values.bytes,
    lease: values.lease,
    recordCount: values.count,
    startOffset: offset,
    nextOffset: read.nextOffset,
    upToDate: read.atTail,
    closed: isWhole && broker.streams.isClosed(stream),
  };
}

async function takeValues(
  broker: Broker,
  stream: Stream,
  offset: number,
  maxBytes: number,
  values: Values,
): Promise<StreamRead> {
  try {
    return await broker.streamReader.read(stream, offset, maxBytes, (value) => values.add(value));
  } catch (error) {
    values.lease?.release();
    throw error;
  }
}

/** What is made of the values of a read. Their memory is the fetch's, and gone when the read returns. */
interface Values {
  /** Of those that have a place in `bytes`. */
  readonly count: number;
  readonly bytes: Buffer;
  readonly lease: Lease | undefined;
  add(value: Uint8Array | null): void;
}

class JsonValues implements Values {
  readonly lease = undefined;
  readonly #values: Buffer[] = [];

  get count(): number {
    return this.#values.length;
  }

  get bytes(): Buffer {
    return jsonArray(this.#values);
  }

  add(value: Uint8Array | null): void {
    this.#values.push(jsonValue(value));
  }
}

/** Side by side; what is large lies in memory of the pool, where there is one. */
class PlainValues implements Values {
  count = 0;
  lease: Lease | undefined;
  readonly #maxBytes: number;
  readonly #pool: BufferPool | undefined;
  #room: Buffer = EMPTY;
  #sizeBytes = 0;

  /** @param maxBytes of all; a single one may be larger. */
  constructor(maxBytes: number, pool: BufferPool | undefined) {
    this.#maxBytes = maxBytes;
    this.#pool = pool;
  }

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#sizeBytes);
  }

  add(value: Uint8Array | null): void {
    if (value === null) return;
    const end = this.#sizeBytes + value.length;
    if (end > this.#room.length) this.#grow(end);
    this.#room.set(value, this.#sizeBytes);
    this.#sizeBytes = end;
    this.count += 1;
  }

  #grow(sizeBytes: number): void {
    const before = this.lease;
    const room = this.#newRoom(sizeBytes);
    this.#room.copy(room, 0, 0, this.#sizeBytes);
    this.#room = room;
    before?.release();
  }

  #newRoom(sizeBytes: number): Buffer {
    // One value, as often, has just what it needs.
    const roomBytes = this.count === 0 ? sizeBytes : Math.max(sizeBytes, 2 * this.#room.length);
    if (this.#pool === undefined || sizeBytes < MIN_POOLED_BYTES) return Buffer.allocUnsafe(roomBytes);
    this.lease = this.#pool.acquire(Math.max(sizeBytes, this.#maxBytes));
    return asBuffer(this.lease.bytes);
  }
}

/** What a read from the end gets. */
export function emptyChunk(broker: Broker, stream: Stream): Chunk {
  const offset = stream.tailOffset;
  return {
    bytes: stream.isJson ? EMPTY_JSON : EMPTY,
    lease: undefined,
    recordCount: 0,
    startOffset: offset,
    nextOffset: offset,
    upToDate: true,
    closed: offset >= stream.partition.highWatermark && broker.streams.isClosed(stream),
  };
}

/**
 * A Kafka client may have written something that is no JSON; the array around it must stay JSON. Text goes out as a string,
 * other bytes as base64 in one, no value as null.
 */
function jsonValue(value: Uint8Array | null): Buffer {
  if (value === null) return NULL;
  const bytes = Buffer.from(value);
  const text = isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('base64');
  return isUtf8(bytes) && isJson(text) ? bytes : Buffer.from(JSON.stringify(text));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function jsonArray(values: readonly Buffer[]): Buffer {
  if (values.length === 0) return EMPTY_JSON;
  const parts: Buffer[] = [];
  for (const value of values) parts.push(parts.length === 0 ? OPEN : COMMA, value);
  parts.push(CLOSE);
  return Buffer.concat(parts);
}
