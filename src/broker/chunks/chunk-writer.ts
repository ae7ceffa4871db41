/**
 * Writes the chunks of a round of sealing: a large partition gets its own, small ones share packs. Batches are copied
 * verbatim. A slice of a chunk at a time is put together in memory: what is to stand side by side in it comes from all over the
 * sources, and these are read in the order of their places.
 *
 * A chunk is there whole or not at all (temporary name, sync, rename), and nothing refers to it before it is durable.
 * Where the disk is what is short, chunks of large partitions go straight into the object store, and into no file.
 */
import { MillraceError } from '../../base/errors.ts';
import type { Disk, DiskFile } from '../../journal/disk.ts';
import { diskUnder } from '../../journal/open-disk.ts';
import { chunkDirectory, chunkPath } from '../../journal/paths.ts';
import { type ChunkEntry, ChunkIndex, encodeChunkHeader } from '../../store/chunk-file.ts';
import { describeFile, isChunk } from '../../store/file-number.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import type { Piece } from '../../store/read-plan.ts';
import { soundBytes } from '../../store/sound-batches.ts';
import type { BrokerSettings } from '../settings.ts';
import type { TieredPlace } from '../tiering/messages.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { SealedCommands } from './chunks-state.ts';
import type { SealPace } from './seal-pace.ts';
import type { SealPart } from './seal-plan.ts';
import type { SealSources } from './seal-sources.ts';

/** Chunks on their way to the store: one is sent while the next is put together. */
const MAX_STORING = 2;
/** Synced in steps of this size: one large sync would hold up the journal's. */
const SYNC_BYTES = 8 * 1024 * 1024;
/** Put together in memory at a time, of a chunk that becomes a file. */
const SLICE_BYTES = SYNC_BYTES;
/** A step of reading, in which a round does not rest. */
const PACED_BYTES = 512 * 1024;

export interface WrittenChunk {
  readonly chunk: number;
  readonly sizeBytes: number;
}

/**
 * @param bytes borrowed until it resolves or rejects.
 * @returns where it is in the object store, looked at.
 * @throws where it cannot be stored.
 */
export type ToStore = (chunk: number, prefix: string, bytes: Uint8Array) => Promise<TieredPlace>;

export interface WrittenRound {
  readonly commands: SealedCommands;
  readonly chunks: readonly WrittenChunk[];
  readonly tiered: readonly TieredPlace[];
  /** Places where batches are damaged, for the log. They were copied as they are: reads name them, and serve the rest. */
  readonly damages: readonly string[];
}

interface Item {
  readonly partition: number;
  readonly pieces: readonly Piece[];
}

/** Where a piece goes to, in its chunk. */
interface Placed {
  readonly piece: Piece;
  readonly partition: number;
  readonly position: number;
}

interface LaidOut {
  readonly chunk: number;
  /** In the order of their places. */
  readonly placed: readonly Placed[];
  /** Of the first piece. */
  readonly start: number;
  readonly footerPosition: number;
  readonly footer: Uint8Array;
}

export interface ChunkWriterOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly settings: BrokerSettings;
  readonly sources: SealSources;
  readonly memory: ChunkMemory;
  readonly pace: SealPace;
  /** Told of each chunk file that is there. */
  readonly wrote: (sizeBytes: number) => void;
  /** Where chunks of large partitions go; undefined: into files. */
  readonly toStore: ToStore | undefined;
  /** Chunks of compacted topics stay: they are rewritten again and again. */
  readonly isCompacted: (partition: number) => boolean;
  /** Partitions under one prefix share packs: their chunks are encrypted with its key. */
  readonly prefixOf: (partition: number) => string;
}

