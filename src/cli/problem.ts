/** A refusal of the HTTP API (problem+json, RFC 9457) as the error that the broker threw. */
import { ERROR_KINDS, type ErrorCode, type ErrorDetails, MillraceError } from '../base/errors.ts';

export interface Problem {
  readonly status?: number;
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly details?: ErrorDetails;
}

/** @param text body of the answer; one that is no problem+json did not come from a Millrace broker. */
export function refusalError(status: number, text: string): MillraceError {
  const problem = parseProblem(text);
  if (problem !== undefined) return problemError(problem);
  return new MillraceError(
    'CLIENT_REFUSED',
    `The answer is HTTP ${status} and not from a Millrace broker: ${text.slice(0, 200)}`,
  );
}

export function problemError(problem: Problem): MillraceError {
  const code = isErrorCode(problem.code) ? problem.code : 'CLIENT_REFUSED';
  const message = inCommands(problem.detail ?? problem.title ?? `HTTP ${problem.status}`);
  return new MillraceError(code, message, { details: { ...problem.details, httpStatus: problem.status ?? null } });
}

/** The broker says what to do over HTTP; who typed a command is told of commands. */
function inCommands(message: string): string {
  return message
    .replace('Create it with POST /v1/topics,', 'Create it with `millrace topics create`,')
    .replace(/GET \/v1\/(groups|transactions|push) lists those/, '`millrace $1 list` shows those')
    .replace(/Say which with `partition=0` to (\d+)/, 'Say which with --partition 0 to $1')
    .replace('If-Offset-Match: ', '--if-offset ');
}

function parseProblem(text: string): Problem | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && 'status' in parsed ? (parsed as Problem) : undefined;
  } catch {
    return undefined;
  }
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_KINDS, code);
}
