/**
 * Writes the chunks of a round of sealing: a large partition gets its own, small ones share packs. Batches are copied
 * verbatim.
 *
 * A chunk is there whole or not at all (temporary name, sync, rename), and nothing refers to it before it is durable.
 * Where the disk is what is short, chunks of large partitions go straight into the object store, and into no file.
 */
import { lengthOf } from '../../base/bytes.ts';
import type { Disk } from '../../journal/disk.ts';
import { diskUnder } from '../../journal/open-disk.ts';
import { chunkDirectory, chunkPath } from '../../journal/paths.ts';
import { type ChunkEntry, encodeChunkHeader } from '../../store/chunk-file.ts';
import { ChunkIndex } from '../../store/chunk-index.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import type { Piece } from '../../store/read-plan.ts';
import type { BrokerSettings } from '../settings.ts';
import type { TieredPlace, WholeChunk } from '../tiering/messages.ts';
import { ChunkFileWriter } from './chunk-file-writer.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { SealedCommands } from './chunks-state.ts';
import type { PlannedPart } from './packed-plan.ts';
import { type CopyOptions, copyPieces, type Placed } from './placed-pieces.ts';
import type { SealPace } from './seal-pace.ts';
import type { SealSources } from './seal-sources.ts';

/** Chunks on their way to the store: one is sent while the next is put together. */
const MAX_STORING = 2;

export interface WrittenChunk {
  readonly chunk: number;
  readonly sizeBytes: number;
}

/**
 * @param whole its bytes are borrowed until it resolves or rejects.
 * @returns where it is in the object store, looked at.
 * @throws where it cannot be stored.
 */
export type ToStore = (whole: WholeChunk) => Promise<TieredPlace>;

export interface WrittenRound {
  readonly commands: SealedCommands;
  readonly chunks: readonly WrittenChunk[];
  readonly tiered: readonly TieredPlace[];
  /** See `CopyOptions`. */
  readonly damages: readonly string[];
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
}