export class ChunkWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #settings: BrokerSettings;
  readonly #sources: SealSources;
  readonly #commands = new SealedCommands();
  readonly #chunks: WrittenChunk[] = [];
  readonly #damages: string[] = [];
  readonly #pace: SealPace;
  readonly #wrote: (sizeBytes: number) => void;
  readonly #toStore: ToStore | undefined;
  readonly #isCompacted: (partition: number) => boolean;
  /** In the store, or on their way. */
  readonly #stored: Promise<TieredPlace>[] = [];
  readonly #prefixOf: (partition: number) => string;
  readonly #memory: ChunkMemory;
  #next: number;

  constructor(options: ChunkWriterOptions, firstChunk: number) {
    const { disk, directory, settings, sources, memory, pace, wrote, prefixOf, toStore, isCompacted } = options;
    this.#pace = pace;
    this.#wrote = wrote;
    this.#toStore = toStore;
    this.#isCompacted = isCompacted;
    this.#prefixOf = prefixOf;
    this.#disk = disk;
    this.#directory = directory;
    this.#settings = settings;
    this.#sources = sources;
    this.#memory = memory;
    this.#next = firstChunk;
  }

  /** @param parts by partition number. Everything is durable when it resolves, and nothing is on its way when it rejects. */
  async write(parts: Iterable<SealPart>): Promise<WrittenRound> {
    try {
      return await this.#writeParts(parts);
    } catch (error) {
      // The next round begins with the same numbers: an answer that came then would be taken for that of another chunk.
      await Promise.allSettled(this.#stored);
      throw error;
    }
  }

  async #writeParts(parts: Iterable<SealPart>): Promise<WrittenRound> {
    const folder = chunkDirectory(this.#directory);
    await this.#disk.makeDirectory(folder);
    this.#pace.begin();
    const packs = new Map<string, { parts: SealPart[]; bytes: number }>();
    for (const part of parts) {
      if (part.sizeBytes >= this.#settings.ownChunkBytes) {
        await this.#writeOwn(part);
        continue;
      }
      const prefix = this.#prefixOf(part.partition);
      let pack = packs.get(prefix) ?? { parts: [], bytes: 0 };
      if (pack.bytes > 0 && pack.bytes + part.sizeBytes > this.#settings.chunkBytes) {
        await this.#writePack(pack.parts);
        pack = { parts: [], bytes: 0 };
      }
      pack.parts.push(part);
      pack.bytes += part.sizeBytes;
      packs.set(prefix, pack);
    }
    for (const { parts: pack } of packs.values()) await this.#writePack(pack);
    await this.#disk.syncDirectory(folder);
    const tiered = await Promise.all(this.#stored);
    return { commands: this.#commands, chunks: this.#chunks, tiered, damages: this.#damages };
  }

  async #writePack(parts: readonly SealPart[]): Promise<void> {
    const items: Item[] = [];
    for (const part of parts) items.push({ partition: part.partition, pieces: await this.#sources.pieces(part) });
    for (const { partition, range } of await this.#writeChunk(items)) this.#commands.add(partition, [range]);
  }

  /** In chunks of about the wished size, the last of them not much smaller than the others. */
  async #writeOwn(part: SealPart): Promise<void> {
    const pieces = await this.#sources.pieces(part);
    const toStore = this.#isCompacted(part.partition) ? undefined : this.#toStore;
    const total = pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const chunkBytes = total / Math.ceil(total / this.#settings.chunkBytes);
    const ranges: FileRange[] = [];
    const write = async (taken: readonly Piece[]): Promise<void> => {
      const entries = await this.#writeChunk([{ partition: part.partition, pieces: taken }], toStore);
      ranges.push(...entries.map(({ range }) => range));
    };
    let taken: Piece[] = [];
    let bytes = 0;
    for (const piece of pieces) {
      taken.push(piece);
      bytes += piece.sizeBytes;
      if (bytes < chunkBytes) continue;
      await write(taken);
      taken = [];
      bytes = 0;
    }
    await write(taken);
    if (ranges.length > 0) this.#commands.add(part.partition, ranges);
  }

  /** @returns which partition has which range in it. */
  async #writeChunk(items: readonly Item[], toStore?: ToStore): Promise<readonly ChunkEntry[]> {
    const chunk = this.#next;
    const index = new ChunkIndex(chunk);
    const start = index.position;
    const placed: Placed[] = [];
    for (const { partition, pieces } of items) {
      for (const piece of pieces) {
        placed.push({ piece, partition, position: index.position });
        index.add(partition, piece.baseOffset, piece.endOffset, piece.sizeBytes, piece.maxTimestamp);
      }
    }
    if (placed.length === 0) return [];
    this.#next += 1;
    const footerPosition = index.position;
    const { footer, entries } = index.finish();
    const laidOut: LaidOut = { chunk, placed, start, footerPosition, footer };
    const prefix = this.#prefixOf((items[0] as Item).partition);
    if (toStore === undefined) await this.#toFile(laidOut, diskUnder(this.#disk, prefix));
    else await this.#toStoreAlone(laidOut, prefix, toStore);
    return entries;
  }

  /** Put together in memory as a whole: objects are sent in one piece. */
  async #toStoreAlone(laidOut: LaidOut, prefix: string, toStore: ToStore): Promise<void> {
    const { chunk, placed, start, footerPosition, footer } = laidOut;
    const whole = this.#memory.take(footerPosition + footer.length);
    whole.set(encodeChunkHeader(chunk));
    whole.set(footer, footerPosition);
    await this.#fill(whole.subarray(start, footerPosition), placed, start);
    const stored = toStore(chunk, prefix, whole).finally(() => this.#memory.giveBack(whole));
    // Whoever waits for it hears of a failure; it must not be nobody until then.
    stored.catch(() => undefined);
    this.#stored.push(stored);
    await this.#stored.at(-MAX_STORING);
  }

  async #toFile(laidOut: LaidOut, disk: Disk): Promise<void> {
    const { chunk, footerPosition, footer } = laidOut;
    const path = chunkPath(this.#directory, chunk);
    const temporary = `${path}.tmp`;
    await disk.remove(temporary);
    const output = new SyncedFile(await disk.open(temporary, 'create'), temporary, this.#pace);
    try {
      await output.append(encodeChunkHeader(chunk));
      await this.#writeSlices(laidOut, output);
      await output.append(footer);
      await output.finish();
    } catch (error) {
      await output.close();
      await disk.remove(temporary);
      throw error;
    }
    await disk.rename(temporary, path);
    const sizeBytes = footerPosition + footer.length;
    this.#chunks.push({ chunk, sizeBytes });
    this.#wrote(sizeBytes);
  }

  /** One after the other in the same memory. Where scattered pieces cannot be read by themselves, all of them at once. */
  async #writeSlices({ placed, start, footerPosition }: LaidOut, output: SyncedFile): Promise<void> {
    const isScattered = await this.#sources.readsScattered((placed[0] as Placed).piece.file);
    const slices = isScattered ? slicesOf(placed, SLICE_BYTES) : [placed];
    let from = start;
    for (const [i, slice] of slices.entries()) {
      const to = slices[i + 1]?.[0]?.position ?? footerPosition;
      const bytes = this.#memory.take(to - from);
      try {
        await this.#fill(bytes, slice, from);
        await output.append(bytes);
      } finally {
        this.#memory.giveBack(bytes);
      }
      from = to;
    }
  }

  /** Copies pieces to their places, and checks them. @param from place of the first byte of `bytes` in the chunk. */
  async #fill(bytes: Uint8Array, placed: readonly Placed[], from: number): Promise<void> {
    const places = new Map(placed.map((one) => [one.piece, one]));
    const inPlace = [...places.keys()].sort((a, b) => a.file - b.file || a.position - b.position);
    let unpacedBytes = 0;
    for await (const { span, bytes: read } of this.#sources.read(inPlace)) {
      for (const piece of span.pieces) {
        const { position, partition } = places.get(piece) as Placed;
        const at = piece.position - span.position;
        const copy = read.subarray(at, at + piece.sizeBytes);
        const sound = soundBytes(copy, piece.baseOffset);
        if (sound < copy.length) this.#damages.push(damage(piece, partition, sound));
        bytes.set(copy, position - from);
      }
      unpacedBytes += span.sizeBytes;
      if (unpacedBytes < PACED_BYTES) continue;
      unpacedBytes = 0;
      await this.#pace.rest();
    }
  }
}

/** Runs of pieces, in order, of so many bytes at most; a larger piece is one by itself. */
function slicesOf(placed: readonly Placed[], maxBytes: number): Placed[][] {
  const slices: Placed[][] = [];
  let left = 0;
  for (const one of placed) {
    const { sizeBytes } = one.piece;
    if (sizeBytes > left) {
      slices.push([]);
      left = maxBytes;
    }
    slices.at(-1)?.push(one);
    left -= sizeBytes;
  }
  return slices;
}

/** A file that is written from its begin to its end, and synced on the way. */
class SyncedFile {
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #pace: SealPace;
  #position = 0;
  #unsynced = 0;

  constructor(file: DiskFile, path: string, pace: SealPace) {
    this.#file = file;
    this.#path = path;
    this.#pace = pace;
  }

  /** @throws JOURNAL_NO_SPACE, STORE_IO. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += SYNC_BYTES) {
      const part = bytes.subarray(at, at + SYNC_BYTES);
      await this.#written(this.#file.write([part], this.#position));
      this.#position += part.length;
      this.#unsynced += part.length;
      if (this.#unsynced < SYNC_BYTES / 2) continue;
      await this.#written(this.#file.sync());
      this.#unsynced = 0;
      await this.#pace.rest();
    }
  }

  /** Durable when it resolves, and closed. It may be closed again. */
  async finish(): Promise<void> {
    // Closing may write the end of it.
    await this.#written(this.#file.sync());
    await this.#written(this.#file.close());
  }

  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }

  async #written(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      throw asStoreError(error, this.#path);
    }
  }
}

function damage(piece: Piece, partition: number, sound: number): string {
  const source = isChunk(piece.file) ? 'verify' : 'journal verify';
  return (
    `${describeFile(piece.file)}, position ${piece.position + sound}: batches of partition ${partition}, between offsets ` +
    `${piece.baseOffset} and ${piece.endOffset - 1}, are damaged. They are kept as they are and not served. Run 'millrace ${source}'.`
  );
}

function asStoreError(error: unknown, path: string): MillraceError {
  const { code } = error as NodeJS.ErrnoException;
  return new MillraceError(
    code === 'ENOSPC' ? 'JOURNAL_NO_SPACE' : 'STORE_IO',
    `Chunk ${path} cannot be written: ${String(error)}.`,
    { details: { path }, cause: error },
  );
}
