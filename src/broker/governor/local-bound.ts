/** What `tier.local.bytes` means for the parts that keep it: shares of it for what lies on the disk and cannot leave it yet. */
import type { BrokerSettings } from '../settings.ts';

type BoundSettings = Pick<BrokerSettings, 'tierStore' | 'tierLocalBytes' | 'sealBytes' | 'journalFileBytes'>;

/** What the disk may have beyond `tier.local.bytes` while the store takes data: what promises stand on. */
export const DISK_SHARE = 1.2;
/** From this share on sealed records go straight into the store, however slowly they come: what the disk writes is what limits producers. */
export const TIGHT_SHARE = 0.5;
/** From this share on producers are slowed down. */
export const SLOW_FROM_SHARE = 0.75;
/** From this share on they have the least rate. The rest of `DISK_SHARE` is for checkpoints, and what comes between two looks. */
export const SLOW_TO_SHARE = 1.1;
/** So many rounds of sealing, whose records are on the disk twice, fit what is kept. */
const ROUNDS = 8;
/** So many journal files do: the newest one cannot be sealed, and one that is sealed leaves whole. */
const JOURNAL_FILES = 16;
/** However little is kept, rounds and files are not smaller than this share of what they are without a store. */
const MIN_SHARE = 8;

/** What is kept locally, but never less than one round of sealing as it is without a store. */
export function localBytes({ tierLocalBytes, sealBytes }: BoundSettings): number {
  return Math.max(tierLocalBytes, sealBytes);
}

/** How much a round of sealing takes. @param wishedBytes without a store. */
export function roundBytes(settings: BoundSettings, wishedBytes: number): number {
  if (settings.tierStore === '') return wishedBytes;
  return Math.min(wishedBytes, Math.max(settings.tierLocalBytes / ROUNDS, settings.sealBytes / MIN_SHARE));
}

/** Size at which a journal file is closed. */
export function journalFileBytes({ tierStore, tierLocalBytes, journalFileBytes: wished }: BoundSettings): number {
  if (tierStore === '') return wished;
  return Math.floor(Math.min(wished, Math.max(tierLocalBytes / JOURNAL_FILES, wished / MIN_SHARE)));
}
