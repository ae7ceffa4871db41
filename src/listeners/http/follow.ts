/**
 * A read that does not end: pieces of a stream as records become readable.
 *
 * ```
 *   read a piece ──records──► write ──socket full?──► wait for drain (stall: disconnect)
 *      ▲    │ nothing                                      │
 *      │    └──► wait for records (heartbeats.ts), pace    │
 *      └───────────────────────────────────────────────────┘
 * ```
 * At most one piece waits for the socket; its bytes are charged to the budget that all readers share.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { MillraceError } from '../../base/errors.ts';
import { FOR_EVER } from '../../broker/fetch.ts';
import { Collector, type CollectorLimits } from './collector.ts';
import { FollowPace } from './follow-pace.ts';
import type { Framing } from './framing.ts';
import type { Beating } from './heartbeats.ts';
import { fromForeign, problemOf } from './problem.ts';
import type { Reading, ReadingRoom } from './reading.ts';
import type { RecordSource } from './record-source.ts';
import type { SharedPiece } from './shared-pieces.ts';

export interface FollowPlan {
  readonly source: RecordSource;
  readonly framing: Framing;
  /** Records after which the stream ends; Infinity for never. */
  readonly limit: number;
}

/** Takes the response from fastify and writes its headers: what follows has no end that is known. */
export function beginStream(reply: FastifyReply, framing: Framing): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': framing.contentType,
    'cache-control': 'no-store',
    // Proxies that buffer would hold records back.
    'x-accel-buffering': 'no',
  });
  reply.raw.flushHeaders();
}

/** Writes until the end, whatever it is, and ends the response. The headers have been written. Never rejects. */
export async function follow(
  room: ReadingRoom,
  reading: Reading,
  response: ServerResponse,
  plan: FollowPlan,
): Promise<void> {
  try {
    await stream(room, reading, response, plan);
    if (reading.ended === 'stopping') throw new MillraceError('HTTP_STOPPING', 'The broker is stopping.');
  } catch (error) {
    if (reading.ended === 'gone') return;
    const words = plan.framing.failure(problemOf(fromForeign(error)));
    if (words === undefined) {
      response.destroy();
      return;
    }
    response.write(words);
  }
  if (reading.ended === 'gone') return;
  room.watchStall(response);
  response.end();
}

/** One function, and not several: what waits for long keeps as little as it can. */
async function stream(room: ReadingRoom, reading: Reading, response: ServerResponse, plan: FollowPlan): Promise<void> {
  const pulse = new Pulse(response, plan);
  room.heartbeats.join(pulse);
  try {
    let left = plan.limit;
    const pace = new FollowPace(room.settings);
    while (left > 0 && reading.ended === undefined) {
      pulse.resting = true;
      if (room.owes(reading)) await room.payOff(reading);
      pulse.resting = false;
      if (reading.ended !== undefined) return;
      const sent = await sendPiece(room, reading, response, plan, { records: left, bytes: pace.pieceBytes });
      left -= sent;
      if (reading.ended !== undefined || left === 0) return;
      if (sent > 0) {
        pace.sent(sent, room.broker.clock.monotonic());
        // A reader far behind is always served from memory at once: others must have their turn.
        if (!plan.source.isCaughtUp) {
          await setImmediate();
          continue;
        }
      }
      pulse.resting = true;
      const isDense = pace.next();
      // The next one is due then, and nobody needs to be woken up for the first record in it.
      if (sent === 0 || !isDense) await plan.source.wait(reading, FOR_EVER);
      await room.pause(reading, pace.waitMs(room.broker.clock.monotonic()));
      pulse.resting = false;
    }
  } finally {
    room.heartbeats.leave(pulse);
  }
}

/** What a follower says while it waits: tells a dead connection from a quiet one. */
class Pulse implements Beating {
  resting = false;
  readonly #response: ServerResponse;
  readonly #plan: FollowPlan;

