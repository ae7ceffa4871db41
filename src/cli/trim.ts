/** `millrace trim`: deletes the oldest records of a Redis stream, or of a topic over HTTP. */
import type { Command } from 'commander';
import { type Client, connect, type TrimLimit } from '../sdk/index.ts';
import { UsageError } from './failure.ts';
import { integer } from './options.ts';
import { printLine } from './output.ts';
import { parseTimestamp } from './position.ts';

interface Options {
  readonly maxLen?: number;
  readonly minTs?: string;
}

const EXAMPLES = `
Examples:
  $ millrace trim redis://127.0.0.1/orders --max-len 100000
  $ millrace trim 'redis://127.0.0.1/orders?shards=4' --min-ts 2026-11-01
  $ millrace trim http://127.0.0.1:7123/orders --max-len 0

What is trimmed is gone at once and for all.`;

export function register(program: Command): void {
  program
    .command('trim <uri>')
    .description('delete the oldest records of a Redis stream, or of a topic over HTTP')
    .option(
      '--max-len <count>',
      'keep so many of each shard or partition',
      integer('--max-len', 0, Number.MAX_SAFE_INTEGER),
    )
    .option('--min-ts <time>', 'keep those of this time and later')
    .addHelpText('after', EXAMPLES)
    .action(trim);
}

async function trim(uri: string, options: Options): Promise<void> {
  const limit = limitOf(options);
  const client = await connect(uri);
  try {
    if (client.topics.length === 0)
      throw new UsageError('Name a topic behind the address, as in redis://127.0.0.1/orders.');
    for (const topic of client.topics) await trimTopic(client, topic, limit);
  } finally {
    await client.close();
  }
}

async function trimTopic(client: Client, topic: string, limit: TrimLimit): Promise<void> {
  await client.admin.trimTopic(topic, limit);
  // Of a Redis stream without entries there is nothing to tell.
  const { partitions } = await client.admin.describeTopic(topic).catch(() => ({ partitions: [] }));
  const left = partitions.filter(({ startOffset, endOffset }) => startOffset < endOffset);
  if (left.length === 0) await printLine(`${topic} is empty`);
  for (const { partition, startOffset } of left)
    await printLine(`${topic} partition ${partition} starts at offset ${startOffset}`);
}

function limitOf({ maxLen, minTs }: Options): TrimLimit {
  if (maxLen !== undefined && minTs === undefined) return { keepRecords: maxLen };
  if (minTs !== undefined && maxLen === undefined) return { fromTimestamp: parseTimestamp('--min-ts', minTs) };
  throw new UsageError('Say what stays: either --max-len or --min-ts.');
}
