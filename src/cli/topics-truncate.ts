/** `millrace topics truncate`. */
import type { Command } from 'commander';
import { type Query, topicPath } from './api-client.ts';
import { UsageError } from './failure.ts';
import { type ClientOptions, integer, withClient, withClientOptions } from './options.ts';
import { printJson, printLine } from './output.ts';
import { parseTimestamp } from './position.ts';
import type { LogStarts } from './topic-answers.ts';

interface Options extends ClientOptions {
  readonly before: string;
  readonly partition?: number;
}

const EXAMPLES = `
Examples:
  $ millrace topics truncate shop/orders --before 2026-11-01
  $ millrace topics truncate shop/orders --partition 2 --before 17000
  $ millrace topics truncate shop/orders --before end

Offsets stay what they are: the log start moves, and never back. Disk space comes back when files hold nothing else.`;

export function registerTruncate(topics: Command): void {
  withClientOptions(topics.command('truncate <name>').description('delete the oldest records of a topic'))
    .requiredOption('--before <position>', 'an offset (with --partition), a time, or end')
    .option('--partition <number>', 'only this partition (default: all)', integer('--partition', 0, 2_147_483_647))
    .addHelpText('after', EXAMPLES)
    .action(truncate);
}

async function truncate(name: string, options: Options): Promise<void> {
  const query: Query = { ...position(options), partition: options.partition ?? 'all' };
  await withClient(options, async (client) => {
    const answer = (await client.json('DELETE', topicPath(name, 'records'), { query })) as
      | LogStarts
      | LogStarts['partitions'][number];
    const partitions = 'partitions' in answer ? answer.partitions : [answer];
    if (options.json) await printJson({ name, partitions });
    else {
      for (const { partition, logStartOffset } of partitions)
        await printLine(`${name} partition ${partition} starts at offset ${logStartOffset}`);
    }
  });
}

function position({ before, partition }: Options): Query {
  if (before === 'end') return { before };
  if (!/^\d{1,16}$/.test(before)) return { timestamp: parseTimestamp('--before', before, 'end, an offset, ') };
  if (partition === undefined)
    throw new UsageError('An offset as --before is one of a partition: say which with --partition.');
  return { before };
}
