/**
 * `GET /v1/stream/{path}?live=sse`: pieces of the stream as Server-Sent Events, each followed by a control event with the
 * offset to go on from.
 *
 * ```
 *   read a piece ──records──► data event, control event ──socket full?──► wait for drain (stall: disconnect)
 *      ▲    │ none: control event when that is new                            │
 *      │    └──► closed? end ──► wait for more ──heartbeat──► control event    │
 *      └──────────────────────────────────────────────────────────────────────┘
 * ```
 * At most one piece waits for the socket; its bytes are charged to the budget that all readers share. After a minute the
 * connection is ended, so that shared caches can bring readers together (PROTOCOL.md, 10.2).
 */
import type { ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sseEvent } from '../../../base/sse.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { formatStreamOffset } from '../../../broker/streams/stream-offset.ts';
import type { HttpContext } from '../context.ts';
import { quotaClientOf } from '../quota.ts';
import type { Reading } from '../reading.ts';
import { type Chunk, readChunk } from './chunk.ts';
import { nextCursor } from './cursor.ts';
import { STREAM } from './headers.ts';
import { startOffset } from './read-stream.ts';
import type { ReadQuery } from './request-headers.ts';
import { waitForStream } from './stream-wait.ts';

/** How the payload of an event is made of a chunk's bytes. */
type Payload = (bytes: Buffer) => string;

export async function followStream(
  context: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  stream: Stream,
  query: ReadQuery,
): Promise<FastifyReply> {
  const { room, broker } = context;
  const isText = stream.isJson || stream.mediaType.startsWith('text/');
  const reading = room.enter(reply.raw, true, quotaClientOf(request.raw));
  // Read before the headers go out: what is wrong with the offset is then a refusal and not an event.
  let offset = startOffset(broker, stream, query.start);
  const first = await takeChunk(context, reading, stream, offset);
  if (first === undefined) return reply.hijack();
  if (reading.ended === 'gone') {
    room.budget.give(context.settings.followPieceBytes);
    return reply.hijack();
  }
  offset = first.nextOffset;
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    // Proxies that buffer would hold events back.
    'x-accel-buffering': 'no',
    ...(isText ? {} : { [STREAM.SSE_ENCODING]: 'base64' }),
  });
  response.flushHeaders();
  // Not waited for: request and reply would be kept as long as it goes on.
  void follow(context, reading, response, { stream, query, isText, first });
  return reply;
}

interface Following {
  readonly stream: Stream;
  readonly query: ReadQuery;
  readonly isText: boolean;
  readonly first: Chunk;
}

/** Until the end, whatever it is. Never rejects: a reader comes back from its last control event, and hears the reason then. */
async function follow(
  context: HttpContext,
  reading: Reading,
  response: ServerResponse,
  plan: Following,
): Promise<void> {
  const { broker, room, settings } = context;
  const deadline = broker.clock.monotonic() + settings.sseLifetimeMs;
  const { stream } = plan;
  const payload: Payload = plan.isText ? (bytes) => bytes.toString('utf8') : (bytes) => bytes.toString('base64');
  let chunk: Chunk | undefined = plan.first;
  let told = '';
  try {
    for (;;) {
      const control = controlOf(context, plan.query, chunk);
      if (chunk.recordCount > 0 || control !== told)
        await write(context, reading, response, eventsOf(chunk, control, payload));
      told = control;
      room.budget.give(settings.followPieceBytes);
      const { nextOffset, closed, upToDate } = chunk;
      chunk = undefined;
      const leftMs = deadline - broker.clock.monotonic();
      if (closed || reading.ended !== undefined || leftMs <= 0) break;
      if (upToDate) {
        const waitMs = Math.min(settings.heartbeatMs, leftMs);
        const outcome = await waitForStream(broker, reading, stream, nextOffset, waitMs);
        if (outcome === 'ended') break;
        if (outcome === 'timeout') told = '';
        broker.streams.check(stream);
        // An open reader keeps its stream alive.
        broker.streams.touch(stream);
      } else await setImmediate();
      chunk = await takeChunk(context, reading, stream, nextOffset);
      if (chunk === undefined) break;
    }
  } catch {
    if (chunk !== undefined) room.budget.give(settings.followPieceBytes);
  }
  if (reading.ended === 'gone') return;
  room.watchStall(response);
  response.end();
}

/** Takes a piece's bytes of the budget with it. @returns undefined when the reading ended first; nothing is held then. */
async function takeChunk(
  { broker, room, settings, counters }: HttpContext,
  reading: Reading,
  stream: Stream,
  offset: number,
): Promise<Chunk | undefined> {
  const { followPieceBytes } = settings;
  await room.payOff(reading);
  if (!(await room.take(reading, followPieceBytes))) return undefined;
  try {
    const chunk = await readChunk(broker, stream, offset, followPieceBytes);
    counters.recordsRead += chunk.recordCount;
    return chunk;
  } catch (error) {
    room.budget.give(followPieceBytes);
    throw error;
  }
}

/** The JSON of a control event. */
function controlOf({ broker }: HttpContext, { cursor }: ReadQuery, chunk: Chunk): string {
  const streamNextOffset = formatStreamOffset(chunk.nextOffset);
  if (chunk.closed) return JSON.stringify({ streamNextOffset, streamClosed: true, upToDate: true });
  return JSON.stringify({
    streamNextOffset,
    streamCursor: nextCursor(cursor, broker.clock.now(), broker.random),
    ...(chunk.upToDate ? { upToDate: true } : {}),
  });
}

function eventsOf(chunk: Chunk, control: string, payload: Payload): string {
  const data = chunk.recordCount > 0 ? sseEvent({ event: 'data', data: payload(chunk.bytes) }) : '';
  return data + sseEvent({ event: 'control', data: control });
}

/** One record can be larger than a piece: what it holds beyond that is charged too, until the socket has it. */
async function write(
  { room, settings }: HttpContext,
  reading: Reading,
  response: ServerResponse,
  text: string,
): Promise<void> {
  const excess = Math.max(0, text.length - settings.followPieceBytes);
  room.charge(reading, text.length);
  room.budget.force(excess);
  try {
    if (!response.write(text)) await room.drained(reading, response);
  } finally {
    room.budget.give(excess);
  }
}
