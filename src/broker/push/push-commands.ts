/** Bodies of the state commands of pushes, versioned by their first byte. Layouts: docs/formats.md, "State commands". */
import { MillraceError } from '../../base/errors.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkBodyVersion } from '../body-version.ts';
import type { PlacedCursor, PushConfig, PushFormat } from './push.ts';

const BODY_VERSION = 1;
/** On disk: never renumber. */
const FORMATS: readonly PushFormat[] = ['text', 'json', 'base64'];
const STARTS = ['earliest', 'latest'] as const;

export interface PushConfigured {
  readonly config: PushConfig;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Where it begins, besides what it has. */
  readonly cursors: readonly PlacedCursor[];
}

export interface PushMoved {
  readonly id: string;
  readonly cursors: readonly PlacedCursor[];
}

export function encodeConfigured({ config, at, cursors }: PushConfigured): Uint8Array {
  const writer = new StateWriter().u8(BODY_VERSION);
  writePushConfig(writer, config);
  writer.i64(at);
  return writeCursors(writer, cursors).finish();
}

export function decodeConfigured(type: number, body: Uint8Array): PushConfigured {
  const reader = open(type, body);
  return { config: readPushConfig(reader), at: reader.i64(), cursors: readCursors(reader) };
}

export function encodeMoved({ id, cursors }: PushMoved): Uint8Array {
  return writeCursors(new StateWriter().u8(BODY_VERSION).string(id), cursors).finish();
}

export function decodeMoved(type: number, body: Uint8Array): PushMoved {
  const reader = open(type, body);
  return { id: reader.string(), cursors: readCursors(reader) };
}

export function encodePaused(id: string, paused: boolean): Uint8Array {
  return new StateWriter().u8(BODY_VERSION).string(id).bool(paused).finish();
}

export function decodePaused(type: number, body: Uint8Array): { readonly id: string; readonly paused: boolean } {
  const reader = open(type, body);
  return { id: reader.string(), paused: reader.bool() };
}

export function encodeRemoved(id: string): Uint8Array {
  return new StateWriter().u8(BODY_VERSION).string(id).finish();
}

export function decodeRemoved(type: number, body: Uint8Array): string {
  return open(type, body).string();
}

export function writePushConfig(writer: StateWriter, config: PushConfig): void {
  writer
    .string(config.id)
    .list(config.match, (glob) => writer.string(glob))
    .string(config.url)
    .u8(STARTS.indexOf(config.start))
    .u8(FORMATS.indexOf(config.format))
    .u32(config.maxRecords)
    .u32(config.maxBytes)
    .u32(config.concurrency)
    .u32(config.timeoutMs)
    .u32(config.maxAttempts)
    .nullableString(config.deadLetterTopic ?? null);
}

export function readPushConfig(reader: StateReader): PushConfig {
  return {
    id: reader.string(),
    match: reader.list(() => reader.string()),
    url: reader.string(),
    start: known(STARTS, reader.u8()),
    format: known(FORMATS, reader.u8()),
    maxRecords: reader.u32(),
    maxBytes: reader.u32(),
    concurrency: reader.u32(),
    timeoutMs: reader.u32(),
    maxAttempts: reader.u32(),
    deadLetterTopic: reader.nullableString() ?? undefined,
  };
}

export function writeCursors(writer: StateWriter, cursors: Iterable<PlacedCursor>): StateWriter {
  return writer.list(cursors, ({ topicId, partition, ackedOffset, skippedTo }) =>
    writer.string(topicId).u32(partition).i64(ackedOffset).i64(skippedTo),
  );
}

export function readCursors(reader: StateReader): PlacedCursor[] {
  return reader.list(() => ({
    topicId: reader.string(),
    partition: reader.u32(),
    ackedOffset: reader.i64(),
    skippedTo: reader.i64(),
  }));
}

function known<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value !== undefined) return value;
  throw new MillraceError('STORE_CORRUPT', `A push has a format or start of ${index}, which is unknown.`);
}

function open(type: number, body: Uint8Array): StateReader {
  const reader = new StateReader(body, `State command ${type}`);
  checkBodyVersion(type, reader.u8(), BODY_VERSION);
  return reader;
}
