/** `millrace topics add-partitions`. */
import type { Command } from 'commander';
import { topicPath } from './api-client.ts';
import { type ClientOptions, partitionCount, withClient, withClientOptions } from './options.ts';
import { plural, printJson, printLine } from './output.ts';
import type { TopicDetail } from './topic-answers.ts';

interface Options extends ClientOptions {
  readonly partitions: number;
}

const EXAMPLES = `
Examples:
  $ millrace topics add-partitions shop/orders --partitions 24

Records stay where they are, and keys map to other partitions from then on: records of one key written before and after may
stand in two. Partitions are never taken away.`;

export function registerAddPartitions(topics: Command): void {
  withClientOptions(topics.command('add-partitions <name>').description('give a topic more partitions'))
    .requiredOption('--partitions <count>', 'how many it has then, in all', partitionCount)
    .addHelpText('after', EXAMPLES)
    .action(addPartitions);
}

async function addPartitions(name: string, options: Options): Promise<void> {
  const body = { partitions: options.partitions };
  await withClient(options, async (client) => {
    const topic = (await client.json('POST', topicPath(name, 'partitions'), { body })) as TopicDetail;
    if (options.json) await printJson(topic);
    else await printLine(`${topic.name} has ${plural(topic.partitionCount, 'partition')}`);
  });
}
