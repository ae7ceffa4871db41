/**
 * One round of sealing, in the checkpoint worker: what closed journal files hold, and is going to stay, is rewritten side by
 * side by partition, and commands are made that swap it in.
 *
 * ```
 *  closed files ──PackedPlan──► parts ──ChunkWriter──► chunks, durable ──► commands ──► journal: the swap
 * ```
 */
import { MillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import type { BrokerSettings } from '../settings.ts';
import type { TieredPlace } from '../tiering/messages.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { ChunkWriter, type ToStore, type WrittenChunk, type WrittenRound } from './chunk-writer.ts';
import type { PackedPlan } from './packed-plan.ts';
import type { SealPace } from './seal-pace.ts';
import { SealSources } from './seal-sources.ts';

/** Of chunks that would be rewritten: damage, and keys that were deleted. */
const UNREADABLE: ReadonlySet<string> = new Set(['STORE_CORRUPT', 'STORE_KEY_MISSING']);

export interface SealedRound {
  /** Last journal file of the round; 0 where nothing was done. */
  readonly through: number;
  readonly commands: readonly Uint8Array[];
  readonly chunks: readonly WrittenChunk[];
  /** Chunks that are in the object store alone. */
  readonly tiered: readonly TieredPlace[];
  readonly problems: readonly string[];
}

export const NOTHING_SEALED: SealedRound = { through: 0, commands: [], chunks: [], tiered: [], problems: [] };

export interface RoundOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly settings: BrokerSettings;
  /** What moves; `merge`: chunk ranges too, where they are many. Parts by partition number. */
  readonly plan: (merge: boolean) => Promise<PackedPlan>;
  readonly firstChunk: number;
  /** Last journal file of the round. */
  readonly through: number;
  readonly memory: ChunkMemory;
  readonly pace: SealPace;
  /** Where large chunks go, and into no file; undefined: into files. */
  readonly toStore: ToStore | undefined;
  /** Told of each chunk file that is there. */
  readonly wrote: (sizeBytes: number) => void;
}

/** @throws STORE_CORRUPT, STORE_IO, JOURNAL_NO_SPACE, or what the disk refuses with: nothing refers to what was written. */
export async function sealRound(options: RoundOptions): Promise<SealedRound> {
  const plan = await options.plan(true);
  if (plan.isEmpty) return NOTHING_SEALED;
  await checkSpace(options, plan.sizeBytes);
  try {
    return await writeRound(options, plan);
  } catch (error) {
    const isUnreadable = error instanceof MillraceError && UNREADABLE.has(error.code);
    if (!isUnreadable && !isGone(error)) throw error;
    // A chunk that cannot be read any more stays what it is; it must not keep the journal from being sealed.
    const { problems, ...round } = await writeRound(options, await options.plan(false));
    return { ...round, problems: isUnreadable ? [error.message, ...problems] : problems };
  }
}

/** A chunk that was to be rewritten has left the disk for the object store since what this worker has folded. */
function isGone(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

async function writeRound(options: RoundOptions, plan: PackedPlan): Promise<SealedRound> {
  const { through, firstChunk } = options;
  const { commands, chunks, tiered, damages } = await written(options, plan);
  const nextChunk = firstChunk + chunks.length + tiered.length;
  return { through, commands: commands.finish(through, nextChunk), chunks, tiered, problems: damages };
}

/** What it was read from is closed, and its rows are no longer in memory, when it resolves. */
async function written(options: RoundOptions, plan: PackedPlan): Promise<WrittenRound> {
  const sources = new SealSources(options.disk, options.directory);
  try {
    return await new ChunkWriter({ ...options, sources }, options.firstChunk).write(plan);
  } finally {
    await sources.close();
  }
}

/** Chunks are written before the files they are made of go. @throws JOURNAL_NO_SPACE. */
async function checkSpace({ disk, directory, settings }: RoundOptions, sizeBytes: number): Promise<void> {
  const { usableBytes } = await disk.space(directory);
  if (usableBytes < 0 || usableBytes >= sizeBytes + settings.minFreeBytes) return;
  throw new MillraceError(
    'JOURNAL_NO_SPACE',
    `Chunks of ${sizeBytes} bytes need room, and ${usableBytes} bytes are free, of which ${settings.minFreeBytes} stay free ` +
      '(disk.min.free.bytes). Free some space, or shorten retention.',
    { details: { sizeBytes, usableBytes, minFreeBytes: settings.minFreeBytes } },
  );
}
