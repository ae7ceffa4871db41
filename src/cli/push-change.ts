/** `millrace push pause`, `resume` and `delete`. */
import type { Command } from 'commander';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { printJson, printLine } from './output.ts';
import { pushPath } from './push-answers.ts';

const EXAMPLES = `
Examples:
  $ millrace push pause mail
  $ millrace push resume mail billing
  $ millrace push delete mail`;

export function registerChanges(push: Command): void {
  withClientOptions(push.command('pause <id...>').description('deliver nothing until it is resumed'))
    .addHelpText('after', EXAMPLES)
    .action(changer('pause'));
  withClientOptions(push.command('resume <id...>').description('deliver again; what failed before is tried at once'))
    .addHelpText('after', EXAMPLES)
    .action(changer('resume'));
  withClientOptions(push.command('delete <id...>').description('end a push, and forget where it stood'))
    .addHelpText('after', EXAMPLES)
    .action(remove);
}

function changer(verb: 'pause' | 'resume') {
  return async (ids: readonly string[], options: ClientOptions): Promise<void> => {
    await withClient(options, async (client) => {
      for (const id of ids) {
        const push = await client.json('POST', pushPath(id, verb));
        if (options.json) await printJson(push);
        else await printLine(`${verb}d ${id}`);
      }
    });
  };
}

async function remove(ids: readonly string[], options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    for (const id of ids) {
      // Deleting over HTTP is idempotent; who mistypes an id here wants to be told.
      await client.json('GET', pushPath(id));
      await client.json('DELETE', pushPath(id));
      if (options.json) await printJson({ id, deleted: true });
      else await printLine(`deleted ${id}`);
    }
  });
}
