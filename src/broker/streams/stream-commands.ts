/**
 * Bodies of the state commands of streams, versioned by their first byte. Byte layouts: docs/formats.md, "State commands".
 * `topicId` names the stream: a stream created later under the same name is another one.
 */
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkBodyVersion } from '../body-version.ts';

const BODY_VERSION = 1;
const NONE = -1;

export interface StreamCreated {
  readonly topicId: string;
  readonly contentType: string;
  readonly ttlSeconds: number | undefined;
  readonly expiresAt: string | undefined;
  readonly createdAt: number;
  readonly closed: boolean;
  readonly fork:
    | {
        readonly sourceId: string;
        readonly askedOffset: number;
        readonly askedSubOffset: number;
        readonly endOffset: number;
        readonly partialBytes: number;
      }
    | undefined;
}

/** What an append changes besides the records, in the same commit. */
export interface StreamAppended {
  readonly topicId: string;
  readonly at: number;
  readonly closes: boolean;
  readonly writerSeq: string | undefined;
  readonly producer: { readonly id: string; readonly epoch: number; readonly seq: number } | undefined;
  /** Producers that are dropped to make room. */
  readonly forgotten: readonly string[];
}

export interface StreamTouch {
  readonly topicId: string;
  readonly at: number;
}

export function encodeCreated(stream: StreamCreated): Uint8Array {
  const writer = new StateWriter().u8(BODY_VERSION).string(stream.topicId);
  writeCreated(writer, stream);
  return writer.finish();
}

export function decodeCreated(type: number, body: Uint8Array): StreamCreated {
  const reader = open(type, body);
  return readCreated(reader, reader.string());
}

/** Without the version and the id: shared with the checkpoint. */
export function writeCreated(writer: StateWriter, stream: StreamCreated): void {
  writer
    .string(stream.contentType)
    .i64(stream.ttlSeconds ?? NONE)
    .nullableString(stream.expiresAt ?? null);
  writer
    .i64(stream.createdAt)
    .bool(stream.closed)
    .bool(stream.fork !== undefined);
  if (stream.fork === undefined) return;
  const { sourceId, askedOffset, askedSubOffset, endOffset, partialBytes } = stream.fork;
  writer.string(sourceId).i64(askedOffset).i64(askedSubOffset).i64(endOffset).i64(partialBytes);
}

export function readCreated(reader: StateReader, topicId: string): StreamCreated {
  const contentType = reader.string();
  const ttl = reader.i64();
  return {
    topicId,
    contentType,
    ttlSeconds: ttl === NONE ? undefined : ttl,
    expiresAt: reader.nullableString() ?? undefined,
    createdAt: reader.i64(),
    closed: reader.bool(),
    fork: reader.bool()
      ? {
          sourceId: reader.string(),
          askedOffset: reader.i64(),
          askedSubOffset: reader.i64(),
          endOffset: reader.i64(),
          partialBytes: reader.i64(),
        }
      : undefined,
  };
}

export function encodeAppended(append: StreamAppended): Uint8Array {
  const writer = new StateWriter().u8(BODY_VERSION).string(append.topicId).i64(append.at).bool(append.closes);
  writer.nullableString(append.writerSeq ?? null).bool(append.producer !== undefined);
  if (append.producer !== undefined) {
    writer.string(append.producer.id).i64(append.producer.epoch).i64(append.producer.seq);
  }
  return writer.list(append.forgotten, (id) => writer.string(id)).finish();
}

export function decodeAppended(type: number, body: Uint8Array): StreamAppended {
  const reader = open(type, body);
  return {
    topicId: reader.string(),
    at: reader.i64(),
    closes: reader.bool(),
    writerSeq: reader.nullableString() ?? undefined,
    producer: reader.bool() ? { id: reader.string(), epoch: reader.i64(), seq: reader.i64() } : undefined,
    forgotten: reader.list(() => reader.string()),
  };
}

export function encodeTouched(touches: readonly StreamTouch[]): Uint8Array {
  const writer = new StateWriter().u8(BODY_VERSION);
  return writer.list(touches, ({ topicId, at }) => writer.string(topicId).i64(at)).finish();
}

export function decodeTouched(type: number, body: Uint8Array): StreamTouch[] {
  const reader = open(type, body);
  return reader.list(() => ({ topicId: reader.string(), at: reader.i64() }));
}

export function encodeRetired(topicId: string): Uint8Array {
  return new StateWriter().u8(BODY_VERSION).string(topicId).finish();
}

export function decodeRetired(type: number, body: Uint8Array): string {
  return open(type, body).string();
}

function open(type: number, body: Uint8Array): StateReader {
  const reader = new StateReader(body, `State command ${type}`);
  checkBodyVersion(type, reader.u8(), BODY_VERSION);
  return reader;
}
