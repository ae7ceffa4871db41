/**
 * The log: one JSON object a line, or short coloured lines where a terminal watches.
 *
 * Three levels by who must act: `error` (somebody looks into it), `info` (a state changed), `debug` (for us).
 */
import { styleText } from 'node:util';
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['error', 'info', 'debug', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogTarget {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Lines go to stderr by default, because stdout belongs to what a command prints. */
export function createLogger(level: LogLevel, target: LogTarget = process.stderr): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: nameLevel },
  };
  if (target.isTTY !== true) return pino(options, { write: (line) => void target.write(line) });
  return pino(options, { write: (line) => void target.write(prettyLine(line)) });
}

function nameLevel(label: string): { level: string } {
  return { level: label };
}

interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
}

/** `10:15:02.123 ready  kafka=127.0.0.1:9092 http=127.0.0.1:7123`. */
export function prettyLine(json: string): string {
  const { time, level, msg, err, ...facts } = JSON.parse(json) as LogLine & Record<string, unknown>;
  const clock = styleText('dim', new Date(time).toTimeString().slice(0, 8) + time.slice(19, 23));
  const message = level === 'error' || level === 'fatal' ? styleText('red', `error: ${msg ?? ''}`) : (msg ?? '');
  const details = Object.entries(facts).map(([name, value]) => `${styleText('dim', `${name}=`)}${plain(value)}`);
  const line = [clock, message, ...details].join(' ');
  return err === undefined ? `${line}\n` : `${line}\n${styleText('dim', err.stack ?? err.message ?? '')}\n`;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
