/**
 * What a kill -9 leaves of a broker's directory: its files as they are at one moment, while the broker goes on.
 *
 * Workers write, rename and remove files while the copy is made. A copy during which any file came, went or changed is
 * thrown away and made again: it would show a state in which the directory never was.
 */
import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const TRIES = 200;

/** Locks belong to the living, and half-written files have their own tests. */
const isKept = (path: string): boolean => !/lock|\.tmp$/.test(path);

/** @returns what tells one state of the files below `directory` from the next. */
function stateOf(directory: string): string {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(isKept).toSorted();
  return names
    .map((name) => {
      const stat = statSync(join(directory, name));
      return stat.isDirectory() ? name : `${name} ${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    })
    .join('\n');
}

/**
 * Copies the directory of a broker that is open, without its locks and temporary files.
 *
 * @param from the broker's directory.
 * @param to a directory that does not exist yet.
 * @throws where no moment of rest was found in 200 tries.
 */
export function copyAsKilled(from: string, to: string): void {
  for (let i = 0; i < TRIES; i++) {
    try {
      const before = stateOf(from);
      cpSync(from, to, { recursive: true, filter: isKept });
      if (stateOf(from) === before) return;
    } catch (error) {
      // A file that was removed between its listing and its copy.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    rmSync(to, { recursive: true, force: true });
  }
  throw new Error(`${from} changed during each of ${TRIES} copies`);
}
