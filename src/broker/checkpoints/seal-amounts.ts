/** How much is sealed at once, and how much may wait for it. */
import type { BrokerSettings } from '../settings.ts';

/** A round takes as many times `sealBytes` at most: what waits longer is done in several. */
const MAX_ROUND = 4;
/** So many backlogs fit what is kept locally, with a store that takes the rest. */
const TIER_BACKLOGS = 8;
/** So many rounds fit what is kept locally. */
const TIER_ROUNDS = 16;
/** With so many backlogs of work sealing does not rest, however busy the broker is. */
const URGENT = 2;

/** While a round runs its records are on the disk twice: with a store that keeps the disk small rounds are, too. */
export function maxRoundBytes({ sealBytes, tierStore, tierLocalBytes }: BrokerSettings): number {
  const most = sealBytes * MAX_ROUND;
  return tierStore === '' ? most : Math.min(most, Math.max(sealBytes, tierLocalBytes / TIER_ROUNDS));
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
