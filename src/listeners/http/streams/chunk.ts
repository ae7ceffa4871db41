/** One piece of a stream, ready to be sent: the bytes between two offsets, in the form that its content type asks for. */
import { isUtf8 } from 'node:buffer';
import type { Broker } from '../../../broker/broker.ts';
import type { Stream } from '../../../broker/streams/stream.ts';

export interface Chunk {
  /** Values one behind the other; of a JSON stream an array. Owned. */
  readonly bytes: Buffer;
  readonly recordCount: number;
  readonly startOffset: number;
  readonly nextOffset: number;
  /** The reader has all there is. */
  readonly upToDate: boolean;
  /** ... and nothing will ever follow. */
  readonly closed: boolean;
}

const OPEN = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSE = Buffer.from(']');
const NULL = Buffer.from('null');
const EMPTY_JSON = Buffer.from('[]');
const EMPTY = Buffer.alloc(0);

/** @throws as `StreamReader.read`. */
export async function readChunk(broker: Broker, stream: Stream, offset: number, maxBytes: number): Promise<Chunk> {
  const isEnd = offset >= stream.tailOffset;
  const values: Buffer[] = [];
  const read =
    isEnd && offset === stream.tailOffset
      ? { nextOffset: offset, atTail: true }
      : await broker.streamReader.read(stream, offset, maxBytes, (value) => {
          // The memory is the fetch's: it is gone when the read returns.
          if (stream.isJson) values.push(jsonValue(value));
          else if (value !== null) values.push(Buffer.from(value));
        });
  const isWhole = read.atTail && read.nextOffset >= stream.partition.highWatermark;
  return {
    bytes: stream.isJson ? jsonArray(values) : values.length === 1 ? (values[0] as Buffer) : Buffer.concat(values),
    recordCount: values.length,
    startOffset: offset,
    nextOffset: read.nextOffset,
    upToDate: read.atTail,
    closed: isWhole && broker.streams.isClosed(stream),
  };
}

/** What a read from the end gets. */
export function emptyChunk(broker: Broker, stream: Stream): Chunk {
  const offset = stream.tailOffset;
  return {
    bytes: stream.isJson ? EMPTY_JSON : EMPTY,
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
