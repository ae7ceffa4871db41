/**
 * Indexes of journal files that a checkpoint covers: looked at when the broker starts, and built again from the journal
 * file where one is missing or damaged. An index follows from its journal file alone, so what comes out is what was
 * there, and the ranges that the checkpoint gave the partitions point into it as before.
 */
import { asMillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import { scanFile } from '../../journal/file-scan.ts';
import { indexPath, journalDirectory, journalPath } from '../../journal/paths.ts';
import { fileSize, writeWhole } from '../../journal/whole-file.ts';
import { isChunk } from '../../store/file-number.ts';
import { INDEX_HEADER_BYTES, IndexBuilder, indexHeaderFault } from '../../store/index-file.ts';
import type { Partition } from '../../store/partition.ts';

/** Files looked at together: each costs an open and one small read. */
const CONCURRENT_CHECKS = 8;

/** @throws JOURNAL_CORRUPT, or what the disk refuses with. */
export async function rebuildIndex(disk: Disk, directory: string, file: number): Promise<void> {
  const path = journalPath(directory, file);
  const index = new IndexBuilder(file);
  await scanFile(disk, path, file, await fileSize(disk, path), {
    batchHeaders: (run, sizeBytes) => index.add(run, sizeBytes),
    command: () => undefined,
  });
  await writeWhole(disk, journalDirectory(directory), indexPath(directory, file), [index.build().bytes]);
}

/**
 * Looks at the header of every index that the partitions need. Rows are checked when a file is first read from, since
 * reading them all would make the start slow (`src/store/index-reader.ts`).
 *
 * @param report told of each index that was built again, and of each that could not be: reads of it will fail and say
 *   why; everything else is served.
 */
export async function repairIndexes(
  disk: Disk,
  directory: string,
  partitions: Iterable<Partition>,
  report: (problem: string) => void,
): Promise<void> {
  const files = referencedFiles(partitions);
  for (let from = 0; from < files.length; from += CONCURRENT_CHECKS) {
    const faults = await Promise.all(
      files
        .slice(from, from + CONCURRENT_CHECKS)
        .map(async (file) => ({ file, fault: await fault(disk, directory, file) })),
    );
    for (const { file, fault: found } of faults) {
      if (found === undefined) continue;
      try {
        await rebuildIndex(disk, directory, file);
        report(`Index file ${indexPath(directory, file)} was built again: ${found}.`);
      } catch (error) {
        const { message } = asMillraceError(error, 'STORE_IO');
        report(`Index file ${indexPath(directory, file)} cannot be built again (${found}): ${message}`);
      }
    }
  }
}

function referencedFiles(partitions: Iterable<Partition>): number[] {
  const files = new Set<number>();
  for (const { ranges } of partitions) {
    for (let i = 0; i < (ranges?.count ?? 0); i++) {
      const file = ranges?.file(i) as number;
      if (!isChunk(file)) files.add(file);
    }
  }
  return [...files].sort((a, b) => a - b);
}

async function fault(disk: Disk, directory: string, file: number): Promise<string | undefined> {
  try {
    const handle = await disk.open(indexPath(directory, file), 'read');
    try {
      const header = new Uint8Array(INDEX_HEADER_BYTES);
      const count = await handle.read(header, 0);
      return indexHeaderFault(header.subarray(0, count), file, await handle.size());
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'it is missing';
    return `it cannot be read: ${String(error)}`;
  }
}
