/** `millrace restore`: a data directory out of a backup, or one topic of it into a broker. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { planRestore, type Restored, restoreDirectory } from '../broker/backup/restore-directory.ts';
import { TopicCopy } from '../broker/backup/topic-copy.ts';
import { NodeDisk } from '../journal/node-disk.ts';
import { journalDirectory } from '../journal/paths.ts';
import { plainBatches } from '../model/plain-batch.ts';
import { recordCount } from '../model/record-batch.ts';
import { openBroker } from '../server/open-broker.ts';
import { ownBytes } from '../store/backup-manifest.ts';
import type { BackupReader } from '../store/backup-reader.ts';
import type { Partition } from '../store/partition.ts';
import type { ApiClient } from './api-client.ts';
import { openBackupSources } from './backup-sources.ts';
import { committedBatches } from './committed-batches.ts';
import { type KeyOptions, keySourceOf, masterKeysOf, withKeyOption } from './data-disk.ts';
import { UsageError } from './failure.ts';
import { assignment, type ClientOptions, collect, withClient, withClientOptions } from './options.ts';
import { plural, printJson, printLine } from './output.ts';
import { Progress } from './progress.ts';
import { sendBatch } from './send-batch.ts';
import type { TopicDetail } from './topic-answers.ts';
import { describeProblem } from './verify.ts';

interface Options extends ClientOptions, KeyOptions {
  readonly from: readonly string[];
  readonly backup?: string;
  readonly data?: string;
  readonly topic?: string;
  readonly as?: string;
  readonly config?: readonly string[];
}

const EXAMPLES = `
Examples:
  $ millrace restore --from monday.backup --data ./restored
  $ millrace restore --from monday.backup --from tuesday.backup --data ./restored
  $ millrace restore --from s3://backups/millrace --data ./restored
  $ millrace restore --from monday.backup --topic orders --as orders-of-monday --http 127.0.0.1:7123
  $ millrace restore --from monday.backup --topic orders --as orders-of-monday --data ./data

Without --topic the directory must have no data yet, or not be there; everything is restored, every byte is checked on the way and the
result once more, as by millrace verify. The new directory is a cluster of its own with its own id. An incremental backup needs
the earlier ones too; an object store has them by itself. With --topic the topic is created, with the settings that it had, in a
running broker (--http) or in the data directory of one that is stopped (--data). It gets the committed records with their keys,
values, headers, times, order and partitions; offsets begin at 0.`;

export function register(program: Command): void {
  withKeyOption(withClientOptions(program.command('restore').description('restore a backup: all of it, or one topic')))
    .requiredOption('--from <place>', 'a backup file, - for stdin, or an object store; may be repeated', collect)
    .option('--backup <id>', 'which backup of the object store (default: the newest)')
    .option('--data <directory>', 'data directory: a new one, or with --topic that of a stopped broker')
    .option('--topic <name>', 'this topic only')
    .option('--as <name>', 'name of the restored topic (default: the same)')
    .option('--config <name=value>', 'a setting of the restored topic; may be repeated', collect)
    .addHelpText('after', EXAMPLES)
    .action(restore);
}

async function restore(options: Options): Promise<void> {
  const { topic, data, http } = options;
  if (topic === undefined) {
    if (data === undefined) throw new UsageError('Say where to restore to, with --data, or which topic, with --topic.');
    if (http !== undefined || options.as !== undefined || options.config !== undefined) {
      throw new UsageError('--http, --as and --config go with --topic.');
    }
    return await restoreAll(data, options);
  }
  if (data !== undefined && http !== undefined) throw new UsageError('Either --data or --http, not both.');
  if (data === undefined) return await withClient(options, (client) => restoreTopic(client, topic, options));
  if (!existsSync(journalDirectory(data))) {
    throw new MillraceError('CONFIG_INVALID', `There is no data directory in ${data}: it has no journal.`, {
      details: { path: data },
    });
  }
  const broker = await openBroker({ dir: data, settings: { encryptionKeySource: keySourceOf(options) } });
  try {
    await withClient({ http: broker.http }, (client) => restoreTopic(client, topic, options));
  } finally {
    await broker.close();
  }
}

async function restoreAll(directory: string, options: Options): Promise<void> {
  const backups = await openBackupSources(options.from, options.backup);
  const progress = progressOf(backups);
  let restored: Restored;
  try {
    restored = await restoreDirectory({
      disk: new NodeDisk(),
      directory,
      backups,
      masterKeys: await masterKeysOf(options),
      newClusterId: () => randomBytes(16).toString('base64url'),
      progress: progress.add,
    });
  } finally {
    progress.end();
  }
  const { files, bytes, clusterId, problems } = restored;
  for (const problem of problems) {
    if (options.json) await printJson(problem);
    else await printLine(describeProblem(problem));
  }
  const damaged = problems.filter(({ harmless }) => !harmless).length;
  if (options.json) await printJson({ kind: 'summary', files, bytes, clusterId, damaged });
  else await printLine(`restored ${directory}: ${plural(files, 'file')}, ${bytes.toLocaleString('en-US')} bytes`);
  if (damaged === 0) return;
  throw new MillraceError(
    'STORE_CORRUPT',
    `${plural(damaged, 'damaged place')} in ${directory}, named above, which the broker had already when the backup was ` +
      'made. Everything else is sound, and a broker starts on it.',
    { details: { directory, count: damaged } },
  );
}

async function restoreTopic(client: ApiClient, topic: string, options: Options): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'millrace-restore-'));
  try {
    const copy = await extract(directory, topic, options);
    await sendTopic(client, copy, topic, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function extract(directory: string, topic: string, options: Options): Promise<TopicCopy> {
  const backups = await openBackupSources(options.from, options.backup);
  const masterKeys = await masterKeysOf(options);
  const progress = progressOf(backups);
  try {
    const disk = new NodeDisk();
    return await TopicCopy.extract({ disk, directory, backups, topic, masterKeys, progress: progress.add });
  } finally {
    progress.end();
  }
}

async function sendTopic(client: ApiClient, copy: TopicCopy, topic: string, options: Options): Promise<void> {
  const { partitions, overrides } = copy.topic;
  const config = Object.fromEntries([
    ...(overrides ?? []),
    ...(options.config ?? []).map((text) => assignment('--config', text)),
  ]);
  const body = { name: options.as ?? topic, partitions: partitions.length, config };
  const created = (await client.json('POST', '/v1/topics', { body })) as TopicDetail;
  const damages = new Set<string>();
  const progress = new Progress('records');
  let records = 0;
  try {
    for (const partition of partitions) {
      for await (const batch of plainRecords(copy, partition, damages)) {
        await sendBatch(client, created.name, partition.index, batch);
        records += recordCount(batch, 0);
        progress.update(records);
      }
    }
  } finally {
    progress.end();
  }
  const damaged = [...damages];
  for (const place of damaged) process.stderr.write(`DAMAGED ${place}: left out\n`);
  if (options.json) await printJson({ topic: created.name, partitions: partitions.length, records, damaged });
  else
    await printLine(
      `restored ${created.name}: ${plural(records, 'record')} in ${plural(partitions.length, 'partition')}`,
    );
  if (damaged.length === 0) return;
  throw new MillraceError(
    'STORE_CORRUPT',
    `${plural(damaged.length, 'damaged place')} named above had to be left out.`,
    {
      details: { topic, count: damaged.length },
    },
  );
}

async function* plainRecords(
  copy: TopicCopy,
  partition: Partition,
  damages: Set<string>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const told = (place: string): unknown => damages.add(`partition ${partition.index}, ${place}`);
  async function* all(): AsyncGenerator<{ bytes: Uint8Array }, void, undefined> {
    for await (const bytes of copy.batches(partition, told)) yield { bytes };
  }
  for await (const { bytes } of committedBatches(all)) yield* plainBatches(bytes, partition.logStartOffset);
}

function progressOf(backups: readonly BackupReader[]): { add: (bytes: number) => void; end: () => void } {
  const { wanted } = planRestore(backups);
  const total = backups
    .filter(({ manifest }) => wanted.has(manifest.id))
    .reduce((sum, { manifest }) => sum + ownBytes(manifest), 0);
  const progress = new Progress('bytes', total);
  let done = 0;
  return {
    add: (bytes) => {
      done += bytes;
      progress.update(done);
    },
    end: () => progress.end(),
  };
}
