/** A read that ends: collects up to the limits, waiting once if there is nothing. */
import { setImmediate } from 'node:timers/promises';
import type { PartitionPosition } from './position.ts';
import type { Reading, ReadingRoom } from './reading.ts';
import type { PartitionWalk } from './record-walk.ts';
import { awaitRecords, isCaughtUp, type RecordTaker, readRound } from './round.ts';

export interface AnswerLimits {
  readonly records: number;
  /** Of the rendered answer, approximately. */
  readonly bytes: number;
  /** How long to wait while there is nothing. */
  readonly waitMs: number;
}

/** Fetched at once: between rounds other connections have their turn. */
const ROUND_BYTES = 256 * 1024;

/** Collects rendered records until a limit is reached. The first one always fits. */
export class Collector implements RecordTaker {
  readonly parts: string[] = [];
  readonly #render: (walk: PartitionWalk) => string;
  readonly #limits: { readonly records: number; readonly bytes: number };
  #sizeBytes = 0;

  constructor(limits: { readonly records: number; readonly bytes: number }, render: (walk: PartitionWalk) => string) {
    this.#limits = limits;
    this.#render = render;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isFull(): boolean {
    return this.parts.length >= this.#limits.records || this.#sizeBytes >= this.#limits.bytes;
  }

  take(walk: PartitionWalk): boolean {
    const part = this.#render(walk);
    this.parts.push(part);
    this.#sizeBytes += part.length;
    return !this.isFull;
  }
}

/**
 * Fills the collector. The budget of `limits.bytes` is taken while reading and stays taken when this returns true: the
 * caller gives it back when the socket has the answer.
 *
 * @returns false when the client is gone; nothing is held then.
 */
export async function collectAnswer(
  room: ReadingRoom,
  reading: Reading,
  positions: readonly PartitionPosition[],
  limits: AnswerLimits,
  collector: Collector,
): Promise<boolean> {
  const { clock } = room.broker;
  const deadline = clock.monotonic() + limits.waitMs;
  for (;;) {
    if (!(await room.take(reading, limits.bytes))) return answersEmpty(room, reading, limits);
    let keeps = false;
    try {
      await collectRounds(room, reading, positions, limits, collector);
      const remaining = deadline - clock.monotonic();
      keeps = reading.ended !== 'gone' && (collector.parts.length > 0 || remaining <= 0);
      if (keeps) return true;
    } finally {
      if (!keeps) room.budget.give(limits.bytes);
    }
    if (reading.ended === undefined) {
      await awaitRecords(room, reading, positions, Math.max(0, deadline - clock.monotonic()));
    }
    if (reading.ended !== undefined) return answersEmpty(room, reading, limits);
  }
}

/** A stop of the broker is no error for who waits: an empty answer, and the client comes back elsewhere or later. */
function answersEmpty(room: ReadingRoom, reading: Reading, limits: AnswerLimits): boolean {
  if (reading.ended !== 'stopping') return false;
  room.budget.force(limits.bytes);
  return true;
}

async function collectRounds(
  room: ReadingRoom,
  reading: Reading,
  positions: readonly PartitionPosition[],
  limits: AnswerLimits,
  collector: Collector,
): Promise<void> {
  const fetchBytes = Math.min(ROUND_BYTES, limits.bytes);
  for (;;) {
    let outcome: Awaited<ReturnType<typeof readRound>>;
    try {
      outcome = await readRound(room, reading, positions, fetchBytes, collector);
    } catch (error) {
      // Records before the fault are good; whoever asks for the next ones is told.
      if (collector.parts.length > 0) return;
      throw error;
    }
    if (outcome !== 'read' || collector.isFull || isCaughtUp(positions)) return;
    await setImmediate();
  }
}
