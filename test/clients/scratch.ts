/**
 * Where other people's sources are built: outside the tree, in $MILLRACE_SCRATCH or the system's temporary directory, one
 * folder per version, kept and used again.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const BUILD_TIMEOUT_MS = 900_000;
const MAX_OUTPUT_BYTES = 2 ** 28;
const SHOWN_LINES = 40;
const LOOK_AGAIN_MS = 500;
/** Written last: a folder without it is a build that did not end. */
const COMPLETE = 'complete';

export function scratchDirectory(name: string): string {
  return path.join(process.env['MILLRACE_SCRATCH'] ?? path.join(tmpdir(), 'millrace-scratch'), name);
}

/** @param product what the build leaves. Who cleans temporary directories may take it, and leave the mark. */
export function isComplete(directory: string, product: string): boolean {
  return existsSync(path.join(directory, COMPLETE)) && existsSync(product);
}

/** Runs `build` in the folder unless its product is there; of test files that run at the same time one builds. */
export function buildOnce(directory: string, product: string, build: () => void): void {
  if (isComplete(directory, product)) return;
  mkdirSync(directory, { recursive: true });
  const lock = path.join(directory, 'lock');
  takeLock(lock);
  try {
    if (isComplete(directory, product)) return;
    // Nobody may take what is half built for what the mark of before stood for.
    rmSync(path.join(directory, COMPLETE), { force: true });
    build();
    writeFileSync(path.join(directory, COMPLETE), '');
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Waits, blocking, for whoever has it; what a process that is gone left behind is nobody's. */
function takeLock(lock: string): void {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (!isAlive(lock)) rmSync(lock, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
}

function isAlive(lock: string): boolean {
  try {
    // Without a number its holder is about to write one: process 0 is this one's group.
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}

/** One step of a build. @throws Error with the end of its output where it fails. */
export function buildStep(cwd: string, program: string, args: readonly string[], env = process.env): void {
  const result = spawnSync(program, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: BUILD_TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  if (result.status === 0) return;
  const end = `${result.stdout}${result.stderr}`.split('\n').slice(-SHOWN_LINES).join('\n');
  const how = result.error?.message ?? `ended with ${result.status ?? result.signal}`;
  throw new Error(`${program} ${args.join(' ')}: ${how}:\n${end}`);
}
