/**
 * How a command ends: exit code 0 for done, 1 for failed, 2 for a command line that makes no sense.
 * Every failure is one line on stderr that says what was wrong, where, and what to do; `--debug` adds the stacks.
 */
import { CommanderError } from 'commander';
import { MillraceError } from '../base/errors.ts';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Reports the failure and returns the exit code. Commander has already printed what it threw. */
export function reportFailure(error: unknown, debug: boolean, write: (text: string) => void): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  write(debug ? `${stacks(error)}\n` : `error: ${oneLine(describe(error))}\n`);
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

function describe(error: unknown): string {
  if (error instanceof AggregateError) return [error.message, ...error.errors.map(describe)].filter(Boolean).join('; ');
  if (error instanceof MillraceError) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}

function stacks(error: unknown): string {
  const lines: string[] = [];
  for (let current: unknown = error; current !== undefined; current = current instanceof Error ? current.cause : undefined) {
    const text = current instanceof Error ? (current.stack ?? current.message) : String(current);
    lines.push(lines.length === 0 ? text : `caused by: ${text}`);
    if (current instanceof MillraceError) lines.push(`  code ${current.code}, details ${JSON.stringify(current.details)}`);
    if (current instanceof AggregateError) lines.push(...current.errors.map(stacks));
  }
  return lines.join('\n');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
