/** Where a consumer starts or goes: the same words for every back end. */
import { MillraceError } from '../base/errors.ts';

/**
 * - `earliest`: the oldest record that is still there.
 * - `latest`: the end; only records that come from now on.
 * - `offset`: that record, or the next one that is there.
 * - `timestamp`: the first record with this time or later (milliseconds since 1970, or a Date); the end if there is none.
 */
export type Position =
  | 'earliest'
  | 'latest'
  | { readonly offset: bigint | number }
  | { readonly timestamp: number | Date };

/** A position with its numbers settled: what back ends get. */
export type ExactPosition =
  | { readonly at: 'earliest' }
  | { readonly at: 'latest' }
  | { readonly at: 'offset'; readonly offset: bigint }
  | { readonly at: 'timestamp'; readonly timestamp: number };

/** One topic, or one partition of it; what is left out means all. */
export interface Place {
  readonly topic?: string;
  readonly partition?: number;
}

/** @throws MillraceError CLIENT_OPTION_INVALID for an offset or time that is no whole number from 0. */
export function exactPosition(position: Position): ExactPosition {
  if (position === 'earliest' || position === 'latest') return { at: position };
  if (typeof position === 'object' && position !== null) {
    if ('offset' in position && isOffset(position.offset)) return { at: 'offset', offset: BigInt(position.offset) };
    if ('timestamp' in position) {
      const timestamp = Number(position.timestamp);
      if (Number.isSafeInteger(timestamp)) return { at: 'timestamp', timestamp };
    }
  }
  throw new MillraceError(
    'CLIENT_OPTION_INVALID',
    "A position is 'earliest', 'latest', { offset } from 0 on, or { timestamp } in milliseconds or as a Date.",
  );
}

function isOffset(offset: unknown): offset is bigint | number {
  return typeof offset === 'bigint' ? offset >= 0n : Number.isSafeInteger(offset) && (offset as number) >= 0;
}
