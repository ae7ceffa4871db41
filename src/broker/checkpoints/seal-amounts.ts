/** How much is sealed at once, and how much may wait for it. */
import type { BrokerSettings } from '../settings.ts';

/**
 * A round takes as many times `sealBytes` at most: what waits longer is done in several. Not less, however small the disk is to
 * be kept: the next round begins only once the commits of the one before are folded, and so after the next closed file.
 */
const MAX_ROUND = 4;
/** So many backlogs fit what is kept locally, with a store that takes the rest. */
const TIER_BACKLOGS = 8;
/** With so many backlogs of work sealing does not rest, however busy the broker is. */
const URGENT = 2;

/** While a round runs its records are on the disk twice. */
export function maxRoundBytes({ sealBytes }: BrokerSettings): number {
  return sealBytes * MAX_ROUND;
}

/** With so much to seal a round begins although the broker is busy: sooner where sealing is what gives the disk its room back. */
export function backlogBytes({ sealBacklogBytes, sealBytes, tierStore, tierLocalBytes }: BrokerSettings): number {
  if (tierStore === '') return sealBacklogBytes;
  return Math.min(sealBacklogBytes, Math.max(sealBytes, tierLocalBytes / TIER_BACKLOGS));
}

/** With so much to seal a round does not rest while the broker is busy: more comes than a round that rests seals. */
export function urgentBytes(settings: BrokerSettings): number {
  return URGENT * backlogBytes(settings);
}
