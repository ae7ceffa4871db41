/** Finds the test files: `*.test.ts` run with every `npm test`, `*.slice.ts` (long ones) in CI. */
import { readdirSync } from 'node:fs';
import path from 'node:path';

const ROOM_DIRECTORIES = ['src', 'test', 'bench', 'scripts', 'examples'];

/** @returns paths relative to `root`, sorted, so that runs are comparable. */
export function findTestFiles(root: string, ending: '.test.ts' | '.slice.ts'): string[] {
  const found: string[] = [];
  for (const directory of ROOM_DIRECTORIES) walk(root, directory, ending, found);
  return found.sort();
}

function walk(root: string, directory: string, ending: string, found: string[]): void {
  for (const entry of readDirectory(path.join(root, directory))) {
    const name = `${directory}/${entry.name}`;
    if (entry.isDirectory()) walk(root, name, ending, found);
    else if (entry.name.endsWith(ending)) found.push(name);
  }
}

function readDirectory(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
