/**
 * How a command ends: exit code 0 for done, 1 for failed, 2 for a command line that makes no sense.
 * Every failure is one line on stderr that says what was wrong, where, and what to do; `--debug` adds the stacks.
 */
import { inspect } from 'node:util';
import { CommanderError } from 'commander';
import { MillraceError } from '../base/errors.ts';

export const EXIT_OK = 0;
const EXIT_FAILED = 1;
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
  if (error instanceof Error) return systemWords(error) ?? error.message;
  return inspect(error);
}

/** What the system says of a file that a command line names, in words. Undefined for all else. */
function systemWords({ code, path }: NodeJS.ErrnoException): string | undefined {
  if (path === undefined || code === undefined) return undefined;
  switch (code) {
    case 'ENOENT':
      return `There is no file or directory ${path}.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} may not be opened (${code}): check its permissions, and who runs this.`;
    case 'EEXIST':
      return `${path} is there already, and is something else: give another path, or remove it.`;
    case 'EISDIR':
      return `${path} is a directory, and a file is needed here.`;
    case 'ENOTDIR':
      return `${path} cannot be there: a part of that path is a file.`;
    default:
      return undefined;
  }
}

/** The error, what caused it, and so on down, each with its stack. */
function stacks(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error);
  const lines = [error.stack ?? error.message];
  if (error instanceof MillraceError) lines.push(`  code ${error.code}, details ${JSON.stringify(error.details)}`);
  if (error instanceof AggregateError) lines.push(...error.errors.map(stacks));
  if (error.cause !== undefined) lines.push(`caused by: ${stacks(error.cause)}`);
  return lines.join('\n');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
