/** `millrace topics describe`. */
import type { Command } from 'commander';
import { topicPath } from './api-client.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, plural, print, printJson } from './output.ts';
import type { PartitionDetail, TopicDetail } from './topic-answers.ts';

const EXAMPLES = `
Example:
  $ millrace topics describe demo/earthquakes

BYTES counts the batches that hold readable records. GOES AFTER is when the oldest of them have outlived retention.ms: the
next pass of retention then deletes them, all records that stand with them in one commit or file together. Of a compacted
topic COMPACTED TO is the offset before which the newest record of each key is left, and DIRTY the share that is not compacted
yet and could be: a round comes at min.cleanable.dirty.ratio. What the open journal file holds is not counted.`;

export function registerDescribe(topics: Command): void {
  withClientOptions(topics.command('describe <name...>').description('show partitions, offsets and settings of topics'))
    .addHelpText('after', EXAMPLES)
    .action(describe);
}

async function describe(names: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const name of names) {
      const topic = (await client.json('GET', topicPath(name))) as TopicDetail;
      const { partitions } = (await client.json('GET', topicPath(name, 'partitions'))) as {
        partitions: readonly PartitionDetail[];
      };
      if (options.json) await printJson({ ...topic, partitions });
      else await print(formatTopic(topic, partitions));
    }
  });
}

function formatShare(ratio: number | undefined): string {
  return ratio === undefined ? '-' : `${Math.round(ratio * 100)} %`;
}

function formatTopic(topic: TopicDetail, partitions: readonly PartitionDetail[]): string {
  const records = partitions.reduce((sum, partition) => sum + partition.highWatermark - partition.logStartOffset, 0);
  const settings = Object.entries(topic.config).map(([name, value]) => `  ${name}=${value}\n`);
  const compacted = partitions.some(({ compaction }) => compaction !== null);
  const table = formatTable(
    [
      ...['PARTITION', 'FIRST OFFSET', 'END OFFSET', 'OFFSETS', 'BYTES', 'OLDEST RECORD', 'GOES AFTER'],
      ...(compacted ? ['COMPACTED TO', 'DIRTY'] : []),
    ],
    partitions.map((p) => [
      p.partition,
      p.logStartOffset,
      p.highWatermark,
      p.highWatermark - p.logStartOffset,
      p.sizeBytes,
      p.oldestTimestamp ?? '-',
      p.expiresAt ?? '-',
      ...(compacted ? [p.compaction?.compactedThrough ?? '-', formatShare(p.compaction?.dirtyRatio)] : []),
    ]),
  );
  const head = `${topic.name}  (id ${topic.id}, ${plural(topic.partitionCount, 'partition')}, ${plural(records, 'offset')})\n`;
  return `${head}${settings.length > 0 ? `settings:\n${settings.join('')}` : ''}${table}`;
}
