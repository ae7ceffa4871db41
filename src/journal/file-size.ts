import type { Disk } from './disk.ts';

/** Bytes of a file that is not open. @throws what the disk refuses with. */
export async function fileSize(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path, 'read');
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}
