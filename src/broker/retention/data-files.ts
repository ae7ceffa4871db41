/**
 * The files that hold records, with their sizes: what is there, and what of it no partition can read any more. For the
 * reclaimer and the metrics; the checkpoint worker alone decides what is removed.
 */
import type { Disk } from '../../journal/disk.ts';
import { chunkPath } from '../../journal/paths.ts';
import { fileSize } from '../../journal/whole-file.ts';
import { chunkFile, type FileNumber, isChunk } from '../../store/file-number.ts';

/** Which files some partition has readable batches in; collected by a pass over all partitions. */
export class References {
  /** Journal files go from the oldest on: those from here on stay. Infinite: no partition has any in one. */
  oldestJournalFile = Number.POSITIVE_INFINITY;
  readonly chunks = new Set<FileNumber>();

  add(file: FileNumber): void {
    if (isChunk(file)) this.chunks.add(file);
    else if (file < this.oldestJournalFile) this.oldestJournalFile = file;
  }
}

export class DataFiles {
  readonly #sizes = new Map<FileNumber, number>();
  /** Bytes of files that are gone, since the start. */
  reclaimedBytes = 0;

  added(file: FileNumber, sizeBytes: number): void {
    this.#sizes.set(file, sizeBytes);
  }

  /** @returns bytes that came back. */
  removed(files: readonly FileNumber[]): number {
    let bytes = 0;
    for (const file of files) {
      bytes += this.#sizes.get(file) ?? 0;
      this.#sizes.delete(file);
    }
    this.reclaimedBytes += bytes;
    return bytes;
  }

  has(file: FileNumber): boolean {
    return this.#sizes.has(file);
  }

  /** Chunks on the disk, by their numbers. */
  chunkSizes(): ReadonlyMap<number, number> {
    const sizes = new Map<number, number>();
    for (const [file, sizeBytes] of this.#sizes) if (isChunk(file)) sizes.set(-file, sizeBytes);
    return sizes;
  }

  journals(): { readonly count: number; readonly bytes: number } {
    return this.#sum((file) => !isChunk(file));
  }

  chunks(): { readonly count: number; readonly bytes: number } {
    return this.#sum(isChunk);
  }

  /** Bytes of closed files that nobody can read from, which may go. */
  deadBytes(references: References): number {
    return this.#sum((file) => (isChunk(file) ? !references.chunks.has(file) : file < references.oldestJournalFile))
      .bytes;
  }

  #sum(counts: (file: FileNumber) => boolean): { count: number; bytes: number } {
    const sum = { count: 0, bytes: 0 };
    for (const [file, sizeBytes] of this.#sizes) {
      if (!counts(file)) continue;
      sum.count += 1;
      sum.bytes += sizeBytes;
    }
    return sum;
  }
}

/** With the room that their files take, which is less than their content where that is compressed. Never rejects. */
export async function addChunks(
  files: DataFiles,
  { directory, disk }: { readonly directory: string; readonly disk: Disk },
  chunks: readonly { readonly chunk: number; readonly sizeBytes: number }[],
): Promise<void> {
  for (const { chunk, sizeBytes } of chunks) {
    const storedBytes = await fileSize(disk, chunkPath(directory, chunk)).catch(() => sizeBytes);
    files.added(chunkFile(chunk), storedBytes);
  }
}
