/**
 * The log: one JSON object a line, or short coloured lines where a terminal watches. Levels as in base/logger.ts.
 */
import { styleText } from 'node:util';
import { pino } from 'pino';
import type { ErrorDetails } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';

export const LOG_LEVELS = ['error', 'info', 'debug', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogTarget {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Lines go to stderr by default, because stdout belongs to what a command prints. */
export function createLogger(level: LogLevel, target: LogTarget = process.stderr): Logger {
  const write =
    target.isTTY === true ? (line: string) => target.write(prettyLine(line)) : (line: string) => target.write(line);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => void write(line) },
  );
  return {
    error: (message, details) => logger.error(details ?? {}, message),
    info: (message, details) => logger.info(details ?? {}, message),
    debug: (message, details) => logger.debug(details ?? {}, message),
  };
}

/** What of an error goes into the log; the stack names the place for whoever looks into it. */
export function errorFacts(error: unknown): ErrorDetails {
  if (!(error instanceof Error)) return { cause: String(error) };
  const causes: string[] = [];
  for (let current: unknown = error; current instanceof Error; current = current.cause)
    causes.push(current.stack ?? current.message);
  return { stack: causes.join('\ncaused by: ') };
}

/** `10:15:02.123 ready kafka=127.0.0.1:9092 http=127.0.0.1:7123`; a stack follows on lines of its own. */
function prettyLine(json: string): string {
  const { time, level, msg, stack, ...facts } = JSON.parse(json) as Record<string, unknown>;
  const at = new Date(String(time));
  const clock = styleText('dim', `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`);
  const message = level === 'error' ? styleText('red', `error: ${String(msg)}`) : String(msg);
  const details = Object.entries(facts).map(([name, value]) => `${styleText('dim', `${name}=`)}${plain(value)}`);
  const line = [clock, message, ...details].join(' ');
  return typeof stack === 'string' ? `${line}\n${styleText('dim', stack)}\n` : `${line}\n`;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
