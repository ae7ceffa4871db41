/**
 * From `Stream-Fork-Offset` and `Stream-Fork-Sub-Offset` to a place in the source: whole records below an offset, and
 * perhaps the first bytes of the record there. Source: PROTOCOL.md of Durable Streams, 4.2.
 */
import { MillraceError } from '../../base/errors.ts';
import type { Stream } from './stream.ts';
import type { StreamReader } from './stream-reader.ts';
import type { ForkSpec } from './streams.ts';

export interface ForkQuestion {
  readonly source: Stream;
  /** A record offset; undefined: where the source ends. */
  readonly offset: number | undefined;
  readonly subOffset: number;
  /** An append larger than this was cut into records of exactly this size. */
  readonly pieceBytes: number;
}

/** Records looked at for one sub-offset; bounds the work of one request. */
const MAX_RECORDS = 100_000;
const ROUND_BYTES = 64 * 1024;

/** @throws BROKER_REQUEST_INVALID where the place is not in the source, and what reading it gives. */
export async function resolveFork(reader: StreamReader, question: ForkQuestion): Promise<ForkSpec> {
  const { source, subOffset } = question;
  const offsetGiven = question.offset !== undefined;
  const askedOffset = question.offset ?? source.tailOffset;
  if (askedOffset > source.tailOffset) {
    throw refuse(source, `it ends at record ${source.tailOffset}, before the fork offset`);
  }
  const base = { source, askedOffset, askedSubOffset: subOffset, offsetGiven };
  if (subOffset === 0) return { ...base, endOffset: askedOffset, partialBytes: 0 };
  if (source.isJson) return { ...base, endOffset: await afterMessages(reader, question, askedOffset), partialBytes: 0 };
  return { ...base, ...(await afterBytes(reader, question, askedOffset)) };
}

async function afterMessages(reader: StreamReader, question: ForkQuestion, from: number): Promise<number> {
  const { source, subOffset } = question;
  let left = subOffset;
  let end = from;
  await eachRecord(reader, source, from, (_sizeBytes, offset) => {
    left -= 1;
    end = offset + 1;
    return left > 0;
  });
  if (left > 0) throw refuse(source, `${subOffset - left} messages follow the fork offset, fewer than the sub-offset`);
  return end;
}

async function afterBytes(reader: StreamReader, question: ForkQuestion, from: number) {
  const { source, subOffset, pieceBytes } = question;
  let left = subOffset;
  let place: { endOffset: number; partialBytes: number } | undefined;
  await eachRecord(reader, source, from, (sizeBytes, offset) => {
    if (left < sizeBytes) place = { endOffset: offset, partialBytes: left };
    else if (left === sizeBytes) place = { endOffset: offset + 1, partialBytes: 0 };
    left -= sizeBytes;
    // Only a piece of a larger append is followed by more of the same append.
    return place === undefined && sizeBytes === pieceBytes;
  });
  if (place === undefined) throw refuse(source, 'the append at the fork offset is shorter than the sub-offset');
  return place;
}

/** Until `visit` has enough. */
async function eachRecord(
  reader: StreamReader,
  source: Stream,
  from: number,
  visit: (sizeBytes: number, offset: number) => boolean,
): Promise<void> {
  const walk = { next: from, count: 0, done: false };
  while (!walk.done && walk.next < source.tailOffset) {
    const before = walk.next;
    const { nextOffset } = await reader.read(source, walk.next, ROUND_BYTES, (value, offset) => {
      walk.count += 1;
      if (!walk.done) walk.done = !visit(value?.length ?? 0, offset);
    });
    walk.next = nextOffset;
    if (walk.next === before) return;
    if (walk.count > MAX_RECORDS) throw refuse(source, `the sub-offset is more than ${MAX_RECORDS} records away`);
  }
}

function refuse(source: Stream, why: string): MillraceError {
  return new MillraceError('BROKER_REQUEST_INVALID', `Stream ${source.topic.name} cannot be forked there: ${why}.`, {
    details: { stream: source.topic.name },
  });
}
