import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it, where they are not there yet.
 *
 * Not Node's own `recursive`: it tries for ever where a file system says of a new directory that its parent is not there,
 * as `/proc` does, in a thread that no signal reaches.
 *
 * @param mode of the new ones, before the umask.
 * @throws what the system says, with `path`: EEXIST where a file is in the way, ENOENT where none can be made.
 */
export async function makeDirectories(path: string, mode = 0o750): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(path);
    if (code === 'ENOENT' && parent !== path && !(await isDirectory(parent))) {
      await makeDirectories(parent, mode);
      await makeDirectories(path, mode);
      return;
    }
    if (!(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
