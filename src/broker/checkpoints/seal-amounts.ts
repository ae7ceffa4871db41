/** How much is sealed at once, and how much may wait for it. */
import { journalFileBytes, roundBytes } from '../governor/local-bound.ts';
import type { BrokerSettings } from '../settings.ts';

/** A round takes as many times `sealBytes` at most: what waits longer is done in several. */
const MAX_ROUND = 4;
/** With so many backlogs of work sealing does not rest, however busy the broker is. */
const URGENT = 2;

/** A round has so much to do, or does not begin. With an object store less, in proportion to the disk that is kept. */
export function dueBytes(settings: BrokerSettings): number {
  return roundBytes(settings, settings.sealBytes);
}

/** While a round runs its records are on the disk twice. */
export function maxRoundBytes(settings: BrokerSettings): number {
  return roundBytes(settings, settings.sealBytes * MAX_ROUND);
}

/** The most that a round puts on the disk: it takes whole files, the last of which may be the one too many. */
export function roundReserveBytes(settings: BrokerSettings): number {
  return maxRoundBytes(settings) + journalFileBytes(settings);
}

/** With so much to seal a round begins although the broker is busy: sooner where sealing is what gives the disk its room back. */
export function backlogBytes(settings: BrokerSettings): number {
  return roundBytes(settings, settings.sealBacklogBytes);
}

/** With so much to seal a round does not rest while the broker is busy: more comes than a round that rests seals. */
export function urgentBytes(settings: BrokerSettings): number {
  return URGENT * backlogBytes(settings);
}
