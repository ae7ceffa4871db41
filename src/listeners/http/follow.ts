/**
 * A read that does not end: pieces of NDJSON as records become readable.
 *
 * ```
 *   read a piece ──records──► write ──socket full?──► wait for drain (stall: disconnect)
 *      ▲    │ nothing                                      │
 *      │    └──► wait for records ──heartbeat──► empty line │
 *      └────────────────────────────────────────────────────┘
 * ```
 * At most one piece waits for the socket; its bytes are charged to the budget that all readers share.
 */
import type { ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { MillraceError } from '../../base/errors.ts';
import { Collector } from './answer.ts';
import { type PartitionPosition, positionAt } from './position.ts';
import { fromForeign, problemOf } from './problem.ts';
import type { Reading, ReadingRoom } from './reading.ts';
import type { PartitionWalk } from './record-walk.ts';
import { awaitRecords, readRound } from './round.ts';

export interface FollowPlan {
  readonly positions: PartitionPosition[];
  /** Whether partitions that the topic gets later are followed too. */
  readonly allPartitions: boolean;
  /** Records after which the stream ends; Infinity for never. */
  readonly limit: number;
  readonly render: (walk: PartitionWalk) => string;
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
    if (reading.ended !== 'gone') response.write(`{"error":${JSON.stringify(problemOf(fromForeign(error)))}}\n`);
  }
  if (reading.ended === 'gone') return;
  room.watchStall(response);
  response.end();
}

async function stream(room: ReadingRoom, reading: Reading, response: ServerResponse, plan: FollowPlan): Promise<void> {
  let left = plan.limit;
  while (left > 0 && reading.ended === undefined) {
    if (plan.allPartitions) addNewPartitions(plan.positions);
    const sent = await sendPiece(room, reading, response, plan, left);
    left -= sent;
    if (reading.ended !== undefined || left === 0) return;
    // A reader far behind is always served from memory at once: others must have their turn.
    if (sent > 0) await setImmediate();
    else await idle(room, reading, response, plan.positions);
  }
}

/** @returns records written; 0 when there are none now. */
async function sendPiece(
  room: ReadingRoom,
  reading: Reading,
  response: ServerResponse,
  plan: FollowPlan,
  left: number,
): Promise<number> {
  const { followPieceBytes } = room.settings;
  if (!(await room.take(reading, followPieceBytes))) return 0;
  let chargedBytes = followPieceBytes;
  try {
    const collector = new Collector({ records: left, bytes: followPieceBytes }, plan.render);
    while (!collector.isFull) {
      const count = collector.parts.length;
      const outcome = await readRound(room, reading, plan.positions, followPieceBytes, collector);
      // Positions may move without records, over control batches.
      if (outcome !== 'read' || collector.parts.length > count) break;
    }
    if (collector.parts.length === 0 || reading.ended === 'gone') return 0;
    // One record can be larger than a piece.
    const excess = Math.max(0, collector.sizeBytes - chargedBytes);
    room.budget.force(excess);
    chargedBytes += excess;
    room.counters.recordsRead += collector.parts.length;
    if (!response.write(collector.parts.join(''))) await room.drained(reading, response);
    return collector.parts.length;
  } finally {
    room.budget.give(chargedBytes);
  }
}

async function idle(
  room: ReadingRoom,
  reading: Reading,
  response: ServerResponse,
  positions: readonly PartitionPosition[],
): Promise<void> {
  const outcome = await awaitRecords(room, reading, positions, room.settings.heartbeatMs);
  if (outcome === 'empty' && !response.write('\n')) await room.drained(reading, response);
}

function addNewPartitions(positions: PartitionPosition[]): void {
  const topic = positions[0]?.topic;
  if (topic === undefined) return;
  for (const partition of topic.partitions.slice(positions.length)) {
    positions.push(positionAt(topic, partition, partition.logStartOffset));
  }
}
