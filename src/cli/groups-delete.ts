/** `millrace groups delete`. */
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { groupPath } from './group-answers.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { printJson, printLine } from './output.ts';

interface Options extends ClientOptions {
  readonly ifExists?: true;
}

const EXAMPLES = `
Example:
  $ millrace groups delete billing-old --if-exists`;

export function registerDelete(groups: Command): void {
  withClientOptions(groups.command('delete <group...>').description('delete groups without members, and their offsets'))
    .option('--if-exists', 'a group that does not exist is no error')
    .addHelpText('after', EXAMPLES)
    .action(remove);
}

async function remove(ids: readonly string[], options: Options): Promise<void> {
  await withClient(options, async (client) => {
    for (const group of ids) {
      const deleted = await client.json('DELETE', groupPath(group)).then(
        () => true,
        (error: unknown) => {
          if (options.ifExists && error instanceof MillraceError && error.code === 'BROKER_GROUP_NOT_FOUND')
            return false;
          throw error;
        },
      );
      if (options.json) await printJson({ group, deleted });
      else await printLine(deleted ? `deleted ${group}` : `${group} does not exist`);
    }
  });
}
