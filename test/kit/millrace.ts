/** Millrace as a user runs it: commands and brokers in processes of their own, on ports that the system chooses. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endChild } from './end-child.ts';

const MAIN = fileURLToPath(new URL('../../bin/millrace', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  stdout(): string;
  stderr(): string;
  /** Waits for text on stdout or stderr. @throws Error when the process ends first. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Starts a command; the caller ends it or waits for `ended`. */
export function startMillrace(
  args: readonly string[],
  options: { stdin?: string; env?: Record<string, string> } = {},
): Running {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...options.env }, stdio: 'pipe' });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    child.emit('text');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    child.emit('text');
  });
  if (options.stdin !== undefined) child.stdin.end(options.stdin);
  const ended = once(child, 'close').then(([code, signal]): Outcome => ({ code, signal, stdout, stderr }));
  void ended.then(() => child.emit('text'));
  return {
    child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    async until(pattern) {
      for (;;) {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match !== null) return match;
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`ended before ${pattern}:\n${stdout}${stderr}`);
        await once(child, 'text');
      }
    },
  };
}

/** Runs a command to its end. */
export async function runMillrace(
  args: readonly string[],
  options: { stdin?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  return await startMillrace(args, { stdin: '', ...options }).ended;
}

export interface RunningBroker extends Running, AsyncDisposable {
  /** HOST:PORT. */
  readonly kafka: string;
  readonly http: string;
  readonly directory: string;
}

/** `millrace serve`, ready. Its log is JSON on stderr. What still runs at the end of the block is killed. */
export async function startBroker(directory: string, extra: readonly string[] = []): Promise<RunningBroker> {
  const running = startMillrace([
    'serve',
    // Tests write records of fixed, old times.
    '--set',
    'log.retention.ms=-1',
    '--data',
    directory,
    '--kafka',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
    ...extra,
  ]);
  const ready = await running.until(/\{[^\n]*"msg":"ready"[^\n]*/);
  const { kafka, http } = JSON.parse(ready[0]) as { kafka: string; http: string };
  return {
    ...running,
    ...{ kafka, http, directory },
    [Symbol.asyncDispose]: async () => await endChild(running.child, 'SIGKILL'),
  };
}
