/** `millrace topics config`: shows the settings of a topic, or changes some of them at once. */
import type { Command } from 'commander';
import { topicPath } from './api-client.ts';
import { assignment, type ClientOptions, collect, withClient, withClientOptions } from './options.ts';
import { formatTable, print, printJson } from './output.ts';
import type { ConfigEntry } from './topic-answers.ts';

interface Options extends ClientOptions {
  readonly set?: readonly string[];
  readonly unset?: readonly string[];
}

const EXAMPLES = `
Examples:
  $ millrace topics config demo/earthquakes
  $ millrace topics config demo/earthquakes max.message.bytes=4194304 --unset message.timestamp.type`;

export function registerConfig(topics: Command): void {
  withClientOptions(
    topics.command('config <name> [setting=value...]').description('show or change the settings of a topic'),
  )
    .option('--set <setting=value>', 'the same as without --set; may be repeated', collect)
    .option('--unset <setting>', 'return a setting to its default; may be repeated', collect)
    .addHelpText('after', EXAMPLES)
    .action(configure);
}

async function configure(name: string, assignments: readonly string[], options: Options): Promise<void> {
  const changes = Object.fromEntries<string | null>([
    ...[...assignments, ...(options.set ?? [])].map((text) => assignment('A setting', text)),
    ...(options.unset ?? []).map((setting) => [setting, null] as const),
  ]);
  const changing = Object.keys(changes).length > 0;
  await withClient(options, async (client) => {
    const path = topicPath(name, 'config');
    const answer = await (changing ? client.json('PATCH', path, { body: changes }) : client.json('GET', path));
    const { config } = answer as { config: readonly ConfigEntry[] };
    if (options.json) await printJson(answer);
    else
      await print(
        formatTable(
          ['SETTING', 'VALUE', 'FROM'],
          config.map((entry) => [entry.name, entry.value, entry.source]),
        ),
      );
  });
}
