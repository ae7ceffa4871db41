/** `millrace topics delete`. */
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { topicPath } from './api-client.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { printJson, printLine } from './output.ts';

interface Options extends ClientOptions {
  readonly ifExists?: true;
}

const EXAMPLES = `
Example:
  $ millrace topics delete shop/returns --if-exists`;

export function registerDelete(topics: Command): void {
  withClientOptions(
    topics.command('delete <name...>').description('delete topics and their records; done when it is durable'),
  )
    .option('--if-exists', 'a topic that does not exist is no error')
    .addHelpText('after', EXAMPLES)
    .action(remove);
}

async function remove(names: readonly string[], options: Options): Promise<void> {
  await withClient(options, async (client) => {
    for (const name of names) {
      const deleted = await client.json('DELETE', topicPath(name)).then(
        () => true,
        (error: unknown) => {
          if (options.ifExists && error instanceof MillraceError && error.code === 'BROKER_TOPIC_NOT_FOUND')
            return false;
          throw error;
        },
      );
      if (options.json) await printJson({ name, deleted });
      else await printLine(deleted ? `deleted ${name}` : `${name} does not exist`);
    }
  });
}
