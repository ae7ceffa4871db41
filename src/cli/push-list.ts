/** `millrace push list`. */
import type { Command } from 'commander';
import { type ClientOptions, withClient, withClientOptions } from './options.ts';
import { formatTable, print } from './output.ts';
import type { PushPage, PushSummary } from './push-answers.ts';

/** The largest page that the broker gives. */
const PAGE_LIMIT = 1000;

const EXAMPLES = `
Examples:
  $ millrace push list
  $ millrace push list --json | jq 'select(.lag > 1000)'`;

export function registerList(push: Command): void {
  withClientOptions(push.command('list').description('list pushes, sorted by id'))
    .addHelpText('after', EXAMPLES)
    .action(list);
}

async function list(options: ClientOptions): Promise<void> {
  await withClient(options, async (client) => {
    const pushes: PushSummary[] = [];
    let cursor: string | undefined;
    do {
      const page = (await client.json('GET', '/v1/push', { query: { limit: PAGE_LIMIT, cursor } })) as PushPage;
      pushes.push(...page.pushes);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    if (options.json) await print(pushes.map((push) => `${JSON.stringify(push)}\n`).join(''));
    else await print(formatTable(['ID', 'STATE', 'LAG', 'MATCH', 'URL'], pushes.map(rowOf)));
  });
}

function rowOf({ id, paused, lag, match, url }: PushSummary): (string | number)[] {
  return [id, paused ? 'paused' : 'active', lag, match.join(', '), url];
}
