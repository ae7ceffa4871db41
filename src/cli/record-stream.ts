/** Records as they come from the broker, to the standard output: streams without an end, and pages. */
import { once } from 'node:events';
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import type { ApiClient, Query } from './api-client.ts';
import { integer, oneOf } from './options.ts';
import { print } from './output.ts';
import { type Problem, problemError } from './problem.ts';
import { readLines } from './read-lines.ts';
import type { RecordFormatter } from './record-format.ts';

/** A record in base64 with its headers may be a good deal larger than the largest line of input. */
const MAX_STREAM_LINE_BYTES = 64 * 1024 * 1024;
export const NDJSON = 'application/x-ndjson';
/** First bytes of the line that ends a stream which failed after it had begun. */
const ERROR_LINE = '{"error":';

/**
 * Prints a stream until it ends.
 *
 * @param printed is told of each piece that was printed; true ends the stream.
 */
/** @param printed gets the lines that were printed; true ends the stream. */
export async function followRecords(
  client: ApiClient,
  path: string,
  query: Query,
  format: RecordFormatter,
  printed: (lines: readonly (string | Buffer)[]) => boolean = () => false,
): Promise<void> {
  const response = await client.stream('GET', path, { query: { ...query, follow: true }, accept: NDJSON });
  // A reader that leaves (EPIPE) ends the process; one that closes the terminal's output ends the request.
  process.stdout.once('close', () => response.destroy());
  try {
    for await (const block of readLines(response as AsyncIterable<Buffer>, 'the stream', MAX_STREAM_LINE_BYTES)) {
      await printRecords(block.lines, format);
      if (printed(block.lines)) break;
    }
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    const message = `The stream broke off: ${(error as Error).message}. Start again with --from and the next offset.`;
    throw new MillraceError('CLIENT_NETWORK', message, { cause: error });
  }
}

/** @returns how many there were; empty lines are signs of life. */
export async function printRecords(lines: readonly (string | Buffer)[], format: RecordFormatter): Promise<number> {
  const output: Uint8Array[] = [];
  let failure: MillraceError | undefined;
  for (const line of lines) {
    const text = line.toString();
    if (text === '') continue;
    if (text.startsWith(ERROR_LINE)) failure = problemError((JSON.parse(text) as { error: Problem }).error);
    else output.push(format(text));
  }
  if (output.length > 0) await print(Buffer.concat(output));
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
  if (failure !== undefined) throw failure;
  return output.length;
}

export function splitLines(text: string): string[] {
  return text === '' ? [] : text.split('\n');
}

export interface RecordOptions {
  readonly limit?: number;
  readonly values: 'text' | 'json' | 'base64';
  readonly keySeparator?: string;
}

/** How many records a command prints, and how they look. */
export function withRecordOptions(command: Command): Command {
  return command
    .option('-n, --limit <count>', 'stop after so many records', integer('--limit', 1, Number.MAX_SAFE_INTEGER))
    .option(
      '--values <form>',
      'with --json: values as text, json (nested) or base64',
      oneOf('--values', ['text', 'json', 'base64']),
      'text',
    )
    .option('--key-separator <text>', 'print the key, this text, and the value');
}
