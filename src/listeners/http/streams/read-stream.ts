/** `GET /v1/stream/{path}`: what is there (catch-up), or wait once for more (long-poll). Server-Sent Events: follow-stream.ts. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Broker } from '../../../broker/broker.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { lifeLeftMs } from '../../../broker/streams/stream-life.ts';
import { formatStreamOffset } from '../../../broker/streams/stream-offset.ts';
import type { HttpContext } from '../context.ts';
import type { Reading } from '../reading.ts';
import { type Chunk, emptyChunk, readChunk } from './chunk.ts';
import { nextCursor } from './cursor.ts';
import { followStream } from './follow-stream.ts';
import { STREAM } from './headers.ts';
import { type ReadQuery, readQueryOf, type StartOffset } from './request-headers.ts';
import { streamNameOf } from './stream-path.ts';
import { waitForStream } from './stream-wait.ts';

/** What shared caches may keep of the past, which never changes (PROTOCOL.md, 10.1). */
const CACHE_SECONDS = 60;
const STALE_SECONDS = 300;

export async function readStream(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { broker, room } = context;
  const query = readQueryOf(request.originalUrl);
  const stream = broker.streams.get(streamNameOf(request.originalUrl));
  broker.streams.touch(stream);
  if (query.live === 'sse') return await followStream(context, request, reply, stream, query);
  const reading = room.enter(reply.raw, query.live !== undefined);
  let offset = startOffset(broker, stream, query.start);
  const deadline = broker.clock.monotonic() + (query.live === 'long-poll' ? context.settings.longPollMs : 0);
  for (;;) {
    const chunk = query.start?.at === 'end' && query.live === undefined ? emptyChunk(broker, stream) : undefined;
    const held = chunk === undefined ? await heldChunk(context, reading, stream, offset) : { chunk, chargedBytes: 0 };
    if (held === undefined) return ended(reply, reading, stream, offset);
    if (reading.ended === 'gone') {
      giveBack(context, held);
      return reply.hijack();
    }
    const leftMs = deadline - broker.clock.monotonic();
    if (held.chunk.recordCount > 0 || !held.chunk.upToDate || held.chunk.closed || leftMs <= 0) {
      holdUntilSent(context, reply, held);
      return send(context, request, reply, stream, query, held.chunk);
    }
    giveBack(context, held);
    offset = held.chunk.nextOffset;
    const outcome = await waitForStream(broker, reading, stream, offset, leftMs);
    if (outcome === 'ended') return ended(reply, reading, stream, offset);
    // It may have been deleted meanwhile.
    broker.streams.check(stream);
  }
}

/** @throws nothing for an offset out of range: reading tells. */
export function startOffset(broker: Broker, stream: Stream, start: StartOffset | undefined): number {
  if (start === undefined || start.at === 'beginning') return broker.streamReader.firstOffset(stream);
  return start.at === 'end' ? stream.tailOffset : start.offset;
}

interface HeldChunk {
  readonly chunk: Chunk;
  /** Of the budget for answers. */
  readonly chargedBytes: number;
}

/** @returns undefined when the reading ended first; nothing is held then. */
async function heldChunk(
  { broker, room, settings, counters }: HttpContext,
  reading: Reading,
  stream: Stream,
  offset: number,
): Promise<HeldChunk | undefined> {
  const chargedBytes = settings.defaultAnswerBytes;
  if (!(await room.take(reading, chargedBytes))) return undefined;
  try {
    const chunk = await readChunk(broker, stream, offset, chargedBytes, broker.pool);
    counters.recordsRead += chunk.recordCount;
    return { chunk, chargedBytes };
  } catch (error) {
    room.budget.give(chargedBytes);
    throw error;
  }
}

/** It is not sent. */
function giveBack({ room }: HttpContext, { chunk, chargedBytes }: HeldChunk): void {
  chunk.lease?.release();
  room.budget.give(chargedBytes);
}

/** What was charged for reading becomes what the answer really holds, until its socket has it. */
function holdUntilSent({ room }: HttpContext, reply: FastifyReply, { chunk, chargedBytes }: HeldChunk): void {
  // Memory of the pool may be much more than what lies in it.
  const heldBytes = chunk.lease?.bytes.length ?? chunk.bytes.length;
  room.budget.force(heldBytes);
  room.budget.give(chargedBytes);
  room.watchStall(reply.raw);
  reply.raw.once('close', () => {
    chunk.lease?.release();
    room.budget.give(heldBytes);
  });
}

function send(
  { broker }: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  stream: Stream,
  query: ReadQuery,
  chunk: Chunk,
): FastifyReply {
  const isLongPoll = query.live === 'long-poll';
  reply.header(STREAM.NEXT_OFFSET, formatStreamOffset(chunk.nextOffset));
  if (chunk.upToDate) reply.header(STREAM.UP_TO_DATE, 'true');
  if (chunk.closed) reply.header(STREAM.CLOSED, 'true');
  if (isLongPoll) reply.header(STREAM.CURSOR, nextCursor(query.cursor, broker.clock.now(), broker.random));
  if (isLongPoll && chunk.recordCount === 0 && chunk.upToDate) {
    return reply.header('cache-control', 'no-store').code(204).send();
  }
  reply.header('cache-control', cacheControl(broker, stream, query, chunk));
  if (query.start?.at !== 'end') {
    const etag = etagOf(stream, chunk);
    reply.header('etag', etag);
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  }
  // A string: fastify would add a charset to some types given with `type`.
  return reply.header('content-type', stream.config.contentType).send(chunk.bytes);
}

/** Names the stream by its id: one made anew under the same name has other bytes at the same offsets. */
function etagOf({ topic }: Stream, { startOffset: from, nextOffset, upToDate, closed }: Chunk): string {
  return `"${topic.id}:${from}:${nextOffset}${upToDate ? ':t' : ''}${closed ? ':c' : ''}"`;
}

/** Data at an offset never changes, so caches may keep it; "nothing yet" and where the end is change at any time. */
function cacheControl({ clock }: Broker, stream: Stream, { start }: ReadQuery, chunk: Chunk): string {
  if (start?.at === 'end') return 'no-store';
  if (chunk.recordCount === 0) return 'no-cache';
  const leftSeconds = Math.floor(lifeLeftMs(stream, clock.now()) / 1000);
  if (leftSeconds < CACHE_SECONDS) return `public, max-age=${Math.max(0, leftSeconds)}`;
  return `public, max-age=${CACHE_SECONDS}, stale-while-revalidate=${Math.min(STALE_SECONDS, leftSeconds)}`;
}

/** The client is gone, or the broker stops: then the reader comes back elsewhere or later, from where it was. */
function ended(reply: FastifyReply, reading: Reading, _stream: Stream, offset: number): FastifyReply {
  if (reading.ended === 'gone') return reply.hijack();
  return reply.code(204).header(STREAM.NEXT_OFFSET, formatStreamOffset(offset)).send();
}
