/**
 * Adds to package-lock.json the platform packages that npm left out.
 *
 * npm writes an entry for an optional platform package only where the registry it asked has it; with a partial mirror the lock
 * file then lacks the others, and `npm ci` refuses it everywhere ("Missing: … from lock file"). An entry with version
 * and platform is all npm needs: it installs the package where the platform fits and skips it elsewhere.
 *
 *   node scripts/complete-lock.ts        after every npm install that changed the lock file
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

interface LockEntry {
  version?: string;
  cpu?: string[];
  dev?: boolean;
  libc?: string[];
  optional?: boolean;
  os?: string[];
  optionalDependencies?: Record<string, string>;
}

interface LockFile {
  packages: Record<string, LockEntry>;
}

const SYSTEMS = new Set([
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]);
const PROCESSORS = new Set(['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']);
const LIBRARIES = new Map([
  ['gnu', 'glibc'],
  ['gnueabihf', 'glibc'],
  ['musl', 'musl'],
  ['musleabihf', 'musl'],
]);

/** @returns the entries that are missing, by their place in the lock file. */
export function missingEntries(lock: LockFile): Record<string, LockEntry> {
  const missing: Record<string, LockEntry> = {};
  for (const entry of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const place = `node_modules/${name}`;
      if (lock.packages[place] === undefined) missing[place] = platformEntry(name, version, entry.dev === true);
    }
  }
  return missing;
}

/** `@oxlint/binding-linux-x64-musl` says in its name where it runs, as all of its kind do. */
function platformEntry(name: string, version: string, dev: boolean): LockEntry {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-');
  const [os, cpu] = [words.filter((word) => SYSTEMS.has(word)), words.filter((word) => PROCESSORS.has(word))];
  const libc = words.flatMap((word) => LIBRARIES.get(word) ?? []);
  return {
    version,
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(dev ? { dev } : {}),
    ...(libc.length > 0 ? { libc } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  };
}

if (import.meta.main) {
  const file = path.join(fileURLToPath(new URL('..', import.meta.url)), 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as LockFile;
  const missing = missingEntries(lock);
  const { '': root, ...others } = { ...lock.packages, ...missing };
  const sorted = Object.fromEntries(Object.entries(others).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: { '': root, ...sorted } }, undefined, 2)}\n`);
  process.stdout.write(`${Object.keys(missing).length} platform packages added to package-lock.json\n`);
}
