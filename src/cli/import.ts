/** `millrace import`: topics from the log directory of a Kafka broker. */
import type { Command } from 'commander';
import { plainBatches } from '../model/plain-batch.ts';
import { recordCount } from '../model/record-batch.ts';
import type { ApiClient } from './api-client.ts';
import { UsageError } from './failure.ts';
import { committedSegmentBatches, findPartitions, type SegmentPartition } from './kafka-segments.ts';
import { assignment, type ClientOptions, collect, withClient, withClientOptions } from './options.ts';
import { plural, printJson, printLine } from './output.ts';
import { Progress } from './progress.ts';
import { sendBatch } from './send-batch.ts';
import type { TopicDetail } from './topic-answers.ts';

/** Kafka's own topics: offsets and transactions of its groups and producers mean nothing elsewhere. */
const INTERNAL = /^__/;

interface Options extends ClientOptions {
  readonly topic?: string;
  readonly as?: string;
  readonly config?: readonly string[];
}

const EXAMPLES = `
Examples:
  $ millrace import /var/lib/kafka/data
  $ millrace import /var/lib/kafka/data --topic orders --as shop/orders
  $ millrace import ./orders-0

Stop the Kafka broker first, or import a copy: a segment that grows is read up to what it had. Topics are created with as
many partitions as there are, and must not exist yet. Records keep their keys, values, headers, times, order and
partitions; offsets begin at 0. Records of aborted and unfinished transactions are left out.`;

export function register(program: Command): void {
  withClientOptions(
    program.command('import <directory>').description('import topics from the log directory of a Kafka broker'),
  )
    .option('--topic <name>', 'this topic only (default: all but those whose names begin with __)')
    .option('--as <name>', 'name of the new topic, with --topic or a directory of one topic')
    .option('--config <name=value>', 'a setting of the new topics; may be repeated', collect)
    .addHelpText('after', EXAMPLES)
    .action(importTopics);
}

async function importTopics(directory: string, options: Options): Promise<void> {
  const found = await find(directory);
  const wanted = found.filter(({ topic }) =>
    options.topic === undefined ? !INTERNAL.test(topic) : topic === options.topic,
  );
  const topics = Map.groupBy(wanted, ({ topic }) => topic);
  if (topics.size === 0) throw new UsageError(nothing(directory, options.topic, found));
  if (options.as !== undefined && topics.size > 1) {
    throw new UsageError(`${directory} holds ${topics.size} topics; say which one --as is for, with --topic.`);
  }
  await withClient(options, async (client) => {
    for (const [topic, partitions] of topics) await importTopic(client, options.as ?? topic, partitions, options);
  });
}

async function find(directory: string): Promise<SegmentPartition[]> {
  try {
    return await findPartitions(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new UsageError(`There is no directory ${directory}.`);
    throw error;
  }
}

function nothing(directory: string, topic: string | undefined, found: readonly SegmentPartition[]): string {
  const names = [...new Set(found.map((partition) => partition.topic))];
  if (topic !== undefined && names.length > 0)
    return `${directory} has no topic ${topic}; it has ${names.slice(0, 10).join(', ')}.`;
  return `${directory} holds no partition of Kafka: directories such as orders-0 with files such as 00000000000000000000.log.`;
}

async function importTopic(
  client: ApiClient,
  name: string,
  partitions: readonly SegmentPartition[],
  { json, config }: Options,
): Promise<void> {
  const count = Math.max(...partitions.map(({ partition }) => partition)) + 1;
  const created = (await client.json('POST', '/v1/topics', {
    body: {
      name,
      partitions: count,
      config: Object.fromEntries((config ?? []).map((text) => assignment('--config', text))),
    },
  })) as TopicDetail;
  const torn: string[] = [];
  let records = 0;
  const progress = new Progress('batches');
  let batches = 0;
  try {
    for (const partition of partitions) {
      for await (const { bytes } of committedSegmentBatches(partition, (place) => torn.push(place))) {
        for (const batch of plainBatches(bytes)) {
          await sendBatch(client, created.name, partition.partition, batch);
          records += recordCount(batch, 0);
        }
        batches += 1;
        progress.update(batches, plural(records, 'record'));
      }
    }
  } finally {
    progress.end();
  }
  for (const place of torn) process.stderr.write(`${place}: an unfinished batch at the end was left out\n`);
  if (json) await printJson({ topic: created.name, partitions: count, records, torn });
  else await printLine(`imported ${created.name}: ${plural(records, 'record')} in ${plural(count, 'partition')}`);
}
