/**
 * State commands of message ids. They stand behind the batch that they tell of, in the same commit.
 *
 * Body of MESSAGE_IDS_SEEN: a batch brought these ids.
 *
 * | type | name | meaning |
 * |---|---|---|
 * | u8 | version | 1 |
 * | u32 | partition | number in the lane |
 * | i64 | at | wall clock ms |
 * | i64 | windowMs | ids seen longer ago are forgotten |
 * | u32 | maxEntries | and the oldest beyond so many |
 * | i64 | producerId | whose open transaction the ids wait for; -1: they count at once |
 * | i64 | baseOffset | of the batch |
 * | list | ids | u32 offsetDelta, bytes id |
 *
 * Body of BATCH_REPEATED: an idempotent producer sent a batch whose records were all there. Nothing of it is stored, but its
 * sequences are used.
 *
 * | type | name | meaning |
 * |---|---|---|
 * | u8 | version | 1 |
 * | u32 | partition | number in the lane |
 * | i64 | at | wall clock ms |
 * | i64 | producerId | |
 * | u16 | producerEpoch | |
 * | u32 | baseSequence | |
 * | u32 | lastOffsetDelta | last sequence minus baseSequence |
 * | i64 | baseOffset | what was answered: the offset of the first record |
 */
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkBodyVersion } from '../body-version.ts';
import { COMMAND } from '../state-part.ts';
import { bytesOf, idOf, type MessageIdLimits } from './message-id-table.ts';

const VERSION = 1;
/** More ids become several commands; the journal's bound is 16 MiB. */
const COMMAND_BYTES = 4 * 1024 * 1024;

export interface MessageIdsSeen {
  readonly partition: number;
  readonly at: number;
  readonly limits: MessageIdLimits;
  readonly producerId: number;
  readonly baseOffset: number;
}

export interface SeenId {
  readonly offsetDelta: number;
  readonly id: string;
}

export interface BatchRepeated {
  readonly partition: number;
  readonly at: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastOffsetDelta: number;
  readonly baseOffset: number;
}

/** Bodies of as many commands as the size asks for; none for no ids. */
export function* encodeMessageIdsSeen(seen: MessageIdsSeen, ids: readonly SeenId[]): Generator<Uint8Array, void> {
  for (let first = 0; first < ids.length; ) {
    let sizeBytes = 0;
    let end = first;
    for (; end < ids.length && sizeBytes < COMMAND_BYTES; end++) sizeBytes += 8 + (ids[end] as SeenId).id.length;
    yield encodeOne(seen, ids.slice(first, end), sizeBytes);
    first = end;
  }
}

function encodeOne(seen: MessageIdsSeen, ids: readonly SeenId[], sizeBytes: number): Uint8Array {
  const writer = new StateWriter(64 + sizeBytes);
  return writer
    .u8(VERSION)
    .u32(seen.partition)
    .i64(seen.at)
    .i64(seen.limits.windowMs)
    .u32(seen.limits.maxEntries)
    .i64(seen.producerId)
    .i64(seen.baseOffset)
    .list(ids, ({ offsetDelta, id }) => writer.u32(offsetDelta).bytes(bytesOf(id)))
    .finish();
}

export function readMessageIdsSeen(body: Uint8Array): MessageIdsSeen & { readonly ids: readonly SeenId[] } {
  const reader = open(COMMAND.MESSAGE_IDS_SEEN, body);
  return {
    partition: reader.u32(),
    at: reader.i64(),
    limits: { windowMs: reader.i64(), maxEntries: reader.u32() },
    producerId: reader.i64(),
    baseOffset: reader.i64(),
    ids: reader.list(() => ({ offsetDelta: reader.u32(), id: idOf(reader.bytes()) })),
  };
}

export function encodeBatchRepeated(repeated: BatchRepeated): Uint8Array {
  return new StateWriter(64)
    .u8(VERSION)
    .u32(repeated.partition)
    .i64(repeated.at)
    .i64(repeated.producerId)
    .u16(repeated.producerEpoch)
    .u32(repeated.baseSequence)
    .u32(repeated.lastOffsetDelta)
    .i64(repeated.baseOffset)
    .finish();
}

export function readBatchRepeated(body: Uint8Array): BatchRepeated {
  const reader = open(COMMAND.BATCH_REPEATED, body);
  return {
    partition: reader.u32(),
    at: reader.i64(),
    producerId: reader.i64(),
    producerEpoch: reader.u16(),
    baseSequence: reader.u32(),
    lastOffsetDelta: reader.u32(),
    baseOffset: reader.i64(),
  };
}

function open(type: number, body: Uint8Array): StateReader {
  const reader = new StateReader(body, `State command ${type}`);
  checkBodyVersion(type, reader.u8(), VERSION);
  return reader;
}
