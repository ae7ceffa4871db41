/** `millrace topics describe`. */
import type { Command } from 'commander';
import { topicPath } from './api-client.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, plural, print, printJson } from './output.ts';
import type { TopicDetail } from './topic-answers.ts';

const EXAMPLES = `
Example:
  $ millrace topics describe demo/earthquakes`;

export function registerDescribe(topics: Command): void {
  withClientOptions(topics.command('describe <name...>').description('show partitions, offsets and settings of topics'))
    .addHelpText('after', EXAMPLES)
    .action(describe);
}

async function describe(names: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const name of names) {
      const topic = (await client.json('GET', topicPath(name))) as TopicDetail;
      if (options.json) await printJson(topic);
      else await print(formatTopic(topic));
    }
  });
}

function formatTopic(topic: TopicDetail): string {
  const records = topic.partitions.reduce(
    (sum, partition) => sum + partition.highWatermark - partition.logStartOffset,
    0,
  );
  const settings = Object.entries(topic.config).map(([name, value]) => `  ${name}=${value}\n`);
  const table = formatTable(
    ['PARTITION', 'FIRST OFFSET', 'END OFFSET', 'OFFSETS'],
    topic.partitions.map((p) => [p.partition, p.logStartOffset, p.highWatermark, p.highWatermark - p.logStartOffset]),
  );
  const head = `${topic.name}  (id ${topic.id}, ${plural(topic.partitionCount, 'partition')}, ${plural(records, 'offset')})\n`;
  return `${head}${settings.length > 0 ? `settings:\n${settings.join('')}` : ''}${table}`;
}
