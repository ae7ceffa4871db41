/** `millrace topics purge`. */
import type { Command } from 'commander';
import { topicPath } from './api-client.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { plural, printJson, printLine } from './output.ts';
import type { LogStarts } from './topic-answers.ts';

const EXAMPLES = `
Example:
  $ millrace topics purge shop/returns

The topics stay, with their settings; what is written next has the next offset. To delete only older records, see
'millrace topics truncate'.`;

export function registerPurge(topics: Command): void {
  withClientOptions(
    topics.command('purge <name...>').description('delete all records of topics; done when it is durable'),
  )
    .addHelpText('after', EXAMPLES)
    .action(purge);
}

async function purge(names: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const name of names) {
      const query = { before: 'end', partition: 'all' };
      const answer = (await client.json('DELETE', topicPath(name, 'records'), { query })) as LogStarts;
      if (options.json) await printJson({ name, ...answer });
      else await printLine(`purged ${name}, ${plural(answer.partitions.length, 'partition')}`);
    }
  });
}
