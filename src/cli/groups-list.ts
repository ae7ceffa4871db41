/** `millrace groups list`. */
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { GroupPage, GroupSummary } from './group-answers.ts';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, print } from './output.ts';

/** The largest page that the broker gives. */
const PAGE_LIMIT = 1000;

interface Options extends ClientOptions {
  readonly prefix?: string;
}

const EXAMPLES = `
Examples:
  $ millrace groups list
  $ millrace groups list --prefix shop- --json | jq -r .group`;

export function registerList(groups: Command): void {
  withClientOptions(groups.command('list').description('list consumer groups, sorted by id'))
    .option('--prefix <prefix>', 'only groups whose id begins so')
    .addHelpText('after', EXAMPLES)
    .action(list);
}

async function list(options: Options): Promise<void> {
  await withClient(options, async (client) => {
    let isFirst = true;
    for await (const groups of pages(client, options.prefix)) {
      if (options.json) {
        await print(groups.map((group) => `${JSON.stringify(group)}\n`).join(''));
      } else {
        const table = formatTable(['GROUP', 'TYPE', 'STATE'], groups.map(rowOf));
        await print(isFirst ? table : table.slice(table.indexOf('\n') + 1));
        isFirst = false;
      }
    }
  });
}

function rowOf({ group, type, state }: GroupSummary): string[] {
  return [group, type, state];
}

async function* pages(client: ApiClient, prefix: string | undefined): AsyncGenerator<readonly GroupSummary[]> {
  let cursor: string | undefined;
  do {
    const query = { prefix, limit: PAGE_LIMIT, cursor };
    const page = (await client.json('GET', '/v1/groups', { query })) as GroupPage;
    yield page.groups;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
