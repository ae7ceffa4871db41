/** `millrace sink`: records of any back end into a file of NDJSON, a SQLite database or stdout. */
import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import { from, type Item, into, pipe, sqliteOffsets } from '../process/index.ts';
import { type Client, nullable, raw } from '../sdk/index.ts';
import { connectSource } from './connect-source.ts';
import { UsageError } from './failure.ts';
import { oneOf } from './options.ts';
import { plural, print } from './output.ts';
import { headersJson, recordJson, textOf } from './ss-json.ts';

interface Options {
  readonly from: string;
  readonly to: string;
  readonly group?: string;
  readonly offset?: 'start' | 'end';
  readonly untilEnd?: true;
  readonly table: string;
  readonly quiet?: true;
}

type Bytes = Uint8Array | null;

const EXAMPLES = `
Examples:
  $ millrace sink --from kafka://127.0.0.1:9092/orders --to sqlite:./orders.db --group archive
  $ millrace sink --from redis://127.0.0.1/orders --to orders.ndjson --group archive --until-end
  $ millrace sink --from kafka://127.0.0.1:9092/orders --to - --offset start

Into SQLite each record comes once, whatever is killed. A file is synced before positions are committed under --group: after a
crash the last records may come twice.`;

const SQLITE = 'sqlite:';
/** Longer than the letter of a drive. */
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;
const COMMIT_EVERY_RECORDS = 1000;

export function register(program: Command): void {
  program
    .command('sink')
    .description('write records to a file of NDJSON, a SQLite database or stdout')
    .requiredOption('--from <uri>', 'where to read, topics included')
    .requiredOption('--to <target>', 'FILE.ndjson (appended to), sqlite:FILE, or - for stdout')
    .option('--group <name>', 'remember positions under this name, and go on from there (SQLite: default sink)')
    .option(
      '--offset <place>',
      'where to start the first time: start or end (default: end; with --group and SQLite: start)',
      oneOf('--offset', ['start', 'end']),
    )
    .option('--until-end', 'stop at what is the end now')
    .option('--table <name>', 'of SQLite', 'records')
    .option('--quiet', 'say nothing at the end')
    .addHelpText('after', EXAMPLES)
    .action(sink);
}

async function sink(options: Options): Promise<void> {
  if (SCHEME.test(options.to) && !options.to.startsWith(SQLITE)) {
    throw new UsageError(
      `\`${options.to}\` is no target: write the name of a file, sqlite:FILE, or - for stdout (./${options.to} is a file).`,
    );
  }
  const client = await connectSource(options.from);
  try {
    if (client.topics.length === 0)
      throw new UsageError('--from names no topic: write it behind the address, as in kafka://127.0.0.1:9092/orders.');
    const count = options.to.startsWith(SQLITE) ? await toSqlite(client, options) : await toLines(client, options);
    if (options.quiet !== true) process.stderr.write(`wrote ${plural(count, 'record')} to ${options.to}\n`);
  } finally {
    await client.close();
  }
}

/** @returns how many records were written. */
async function toLines(client: Client, options: Options): Promise<number> {
  const { to, group } = options;
  const file = to === '-' ? undefined : await open(to, 'a');
  const common = {
    ...startOf(options, group === undefined ? 'end' : 'start'),
    key: raw(),
    value: nullable(raw()),
  } as const;
  const mode = group === undefined ? {} : ({ mode: 'resumable', group } as const);
  let count = 0;
  try {
    const consumer = await client.consumer<Bytes, Uint8Array>({ ...common, ...mode });
    await stoppable(
      () => void consumer.close().catch(() => undefined),
      async () => {
        // Asking for the next batch commits this one.
        for await (const { records } of consumer.batches()) {
          const text = records.map((record) => recordJson(record)).join('');
          if (file === undefined) await print(text);
          else {
            await file.write(text);
            if (group !== undefined) await file.datasync();
          }
          count += records.length;
        }
      },
    );
    await consumer.close();
  } finally {
    await file?.close();
  }
  return count;
}

/** Records and positions in one transaction of the database. */
async function toSqlite(client: Client, options: Options): Promise<number> {
  const { to, group = 'sink', table } = options;
  if (!/^[a-z_][a-z0-9_]{0,62}$/i.test(table)) throw new UsageError(`--table ${table} is no name of a table.`);
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(to.slice(SQLITE.length));
  try {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${table} (topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,` +
        ' timestamp INTEGER NOT NULL, key, value, headers TEXT, PRIMARY KEY (topic, "partition", "offset")) WITHOUT ROWID',
    );
    const insert = database.prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?, ?, ?)`);
    const store = sqliteOffsets(database);
    let count = 0;
    const job = pipe(
      from(client, { ...startOf(options, 'start'), offsets: { store, group }, key: raw(), value: nullable(raw()) }),
      into(store, (items) => {
        for (const item of items) insert.run(...columnsOf(item));
        count += items.length;
      }),
    ).start({ commitEveryRecords: COMMIT_EVERY_RECORDS });
    await stoppable(
      () => void job.drain().catch(() => undefined),
      async () => await job.done,
    );
    return count;
  } finally {
    database.close();
  }
}

/** Text where bytes are UTF-8, so that SQL can compare it; bytes otherwise. */
function columnsOf({ key, value, headers, timestamp, origin }: Item<Bytes, Uint8Array>) {
  const [place] = origin.newest;
  const named = headersJson(headers);
  const cell = (bytes: Bytes): string | Uint8Array | null => (bytes === null ? null : (textOf(bytes) ?? bytes));
  return [
    place?.topic ?? '',
    place?.partition ?? 0,
    place?.offset ?? 0n,
    timestamp,
    cell(key),
    cell(value),
    named,
  ] as const;
}

function startOf({ offset, untilEnd }: Options, fallback: 'start' | 'end') {
  const start = offset ?? fallback;
  return {
    from: start === 'start' ? 'earliest' : 'latest',
    until: untilEnd === true ? 'end' : undefined,
  } as const;
}

async function stoppable(stop: () => void, work: () => Promise<void>): Promise<void> {
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await work();
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