  constructor(response: ServerResponse, plan: FollowPlan) {
    this.#response = response;
    this.#plan = plan;
  }

  beat(): void {
    // A socket that takes nothing has been told enough.
    if (!this.resting || this.#response.writableNeedDrain) return;
    const { framing, source } = this.#plan;
    const words = framing.heartbeat(source.cursor);
    if (words !== '') this.#response.write(words);
  }
}

/** @returns records written; 0 when there are none now. */
async function sendPiece(
  room: ReadingRoom,
  reading: Reading,
  response: ServerResponse,
  plan: FollowPlan,
  limits: CollectorLimits,
): Promise<number> {
  let chargedBytes = limits.bytes;
  if (!room.budget.tryTake(chargedBytes) && !(await room.take(reading, chargedBytes))) return 0;
  try {
    const piece = await nextPiece(room, reading, plan, limits);
    if (piece === undefined || reading.ended === 'gone') return 0;
    // One record can be larger than a piece; most pieces are smaller, and may wait long for a slow socket.
    const heldBytes = memoryOf(piece);
    room.budget.change(heldBytes - chargedBytes);
    chargedBytes = heldBytes;
    room.counters.recordsRead += piece.recordCount;
    room.charge(reading, piece.bytes.length);
    const { socket } = response;
    if (piece.chunk === undefined || socket === null || !response.chunkedEncoding) {
      if (!response.write(piece.bytes, piece.release)) await room.drained(reading, response);
    } else if (!writeWhole(socket, piece.chunk, piece.release)) await room.drained(reading, response, socket);
    return piece.recordCount;
  } finally {
    room.budget.give(chargedBytes);
  }
}

/** What is lent is all that it lies in. */
function memoryOf({ bytes, release }: SharedPiece): number {
  return release === undefined ? bytes.length : bytes.buffer.byteLength;
}

/** @returns false where the socket has not taken it all and more would wait. What node wrote before goes first. */
function writeWhole(socket: Socket, chunk: Buffer, written: (() => void) | undefined): boolean {
  return socket.write(chunk, written) || socket.writableLength === 0;
}

/** Shared with whoever is at the same place, where that can be. Undefined: there is nothing now. */
async function nextPiece(
  room: ReadingRoom,
  reading: Reading,
  plan: FollowPlan,
  limits: CollectorLimits,
): Promise<SharedPiece | undefined> {
  const sharing = limits.records === Number.POSITIVE_INFINITY ? plan.source.sharing : undefined;
  if (sharing?.isAtEnd === true) return undefined;
  if (sharing !== undefined) {
    const taken = await room.pieces.take(sharing.key, () => readPiece(room, reading, plan, limits));
    // Nobody moved this source meanwhile: it reads one piece after the other.
    if (taken?.isOwn === false) sharing.moveTo(taken.piece.nextOffset);
    if (taken !== undefined || plan.source.sharing?.nextOffset !== sharing.nextOffset) return taken?.piece;
  }
  return await readPiece(room, reading, plan, limits);
}

async function readPiece(
  room: ReadingRoom,
  reading: Reading,
  { source }: FollowPlan,
  limits: CollectorLimits,
): Promise<SharedPiece | undefined> {
  const collector = new Collector(limits);
  while (!collector.isFull) {
    const { count } = collector;
    const outcome = await source.read(reading, limits.bytes, collector);
    // Positions may move without records, over control batches.
    if (outcome !== 'read' || collector.count > count) break;
  }
  const { count: recordCount } = collector;
  if (recordCount === 0) return undefined;
  room.counters.recordsRendered += recordCount;
  // A source that got partitions meanwhile has a mix of them, which is its own.
  const nextOffset = source.sharing?.nextOffset ?? -1;
  if (nextOffset < 0) return { ...collector.lendBytes(), recordCount, nextOffset };
  return { bytes: collector.takeBytes(), recordCount, nextOffset };
}
