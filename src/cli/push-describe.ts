/** `millrace push describe`. */
import type { Command } from 'commander';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, plural, print, printJson } from './output.ts';
import { type PushDetail, pushPath } from './push-answers.ts';

const EXAMPLES = `
Examples:
  $ millrace push describe billing
  $ millrace push describe billing --json | jq '.partitions[] | select(.failures > 0)'`;

export function registerDescribe(push: Command): void {
  withClientOptions(
    push.command('describe <id...>').description('show where each partition stands, failing ones first'),
  )
    .addHelpText('after', EXAMPLES)
    .action(describe);
}

async function describe(ids: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const id of ids) {
      const detail = (await client.json('GET', pushPath(id))) as PushDetail;
      if (options.json) await printJson(detail);
      else await print(format(detail));
    }
  });
}

function format(push: PushDetail): string {
  const { id, url, match, paused, lag, partitionCount, partitions, maxAttempts, deadLetterTopic } = push;
  const facts = [
    paused ? 'paused' : 'active',
    `lag ${lag}`,
    plural(partitionCount, 'partition'),
    ...(deadLetterTopic === null ? [] : [`to ${deadLetterTopic} after ${plural(maxAttempts, 'failure')}`]),
  ];
  const table = formatTable(
    ['TOPIC', 'PARTITION', 'OFFSET', 'END', 'LAG', 'STATE', 'FAILURES', 'LAST ERROR'],
    partitions.map((row) => [
      row.topic,
      row.partition,
      row.ackedOffset,
      row.endOffset,
      row.lag,
      row.nextAttemptAt === null ? row.state : `${row.state} until ${row.nextAttemptAt}`,
      row.failures,
      row.lastError?.replaceAll(/\s+/g, ' ') ?? '-',
    ]),
  );
  return `${id} (${facts.join(', ')})\n${match.join(', ')} -> ${url}\n${table}`;
}
