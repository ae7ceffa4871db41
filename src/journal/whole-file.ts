/** Files that are read, written and measured as a whole. */
import type { Disk } from './disk.ts';

/**
 * A whole file in memory.
 *
 * @param take makes the memory, zeros, of so many bytes.
 * @throws what the disk refuses with.
 */
export async function readWhole(
  disk: Disk,
  path: string,
  take = (sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes),
): Promise<Uint8Array> {
  const file = await disk.open(path, 'read');
  try {
    const bytes = take(await file.size());
    const count = await file.read(bytes, 0);
    return bytes.subarray(0, count);
  } finally {
    await file.close();
  }
}

/** Bytes of a file that is not open. @throws what the disk refuses with. */
export async function fileSize(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path, 'read');
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}

/** Writes a file so that it is there whole or not at all, under its name, after a power loss at any point. */
export async function writeWhole(
  disk: Disk,
  directory: string,
  path: string,
  pieces: readonly Uint8Array[],
): Promise<void> {
  await writeParts(disk, directory, path, [pieces]);
}

/** The same for parts, each some pieces, of which the next is asked for when the one before is written. */
export async function writeParts(
  disk: Disk,
  directory: string,
  path: string,
  parts: Iterable<readonly Uint8Array[]>,
): Promise<void> {
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  try {
    await writeSynced(disk, temporary, parts);
    await disk.rename(temporary, path);
  } catch (error) {
    // A disk that is full needs the room. Where it cannot be removed, the next start does it.
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await disk.syncDirectory(directory);
}

async function writeSynced(disk: Disk, path: string, parts: Iterable<readonly Uint8Array[]>): Promise<void> {
  const file = await disk.open(path, 'create');
  try {
    let position = 0;
    for (const pieces of parts) {
      await file.write(pieces, position);
      for (const { length } of pieces) position += length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
