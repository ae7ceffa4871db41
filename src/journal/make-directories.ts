import { existsSync, mkdirSync, statSync } from 'node:fs';
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
export function makeDirectories(path: string, mode = 0o750): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(path);
    if (code === 'ENOENT' && parent !== path && !existsSync(parent)) {
      makeDirectories(parent, mode);
      makeDirectories(path, mode);
      return;
    }
    if (!isDirectory(path)) throw error;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
