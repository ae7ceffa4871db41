/** A program with a deadline, whose output is read whole: how the suites of clients are run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';

export interface RunProgramOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

export interface ProgramEnd {
  /** stdout and stderr as they came, without terminal colours; of a long output the last part. */
  readonly output: string;
  /** Exit status, or the signal that ended it, or that its time was over. */
  readonly outcome: number | NodeJS.Signals | 'timeout';
  readonly durationMs: number;
}

const KEPT_CHARS = 8 * 1024 * 1024;

/** Runs it to its end, or kills it (and what it started) at the deadline. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env, timeoutMs }: RunProgramOptions,
): Promise<ProgramEnd> {
  const startedAt = performance.now();
  // A group of its own, so that its children die with it.
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let timedOut = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-KEPT_CHARS);
    });
  }
  const deadline = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid);
  }, timeoutMs);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const outcome = timedOut ? 'timeout' : (code ?? signal ?? 'SIGKILL');
    return { output: stripVTControlCharacters(output), outcome, durationMs: performance.now() - startedAt };
  } finally {
    clearTimeout(deadline);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
