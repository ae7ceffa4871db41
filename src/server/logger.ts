/**
 * The log: one JSON object a line, or short coloured lines where a terminal watches. Levels as in base/logger.ts.
 */
import { styleText } from 'node:util';
import type { ErrorDetails } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';

export const LOG_LEVELS = ['error', 'info', 'debug', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What each level shows. */
const LEVELS_SHOWN: Readonly<Record<LogLevel, readonly (keyof Logger)[]>> = {
  silent: [],
  error: ['error'],
  info: ['error', 'info'],
  debug: ['error', 'info', 'debug'],
};

interface Entry {
  readonly level: keyof Logger;
  readonly time: Date;
  readonly message: string;
  readonly details: ErrorDetails;
}

export interface LogTarget {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Lines go to stderr by default, because stdout belongs to what a command prints. */
export function createLogger(level: LogLevel, target: LogTarget = process.stderr): Logger {
  const render = target.isTTY === true ? prettyLine : jsonLine;
  const logger: Logger = { ...silentLogger };
  for (const each of LEVELS_SHOWN[level]) {
    logger[each] = (message, details = {}) =>
      void target.write(render({ level: each, time: new Date(), message, details }));
  }
  return logger;
}

/** `{"level":"info","time":"2026-01-31T10:15:02.123Z","kafka":"127.0.0.1:9092","msg":"ready"}`. */
function jsonLine({ level, time, message, details }: Entry): string {
  return `${JSON.stringify({ level, time: time.toISOString(), ...details, msg: message })}\n`;
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
function prettyLine({ level, time, message, details: { stack, ...facts } }: Entry): string {
  const milliseconds = String(time.getMilliseconds()).padStart(3, '0');
  const clock = styleText('dim', `${time.toTimeString().slice(0, 8)}.${milliseconds}`);
  const text = level === 'error' ? styleText('red', `error: ${message}`) : message;
  const details = Object.entries(facts).map(([name, value]) => `${styleText('dim', `${name}=`)}${plain(value)}`);
  const line = [clock, text, ...details].join(' ');
  return typeof stack === 'string' ? `${line}\n${styleText('dim', stack)}\n` : `${line}\n`;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
