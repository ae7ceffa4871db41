/** `millrace backup`: everything a running broker has, into a file, to stdout, or into an object store. */

import { existsSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { type BackupManifest, ownBytes } from '../store/backup-manifest.ts';
import { BackupReader } from '../store/backup-reader.ts';
import type { ApiClient } from './api-client.ts';
import { chosenName, openBackupSources } from './backup-sources.ts';
import { BackupPartWriter, BackupStore, backupName, isStoreUrl } from './backup-store.ts';
import { UsageError } from './failure.ts';
import { type ClientOptions, integer, withClient, withClientOptions } from './options.ts';
import { plural, print, printJson, printLine } from './output.ts';
import { Progress } from './progress.ts';

interface Options extends ClientOptions {
  readonly to: string;
  readonly since?: string;
  readonly rate?: number;
}

const EXAMPLES = `
Examples:
  $ millrace backup --to monday.backup
  $ millrace backup --to tuesday.backup --since monday.backup
  $ millrace backup --to s3://backups/millrace --since latest
  $ millrace backup --to - | zstd | ssh elsewhere 'cat > millrace.backup.zst'

Writers and readers go on meanwhile. The backup has everything that was acknowledged before it began: records, topics, groups,
transactions; also what is in the object store of tier.store alone. With --since, files that the earlier backup has are left
out: the restore needs both. In an object store --since latest takes the newest one there, or makes a full one where there is
none. While a backup runs the broker removes no file; it goes on when the backup ends, or takes nothing for a minute.`;

const MAX_RATE = 1_000_000;

/** Where the bytes go; they count for nothing before `finish`. */
interface Sink {
  begin(manifest: BackupManifest): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  finish(manifest: BackupManifest): Promise<void>;
  /** It failed: leaves nothing that looks like a backup. */
  abandon(): Promise<void>;
}

export function register(program: Command): void {
  withClientOptions(program.command('backup').description('back up everything a running broker has'))
    .requiredOption(
      '--to <place>',
      'a file that is not there yet, - for stdout, or s3://… or dir:///… for an object store',
    )
    .option('--since <earlier>', 'an earlier backup: a file; in an object store latest, or an id')
    .option('--rate <MB/s>', 'read no faster than so many megabytes a second', integer('--rate', 1, MAX_RATE))
    .addHelpText('after', EXAMPLES)
    .action(backup);
}

async function backup(options: Options): Promise<void> {
  const store = isStoreUrl(options.to) ? BackupStore.open(options.to) : undefined;
  const earlier = options.since === undefined ? undefined : await earlierBackup(options.since, store);
  const sink = await openSink(options.to, store);
  const startedAt = performance.now();
  let manifest: BackupManifest;
  try {
    manifest = await withClient(options, (client) => receive(client, sink, earlier, options.rate));
    await sink.finish(manifest);
  } catch (error) {
    await sink.abandon();
    throw error;
  }
  const { id, files } = manifest;
  const own = files.filter((file) => file.in === id);
  const seconds = (performance.now() - startedAt) / 1000;
  const summary = {
    id,
    files: own.length,
    bytes: ownBytes(manifest),
    earlierFiles: files.length - own.length,
    seconds,
  };
  const words =
    `backup ${id}: ${plural(summary.files, 'file')}, ${summary.bytes.toLocaleString('en-US')} bytes in ${seconds.toFixed(1)} s` +
    (summary.earlierFiles === 0 ? '' : `; ${plural(summary.earlierFiles, 'file')} in earlier backups`);
  if (options.to === '-') process.stderr.write(`${words}\n`);
  else if (options.json) await printJson(summary);
  else await printLine(words);
}

async function earlierBackup(since: string, store: BackupStore | undefined): Promise<BackupManifest | undefined> {
  if (store !== undefined) {
    if (since === 'latest' && (await store.names()).length === 0) return undefined;
    return await store.manifest(await chosenName(store, since === 'latest' ? undefined : since));
  }
  if (since === '-' || isStoreUrl(since)) throw new UsageError('--since names a file, unless --to is an object store.');
  const [reader] = await openBackupSources([since], undefined);
  try {
    // What stands on a damaged one would be worth nothing.
    for await (const piece of (reader as BackupReader).pieces()) void piece;
    return (reader as BackupReader).manifest;
  } finally {
    await reader?.close();
  }
}

/** Passes the stream on, and checks it on the way: what ends without its end is no backup. */
async function receive(
  client: ApiClient,
  sink: Sink,
  earlier: BackupManifest | undefined,
  rate: number | undefined,
): Promise<BackupManifest> {
  const response = await client.stream('POST', '/v1/backup', {
    query: { maxBytesPerSecond: rate === undefined ? undefined : rate * 1_000_000 },
    accept: 'application/vnd.millrace.backup',
    ...(earlier === undefined ? {} : { body: { clusterId: earlier.clusterId, files: earlier.files } }),
  });
  const held: Uint8Array[] = [];
  let begun = false;
  async function* passed(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const bytes of response as AsyncIterable<Buffer>) {
        if (begun) await sink.write(bytes);
        else held.push(bytes);
        yield bytes;
      }
    } catch (error) {
      // A connection that was cut: the reader says how far it came.
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    }
  }
  const reader = await BackupReader.open(passed(), `from ${client.url.host}`);
  const { manifest } = reader;
  const progress = new Progress('bytes', ownBytes(manifest));
  try {
    await sink.begin(manifest);
    for (const bytes of held.splice(0)) await sink.write(bytes);
    begun = true;
    let done = 0;
    for await (const { bytes } of reader.pieces()) {
      done += bytes.length;
      progress.update(done);
    }
    return manifest;
  } finally {
    progress.end();
    await reader.close();
  }
}

async function openSink(to: string, store: BackupStore | undefined): Promise<Sink> {
  if (store !== undefined) return storeSink(store);
  return to === '-' ? STDOUT : await fileSink(to);
}

const STDOUT: Sink = {
  begin: async () => {},
  write: (bytes) => print(bytes),
  finish: async () => {},
  abandon: async () => {},
};

function storeSink(store: BackupStore): Sink {
  const parts = new BackupPartWriter(store);
  return {
    begin: async (manifest) => {
      parts.name = backupName(manifest);
    },
    write: (bytes) => parts.write(bytes),
    finish: (manifest) => parts.finish(manifest),
    abandon: async () => {},
  };
}

async function fileSink(to: string): Promise<Sink> {
  if (existsSync(to)) throw new UsageError(`${to} is there already. Name another file, or remove it first.`);
  const partial = `${to}.partial`;
  const file = await openFile(partial);
  return {
    begin: async () => {},
    write: async (bytes) => {
      await file.writeFile(bytes);
    },
    finish: async () => {
      await file.sync();
      await file.close();
      await rename(partial, to);
      const folder = await open(path.dirname(path.resolve(to)), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
    abandon: async () => {
      await file.close();
      await unlink(partial).catch(() => undefined);
    },
  };
}

async function openFile(partial: string): Promise<FileHandle> {
  try {
    return await open(partial, 'w');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new UsageError(`There is no directory ${path.dirname(path.resolve(partial))} to write a backup into.`);
  }
}
