/** Options that several commands share, and the parsers of their values. A wrong value is a usage error, exit code 2. */
import { type Command, InvalidArgumentError } from 'commander';
import { ApiClient, DEFAULT_HTTP } from './api-client.ts';
import { UsageError } from './failure.ts';

export interface ClientOptions {
  /** Undefined: `$MILLRACE_HTTP`, else the default address. */
  readonly http?: string;
  readonly json?: true;
}

/** `--http` and `--json`, which every command that talks to a broker has. */
export function withClientOptions(command: Command): Command {
  return command
    .option('--http <address>', `HTTP address of the broker (default: $MILLRACE_HTTP, else ${DEFAULT_HTTP})`)
    .option('--json', 'print JSON, one value a line');
}

function defaultAddress(): string {
  return process.env['MILLRACE_HTTP'] || DEFAULT_HTTP;
}

/** Runs `work` with a client that is closed in the end, so that the process can end. */
export async function withClient<T>(options: ClientOptions, work: (client: ApiClient) => Promise<T>): Promise<T> {
  const client = new ApiClient(options.http ?? defaultAddress());
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Parser of a whole number between `min` and `max` inclusive. */
export function integer(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new UsageError(`${name} must be a whole number from ${min} to ${max}, not \`${text}\`.`);
  };
}

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Parser of a number of bytes, with a unit or without. */
export function byteCount(text: string): number {
  const match = /^(\d+)([bkmg]?)$/i.exec(text.trim());
  const unit = BYTE_UNITS[match?.[2]?.toLowerCase() ?? 'none'];
  if (match === null || unit === undefined)
    throw new InvalidArgumentError('It must be a number of bytes, like 1000, 64k or 1m.');
  return Number(match[1]) * unit;
}

/** Parser of `--partitions`. The broker decides on its own limit; this one catches slips of the finger before anything is sent. */
export const partitionCount = integer('--partitions', 1, 1_000_000);

/** Parser of one of a few words. */
export function oneOf<T extends string>(name: string, words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new UsageError(`${name} must be one of ${words.join(', ')}, not \`${text}\`.`);
  };
}

/** Splits `name=value`; the value may hold further equals signs. */
export function assignment(what: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new UsageError(`${what} must be written NAME=VALUE, not \`${text}\`.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
