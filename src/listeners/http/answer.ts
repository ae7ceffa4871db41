/** A read that ends: collects up to the limits, waiting once if there is nothing. */
import { setImmediate } from 'node:timers/promises';
import type { Collector, CollectorLimits } from './collector.ts';
import type { Reading, ReadingRoom } from './reading.ts';
import type { ReadOutcome, RecordSource } from './record-source.ts';

export interface AnswerLimits extends CollectorLimits {
  /** How long to wait while there is nothing. */
  readonly waitMs: number;
}

/** Fetched at once: between rounds other connections have their turn. */
const ROUND_BYTES = 256 * 1024;

/**
 * Fills the collector. The budget of `limits.bytes` is taken while reading and stays taken when this returns true: the
 * caller gives it back when the socket has the answer.
 *
 * @returns false when the client is gone; nothing is held then.
 */
export async function collectAnswer(
  room: ReadingRoom,
  reading: Reading,
  source: RecordSource,
  limits: AnswerLimits,
  collector: Collector,
): Promise<boolean> {
  const { clock } = room.broker;
  const deadline = clock.monotonic() + limits.waitMs;
  for (;;) {
    if (!(await room.take(reading, limits.bytes))) return answersEmpty(room, reading, limits);
    let keeps = false;
    try {
      await collectRounds(reading, source, limits, collector);
      const remaining = deadline - clock.monotonic();
      keeps = reading.ended !== 'gone' && (collector.count > 0 || remaining <= 0);
      if (keeps) return true;
    } finally {
      if (!keeps) room.budget.give(limits.bytes);
    }
    if (reading.ended === undefined) {
      await source.wait(reading, Math.max(0, deadline - clock.monotonic()));
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
  reading: Reading,
  source: RecordSource,
  limits: AnswerLimits,
  collector: Collector,
): Promise<void> {
  const fetchBytes = Math.min(ROUND_BYTES, limits.bytes);
  for (;;) {
    let outcome: ReadOutcome;
    try {
      outcome = await source.read(reading, fetchBytes, collector);
    } catch (error) {
      // Records before the fault are good; whoever asks for the next ones is told.
      if (collector.count > 0) return;
      throw error;
    }
    if (outcome !== 'read' || collector.isFull || source.isCaughtUp) return;
    await setImmediate();
  }
}
