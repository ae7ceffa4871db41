/** `millrace subscribe`: all topics that match globs, in the order in which they were written. */
import type { Command } from 'commander';
import type { ApiClient, Query } from './api-client.ts';
import { UsageError } from './failure.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { type RecordFormatter, recordFormatter } from './record-format.ts';
import {
  followRecords,
  NDJSON,
  printRecords,
  type RecordOptions,
  splitLines,
  withRecordOptions,
} from './record-stream.ts';

const PATH = '/v1/subscribe';
const PAGE_RECORDS = 10_000;
const PAGE_BYTES = 4 * 1024 * 1024;
const CURSOR = /^(?:earliest|latest|\d+(?:\.\d+\.\d+)?)$/;

interface Options extends ClientOptions, RecordOptions {
  readonly from?: string;
  readonly follow?: true;
}

const EXAMPLES = `
Examples:
  $ millrace subscribe 'shop/**' --follow
  $ millrace subscribe 'sensors/*/temperature' 'sensors/*/humidity' --json | jq -r .topic
  $ millrace subscribe '**' --from 1042.0.17 --follow --json

Quote the globs, or the shell takes them for file names. With --json each record has its cursor, which --from takes: it
goes on behind that record. Without --follow it ends at what was the end when it began.`;

export function register(program: Command): void {
  withRecordOptions(
    withClientOptions(
      program.command('subscribe <globs...>').description('read all topics that match, in the order they were written'),
    ),
  )
    .option('--from <cursor>', 'earliest, latest or a cursor (default: earliest; with --follow latest)')
    .option('-f, --follow', 'go on with records as they come, and with topics that are created')
    .addHelpText('after', EXAMPLES)
    .action(subscribe);
}

async function subscribe(globs: string[], options: Options): Promise<void> {
  const from = options.from ?? (options.follow ? 'latest' : 'earliest');
  if (!CURSOR.test(from))
    throw new UsageError(`--from takes earliest, latest or a cursor like 1042.0.17, not ${from}.`);
  const format = recordFormatter({ json: options.json === true, keySeparator: options.keySeparator });
  const query: Query = { match: globs, cursor: from, format: options.json ? options.values : 'text' };
  await withClient(options, async (client) => {
    if (options.follow) await followRecords(client, PATH, { ...query, limit: options.limit }, format);
    else await readToEnd(client, query, format, options.limit ?? Number.POSITIVE_INFINITY);
  });
}

/** Reads page by page to the commit that was the last one at the beginning, so that it ends while others write. */
async function readToEnd(client: ApiClient, start: Query, format: RecordFormatter, limit: number): Promise<void> {
  const { cursor: last } = (await client.json('GET', PATH, { query: { match: '**', cursor: 'latest', limit: 1 } })) as {
    readonly cursor: string;
  };
  let query = start;
  let count = 0;
  while (count < limit) {
    const page = await client.text('GET', PATH, {
      query: { ...query, limit: Math.min(limit - count, PAGE_RECORDS), maxBytes: PAGE_BYTES },
      accept: NDJSON,
    });
    count += await printRecords(splitLines(page.text), format);
    const cursor = String(page.headers['millrace-cursor'] ?? last);
    // Between commits a cursor is one number; inside of the last one there may be more.
    if (Number(cursor) >= Number(last)) return;
    query = { ...query, cursor };
  }
}