export class ChunkWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #settings: BrokerSettings;
  readonly #sources: SealSources;
  readonly #commands = new SealedCommands();
  readonly #chunks: WrittenChunk[] = [];
  readonly #copying: CopyOptions;
  readonly #pace: SealPace;
  readonly #wrote: (sizeBytes: number) => void;
  readonly #toStore: ToStore | undefined;
  /** In the store, or on their way. */
  readonly #stored: Promise<TieredPlace>[] = [];
  readonly #memory: ChunkMemory;
  #next: number;

  constructor(options: ChunkWriterOptions, firstChunk: number) {
    const { disk, directory, settings, sources, memory, pace, wrote, toStore } = options;
    this.#pace = pace;
    this.#copying = { sources, pace, damages: [] };
    this.#wrote = wrote;
    this.#toStore = toStore;
    this.#disk = disk;
    this.#directory = directory;
    this.#settings = settings;
    this.#sources = sources;
    this.#memory = memory;
    this.#next = firstChunk;
  }

  /** @param parts by partition number. Everything is durable when it resolves, and nothing is on its way when it rejects. */
  async write(parts: Iterable<PlannedPart>): Promise<WrittenRound> {
    try {
      return await this.#writeParts(parts);
    } catch (error) {
      // The next round begins with the same numbers: an answer that came then would be taken for that of another chunk.
      await Promise.allSettled(this.#stored);
      throw error;
    }
  }

  async #writeParts(parts: Iterable<PlannedPart>): Promise<WrittenRound> {
    const folder = chunkDirectory(this.#directory);
    await this.#disk.makeDirectory(folder);
    this.#pace.begin();
    const packs = new Map<string, { parts: PlannedPart[]; bytes: number }>();
    for (const part of parts) {
      if (part.sizeBytes >= this.#settings.ownChunkBytes) {
        await this.#writeOwn(part);
        continue;
      }
      const { prefix } = part;
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
    return { commands: this.#commands, chunks: this.#chunks, tiered, damages: this.#copying.damages };
  }

  async #writePack(parts: readonly PlannedPart[]): Promise<void> {
    const file = this.#beginFile((parts[0] as PlannedPart).prefix);
    await this.#guarded(file, async () => {
      for (const part of parts) await addTo(file, part.partition, await this.#sources.pieces(part));
      for (const { partition, range } of await this.#endFile(file)) this.#commands.add(partition, [range]);
    });
  }

  /** In chunks of about the wished size, the last of them not much smaller than the others. */
  async #writeOwn(part: PlannedPart): Promise<void> {
    const pieces = await this.#sources.pieces(part);
    const toStore = part.isCompacted ? undefined : this.#toStore;
    const total = pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const chunkBytes = total / Math.ceil(total / this.#settings.chunkBytes);
    const ranges: FileRange[] = [];
    const write = async (taken: readonly Piece[]): Promise<void> => {
      if (taken.length === 0) return;
      const entries =
        toStore === undefined ? await this.#toFile(part, taken) : await this.#toStoreAlone(part, taken, toStore);
      for (const { range } of entries) ranges.push(range);
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

  async #toFile({ partition, prefix }: PlannedPart, pieces: readonly Piece[]): Promise<Iterable<ChunkEntry>> {
    const file = this.#beginFile(prefix);
    return await this.#guarded(file, async () => {
      await addTo(file, partition, pieces);
      return await this.#endFile(file);
    });
  }

  /** Put together in memory as a whole: objects are sent in one piece. */
  async #toStoreAlone(
    { partition, prefix }: PlannedPart,
    pieces: readonly Piece[],
    toStore: ToStore,
  ): Promise<Iterable<ChunkEntry>> {
    const chunk = this.#next++;
    const index = new ChunkIndex(chunk);
    const start = index.position;
    const placed: Placed[] = [];
    for (const piece of pieces) {
      placed.push({ piece, partition, position: index.position });
      index.add(partition, piece.baseOffset, piece.endOffset, piece.sizeBytes, piece.maxTimestamp);
    }
    const end = index.position;
    const { footer, entries } = index.finish();
    const bytes = this.#memory.take(end + lengthOf(footer));
    bytes.set(encodeChunkHeader(chunk));
    let at = end;
    for (const part of footer) {
      bytes.set(part, at);
      at += part.length;
    }
    const isChecked = await copyPieces(placed, bytes.subarray(start, end), start, this.#copying);
    // A round that failed may have left a file of this number, which would be read in its place.
    await this.#disk.remove(chunkPath(this.#directory, chunk));
    const stored = toStore({ chunk, prefix, bytes, isChecked }).finally(() => this.#memory.giveBack(bytes));
    // Whoever waits for it hears of a failure; it must not be nobody until then.
    stored.catch(() => undefined);
    this.#stored.push(stored);
    await this.#stored.at(-MAX_STORING);
    return entries;
  }

  #beginFile(prefix: string): ChunkFileWriter {
    const chunk = this.#next;
    const disk = diskUnder(this.#disk, prefix);
    const path = chunkPath(this.#directory, chunk);
    return new ChunkFileWriter({ disk, path, chunk, memory: this.#memory, ...this.#copying });
  }

  /** @returns which partition has which range in it. */
  async #endFile(file: ChunkFileWriter): Promise<Iterable<ChunkEntry>> {
    // The log start has left all of it behind.
    if (file.isEmpty) return [];
    const chunk = this.#next++;
    const { sizeBytes, entries } = await file.finish();
    this.#chunks.push({ chunk, sizeBytes });
    this.#wrote(sizeBytes);
    return entries;
  }

  async #guarded<T>(file: ChunkFileWriter, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      await file.abandon();
      throw error;
    }
  }
}

async function addTo(file: ChunkFileWriter, partition: number, pieces: readonly Piece[]): Promise<void> {
  for (const piece of pieces) {
    if (!file.takes(piece)) await file.flush();
    file.add(partition, piece);
  }
}
